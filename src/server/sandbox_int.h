/* sandbox_int - what the files of the sandbox tell each other. Control thread, at the start. */
#ifndef SANDBOX_INT_H
#define SANDBOX_INT_H
#include "conf/conf.h"

#include <stdbool.h>

/* sandbox_calls.c: lets every thread make the system calls of its list only; others end with
 * ENOSYS. How many are in the list; -1 with a sentence in why: nothing has changed. */
int sandbox_calls(char *why, size_t n);

/* sandbox_files.c: lets this thread and those it will start open only what conf names (by
 * directory), what libraries read, and nothing else. Its version in the kernel; -1 as above. */
int sandbox_files(const struct conf *conf, char *why, size_t n);
#endif
