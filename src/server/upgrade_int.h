/* upgrade_int - what the two processes of an upgrade say to each other, and where they do. Private
 * to upgrade*.c. Control thread. */
#ifndef UPGRADE_INT_H
#define UPGRADE_INT_H
#include "base/buf.h"
#include "base/rd.h"
#include "server_int.h"

#include <sys/types.h>

/* The wire between them is one SOCK_SEQPACKET pair: each message is whole, and may bring a
 * descriptor, a SESSION two. What it says is looked at as if it came from the network: the other
 * end may be another version. */
#define UPG_VERSION 2
/* Below what Linux lets through by default (net.core.wmem_default). */
#define UPG_BYTES_MAX 200000
/* Of what core/ and proto/ write of sessions, which move only to a process of the same. */
#define UPG_SESSIONS 3
#define UPG_MOVING_MAX 64 /* sessions that are on their way at a time */

enum upg_type {
	UPG_HELLO = 1, /* new: pid, version, UPG_SESSIONS; the configuration is read */
	UPG_STATE,     /* old: pid, generation, path of the pid file; fd: the pid file, if any */
	UPG_SOCKET,    /* old: its words (sockets.c); fd: it listens */
	UPG_ALL,       /* old: that was all; how many sockets */
	UPG_READY,     /* new: nothing can go wrong any more but threads; nobody is accepted yet */
	UPG_CLUSTER,   /* old: name, cluster_bequeath(); before GO */
	UPG_GO,        /* old: accept */
	UPG_SERVING,   /* new: clients are accepted; 1 if the pid file is taken over */
	UPG_COMMIT,    /* old: it accepts no more; the service is yours */
	UPG_FAILED,    /* new: why it ends */
	UPG_CANCEL,    /* both: protocol, key of a cancel request; fd: its connection */
	UPG_LEFT, /* old: how many clients it still serves, links of what is held, HELDs heard; how
			  many clients for each core_stays */
	UPG_END,  /* new: it ends as an operator wants: enum core_state */
	UPG_KEY,  /* old, before all else: the key of hashes; taken before main() makes any */
	UPG_SESSION, /* old: place, protocol, state of a session; fd: its connection, and that to
			the server that it keeps, if it does */
	UPG_TAKEN,   /* new: place, enum core_moved: it has it and waits; it cannot; not now */
	UPG_OWN,     /* old: place, 1: it has let go of it; 0: it has not */
	UPG_KILL,    /* both: number of the question, protocol, thread id, 1: whole | 2: anybody's,
			  account */
	UPG_KILLED,  /* both: number of the question, enum core_killed */
	UPG_HELD,    /* both: struct core_held, when an operator changes it; old: all, before GO */
	UPG_N
};

struct upg_msg {
	enum upg_type type;
	struct rd body; /* points into bytes */
	int fd;         /* the reader's; -1: none */
	int second;     /* the same; of a SESSION only */
	size_t n;       /* of bytes */
	uint8_t bytes[UPG_BYTES_MAX];
};

/* upgrade_msg.c. body may be NULL; fd -1: none, else it stays the caller's. -1: errno. */
int upg_send(int sock, enum upg_type type, const struct buf *body, int fd)
	__attribute__((warn_unused_result));
/* A SESSION with its link; second as fd. */
int upg_send_two(int sock, enum upg_type type, const struct buf *body, int fd, int second)
	__attribute__((warn_unused_result));
void upg_close_fds(struct upg_msg *m); /* those that nobody took */
enum upg_got { UPG_GOT, UPG_NOTHING, UPG_ENDED, UPG_STRANGE };
/* One message, if there is one now. ENDED: the other end is closed; STRANGE: it speaks otherwise.
 */
enum upg_got upg_recv(int sock, struct upg_msg *m_r);
/* The same, but waits until deadline_us (clock_mono_us()); UPG_NOTHING then. */
enum upg_got upg_wait(int sock, int64_t deadline_us, struct upg_msg *m_r);
/* Parts of a message. A text has at most 4000 bytes; NULL: it is malformed. */
void upg_put_text(struct buf *b, const char *s);
const char *upg_get_text(struct rd *r);

/* upgrade_move.c: sessions. */
struct moving {
	struct core *core;
	int *fd; /* the wire; -1: gone */
	bool on; /* old: the other one can take sessions */
	unsigned n, round_n;
	unsigned stays[CORE_STAYS_N]; /* old: as it was last logged */
	int64_t stays_us;
	struct moving_one {
		bool used;
		struct core_place from, at; /* in the old process, in the new one */
		bool here;                  /* new: at is known */
	} v[UPG_MOVING_MAX];
};
void moving_init(struct moving *m, struct core *core, int *fd);
void moving_begin(struct moving *m); /* old: those that can move are on their way */
void moving_tell(struct moving *m);  /* old: who is left, for the other one and the log */
void moving_left(struct moving *m, struct upg_msg *msg); /* new: ... and here it is */
/* Of the other process; closes or takes m->fd. False: it is malformed. */
bool moving_session(struct moving *m, struct upg_msg *msg);
bool moving_taken(struct moving *m, struct upg_msg *msg);
bool moving_own(struct moving *m, struct upg_msg *msg);
/* The wire has gone: old: they stay; new: they were not ours. */
void moving_lost(struct moving *m, bool is_new);

/* upgrade_stray.c: requests for sessions that are not here. fd: the wire; -1: gone. */
void stray_init(struct core *core, int *fd);
bool stray_put_held(int fd, const struct core_held *h);
bool stray_get_held(struct core *core, struct upg_msg *m); /* false: it is malformed */
/* Of the other process; takes or leaves m->fd. False: it is malformed. */
bool stray_msg(struct core *core, int *fd, struct upg_msg *m);

/* upgrade_exec.c: which program, with which words. */
const char *upgrade_program(void); /* "": not known */
char *const *upgrade_argv(void);   /* [0]: upgrade_program() */
unsigned upgrade_argc(void);
bool upgrade_has_key(void); /* UPG_KEY has come in time */
/* Where the end of the pair and the first process's standard output and error stand in the new
 * one. */
#define UPG_FD 3
#define UPG_OUT_FD 4
#define UPG_ERR_FD 5
#define UPG_ENV "WEIRPOOL_UPGRADE"
#define UPG_ENV_VALUE UPG_ENV "=3"
#endif
