/* gen - documents made from the tables of options and of events. Build time and tests. */
#ifndef CONF_GEN_H
#define CONF_GEN_H
struct buf;

void conf_gen_markdown(struct buf *out); /* doc/options.md */
void conf_gen_man(struct buf *out);      /* doc/weirpool.ini.5 */
void conf_gen_sample(struct buf *out);   /* etc/weirpool.ini */
void conf_gen_errors(struct buf *out);   /* doc/errors.md */
#endif
