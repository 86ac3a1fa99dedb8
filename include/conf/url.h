/* url - postgres://user:secret@host1:port,host2/db?parameters (or mysql://) as a configuration of
 * its own, and the text that is to be pasted into an application instead. Ignorant of files and
 * sockets. Control thread. */
#ifndef CONF_URL_H
#define CONF_URL_H
#include "conf/conf.h"

struct buf;

/* Is arg a URL? Else it is a file name. One of another scheme than ours is a mistake when it is
 * read: as a file it would be named in messages, with its password. */
bool conf_url_is(const char *arg);
/* Our defaults, listening on 127.0.0.1, port 6432 (6033 for mysql://); one database of the URL's
 * name, that goes to its
 * hosts with its user and password. Clients must prove the same user and password by SCRAM
 * (conf.url_user, conf.url_password); a URL without a password gives auth_type=trust on 127.0.0.1,
 * with a warning. The user is admin. Parameters: libpq docs, "Parameter Key Words"; unknown ones
 * are errors. 0/-1 as conf_load(); messages never show the password. */
int conf_url_load(const char *url, struct conf **conf_r, struct conf_msgs *m)
	__attribute__((warn_unused_result));
/* Appends the URL for the application: weirpool's address, the same user, database, and "****" or,
 * when with_secret, the password. Works as pasted. For a conf made by conf_url_load(). */
void conf_url_paste(const struct conf *conf, bool with_secret, struct buf *out);
#endif
