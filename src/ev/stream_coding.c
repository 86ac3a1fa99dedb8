/* stream_coding - a stream whose bytes have another form on the wire than for its owner:
 * compression, above TLS if there is TLS. Ignorant of the form (base/coding.h). Own thread of the
 * stream's loop.
 *
 * Decoded is what the owner has room for. The rest of what was taken off the socket stays in raw,
 * at most one read of it, and only until the owner reads on: an idle stream holds none. */
#include "ev/stream.h"
#include "base/mem.h"
#include "stream_int.h"

#include <assert.h>
#include <errno.h>

enum { CODED_READ_BYTES = 32 * 1024 };

struct stream_coding {
	struct coding c;
	struct buf raw; /* not decoded yet */
	bool garbled;
	struct err *why; /* if garbled; NULL: no memory for it */
};

int stream_code(struct stream *s, const struct coding *c, const void *p, size_t n)
{
	struct stream_coding *k = mem_alloc(MEM_STREAM, sizeof(*k));

	assert(s->coding == NULL);
	if (k == NULL) {
		c->ops->free(c->st);
		return -1;
	}
	k->c = *c;
	buf_init(&k->raw, 0);
	s->coding = k;
	if (n == 0)
		return 0;
	stream_resume(s); /* no event will tell of them */
	return buf_append(&k->raw, p, n) ? 0 : -1;
}

static void garbled(struct stream_coding *k, const struct err *e)
{
	k->garbled = true;
	k->why = mem_alloc(MEM_STREAM, sizeof(*k->why));
	if (k->why)
		*k->why = *e;
}

const struct err *stream_garbled(const struct stream *s)
{
	static const struct err no_memory = { .code = ERR_NO_MEMORY, .msg = "out of memory" };

	if (s->coding == NULL || !s->coding->garbled)
		return NULL;
	return s->coding->why ? s->coding->why : &no_memory;
}

const char *stream_coding_name(const struct stream *s)
{
	return s->coding ? s->coding->c.name : NULL;
}

/* Returns how many bytes came out; *used_r: how many went in. */
static size_t decode(struct stream_coding *k, const uint8_t *p, size_t n, uint8_t *to, size_t room,
	size_t *used_r)
{
	struct err e;
	size_t used = n;

	err_clear(&e);
	size_t made = k->c.ops->decode(k->c.st, p, &used, to, room, &e);
	*used_r = n;
	if (made == CODING_BROKEN) {
		garbled(k, &e);
		return 0;
	}
	*used_r = used;
	return made;
}

/* Once from what is left of an earlier read, or from the coding's own inside, then from the socket.
 * 0: nothing more now. */
static size_t read_once(struct stream *s, uint8_t *to, size_t room, bool *more_r)
{
	struct stream_coding *k = s->coding;
	uint8_t fresh[CODED_READ_BYTES];
	size_t used, made;

	if (buf_len(&k->raw) > 0 || !*more_r) {
		made = decode(k, buf_data(&k->raw), buf_len(&k->raw), to, room, &used);
		buf_consume(&k->raw, used);
		*more_r = true;
		return made;
	}
	size_t n = stream_read_coded(s, fresh, sizeof(fresh));
	*more_r = n > 0;
	if (n == 0)
		return 0;
	made = decode(k, fresh, n, to, room, &used);
	if (used < n && !buf_append(&k->raw, fresh + used, n - used)) {
		static const struct err e = { .code = ERR_NO_MEMORY, .msg = "out of memory" };
		garbled(k, &e);
	}
	return made;
}

size_t stream_coding_read(struct stream *s, void *p, size_t n)
{
	size_t got = 0;
	bool more = false; /* first what is here already */

	while (!s->coding->garbled && got < n) {
		got += read_once(s, (uint8_t *)p + got, n - got, &more);
		if (!more)
			break;
	}
	if (got > 0 && (s->rx_end || s->coding->garbled)) { /* told by the next call */
		s->eof = false;
		if (s->error == s->rx_end)
			s->error = 0;
		stream_resume(s);
	}
	return got;
}

bool stream_coding_write(struct stream *s, const void *p, size_t n)
{
	struct stream_coding *k = s->coding;
	struct buf b;

	buf_init(&b, 0);
	k->c.ops->encode(k->c.st, p, n, &b);
	if (b.failed) /* what was lost cannot be made up for */
		s->error = ENOMEM;
	bool ok = stream_flush_coded(s, &b);
	buf_fini(&b);
	return ok;
}

bool stream_coding_at_rest(const struct stream *s)
{
	const struct stream_coding *k = s->coding;

	return k == NULL || (!k->garbled && buf_len(&k->raw) == 0 && k->c.ops->at_rest(k->c.st));
}

void stream_coding_free(struct stream *s)
{
	struct stream_coding *k = s->coding;

	s->coding = NULL;
	if (k == NULL)
		return;
	k->c.ops->free(k->c.st);
	buf_fini(&k->raw);
	mem_free(MEM_STREAM, k->why);
	mem_free(MEM_STREAM, k);
}
