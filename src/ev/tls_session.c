/* tls_session - sessions that servers gave us, so that the next connection to the same server needs
 * no full handshake. A small table per context (so a session never outlives the parameters it was
 * verified under). Any thread. */
#include "tls_int.h"
#include "base/hmap.h"
#include "base/mem.h"

#include <pthread.h>
#include <string.h>

enum { TLS_SESSIONS_N = 64 };

struct tls_sessions {
	pthread_mutex_t lock;
	uint64_t clock;
	struct {
		uint64_t key;  /* keyed hash of the server's name */
		uint64_t used; /* clock at the last use */
		SSL_SESSION *sess;
	} slot[TLS_SESSIONS_N];
};

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static int key_index;

static void key_index_make(void)
{
	key_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

struct tls_sessions *tls_sessions_new(void)
{
	struct tls_sessions *ts = mem_alloc(MEM_TLS, sizeof(*ts));

	pthread_once(&key_once, key_index_make);
	if (ts)
		pthread_mutex_init(&ts->lock, NULL);
	return ts;
}

void tls_sessions_free(struct tls_sessions *ts)
{
	if (ts == NULL)
		return;
	for (unsigned i = 0; i < TLS_SESSIONS_N; i++)
		SSL_SESSION_free(ts->slot[i].sess);
	pthread_mutex_destroy(&ts->lock);
	mem_free(MEM_TLS, ts);
}

/* The slot of key, or the one to give up: an empty one or the longest unused. */
static unsigned slot_of(const struct tls_sessions *ts, uint64_t key)
{
	unsigned victim = 0;

	for (unsigned i = 0; i < TLS_SESSIONS_N; i++) {
		if (ts->slot[i].sess && ts->slot[i].key == key)
			return i;
		if (ts->slot[i].used < ts->slot[victim].used)
			victim = i;
	}
	return victim;
}

void tls_sessions_use(struct tls_sessions *ts, SSL *ssl, const char *server_name)
{
	uint64_t key = hash64(server_name, strlen(server_name));

	if (key == 0 || key_index < 0 || sizeof(uintptr_t) < sizeof(key))
		return;
	SSL_set_ex_data(ssl, key_index, (void *)(uintptr_t)key);
	pthread_mutex_lock(&ts->lock);
	unsigned i = slot_of(ts, key);
	if (ts->slot[i].sess && ts->slot[i].key == key) {
		if (SSL_SESSION_is_resumable(ts->slot[i].sess)) {
			ts->slot[i].used = ++ts->clock;
			SSL_set_session(ssl, ts->slot[i].sess);
		} else {
			SSL_SESSION_free(ts->slot[i].sess);
			ts->slot[i].sess = NULL;
			ts->slot[i].used = 0;
		}
	}
	pthread_mutex_unlock(&ts->lock);
}

int tls_sessions_on_new(struct tls_sessions *ts, SSL *ssl, SSL_SESSION *sess)
{
	uint64_t key = key_index < 0 ? 0 : (uint64_t)(uintptr_t)SSL_get_ex_data(ssl, key_index);

	if (key == 0)
		return 0;
	pthread_mutex_lock(&ts->lock);
	unsigned i = slot_of(ts, key);
	SSL_SESSION *old = ts->slot[i].sess;
	ts->slot[i].key = key;
	ts->slot[i].used = ++ts->clock;
	ts->slot[i].sess = sess;
	pthread_mutex_unlock(&ts->lock);
	SSL_SESSION_free(old);
	return 1; /* the reference is ours now */
}
