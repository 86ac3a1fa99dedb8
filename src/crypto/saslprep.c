/* saslprep - passwords as SCRAM hashes them: RFC 4013 by libidn, with PostgreSQL's exceptions.
 * Ignorant of the exchange. Any thread. */
#include "scram_int.h"
#include "base/mem.h"

#include <stringprep.h>
#include <string.h>

size_t scram_prepare(const char *pw, size_t pw_n, char out[SCRAM_PASSWORD_MAX])
{
	bool ascii = true;

	for (size_t i = 0; i < pw_n; i++) {
		if (pw[i] == '\0')
			return 0;
		ascii = ascii && !((unsigned char)pw[i] & 0x80);
	}
	/* PostgreSQL leaves ASCII alone, control characters too. */
	if (ascii || pw_n >= SCRAM_PASSWORD_MAX)
		return 0;
	memcpy(out, pw, pw_n);
	out[pw_n] = '\0';
	/* Not UTF-8, prohibited or unassigned characters, both directions mixed: the raw bytes. */
	if (stringprep(out, SCRAM_PASSWORD_MAX, STRINGPREP_NO_UNASSIGNED, stringprep_saslprep) !=
			STRINGPREP_OK ||
		out[0] == '\0') {
		mem_wipe(out, SCRAM_PASSWORD_MAX);
		return 0;
	}
	return strlen(out);
}
