/* words - the text of a command as the words that a program gets. Pure. */
#include "conf/conf.h"

#include <string.h>

int conf_words(char *text, char **v, unsigned max)
{
	unsigned n = 0;
	char *p = text, *out = text;
	for (;;) {
		p += strspn(p, " \t");
		if (!*p)
			return (int)n;
		if (n == max)
			return -1;
		v[n++] = out;
		for (char q = '\0'; *p && (q || (*p != ' ' && *p != '\t')); p++) {
			if (q ? *p == q : *p == '"' || *p == '\'')
				q = q ? '\0' : *p;
			else
				*out++ = *p;
			if (!p[1] && q)
				return -1;
		}
		p += *p != '\0';
		*out++ = '\0';
	}
}
