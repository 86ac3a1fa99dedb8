/* press - see wire/mysql/press.h. */
#include "wire/mysql/press.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

#define ERR_FIRST 0xff /* of an error's payload */
/* In one frame at most: packed it fits there also if it does not get smaller. */
#define WHOLE_MAX_BYTES 0xff0000U

void mypress_init(struct mypress *m, enum mypress_side side, enum mycodec codec, int level)
{
	*m = (struct mypress){
		.codec = codec, .side = side, .level = (uint8_t)level, .ended = true
	};
}

void mypress_fini(struct mypress *m)
{
	mycodec_in_free(&m->z);
	mycodec_out_free(&m->whole);
	buf_fini(&m->held);
}

/* ---- packets ---- */

/* Inside of no packet, and of no header. */
static bool at_packet(const struct mypress_walk *w)
{
	return w->left == 0 && w->head_n == 0 && !w->more;
}

/* Goes over the packet that has begun, and over the header of the next one. Returns the bytes that
 * were left of the former; *got_r says how many more belong to a header, which is complete if
 * head_n is MYPACKET_HEAD_BYTES. */
static size_t walk(struct mypress_walk *w, const uint8_t *p, size_t n, size_t *got_r)
{
	size_t body = n < w->left ? n : w->left, got = 0;
	w->left -= (uint32_t)body;
	while (w->left == 0 && body + got < n && w->head_n < MYPACKET_HEAD_BYTES)
		w->head[w->head_n++] = p[body + got++];
	*got_r = got;
	return body;
}

static void begin_packet(struct mypress_walk *w)
{
	struct mypacket_head h;
	bool ok = mypacket_head(w->head, MYPACKET_HEAD_BYTES, &h);
	assert(ok);
	w->head_n = 0;
	w->left = h.payload_n;
	w->seq = h.seq;
	w->more = h.payload_n == MYPACKET_PAYLOAD_MAX;
	w->empty = h.payload_n == 0;
}

static void follow(struct mypress_walk *w, const uint8_t *p, size_t n)
{
	for (size_t at = 0, got; at < n;) {
		at += walk(w, p + at, n - at, &got);
		at += got;
		if (w->head_n == MYPACKET_HEAD_BYTES)
			begin_packet(w);
	}
}

/* ---- from the peer ---- */

static size_t broken(struct err *e, unsigned number, const char *msg, const char *why)
{
	(void)err_set(e, ERR_PROTOCOL, "%s", msg);
	(void)err_internal(e, "compressed protocol: %s", why);
	memcpy(e->sqlstate, "08S01", 6);
	e->mysql_errno = number;
	return CODING_BROKEN;
}

static size_t out_of_order(struct err *e)
{
	return broken(e, 1156, "Got packets out of order", "a frame has the wrong number");
}

static size_t not_packed(struct err *e, const char *why)
{
	return broken(e, 1157, "Couldn't uncompress communication packet", why);
}

/* A command begins with 0. What goes on does so from the last frame of either side. Of a server
 * that answers several commands nobody can tell which number is due; which reply it is shows in
 * the packets. */
static bool in_order(const struct mypress *m, uint8_t seq)
{
	if (m->side == MYPRESS_CLIENT || seq == m->in_next)
		return true;
	return (seq == m->out_next && m->spoke) || (seq == 0 && at_packet(&m->from));
}

static bool begin_frame(struct mypress *m)
{
	struct mycompress c;
	(void)mycompress_take(m->head, sizeof(m->head), MYCOMPRESS_MAX_BYTES, &c);
	m->head_n = 0;
	if (!in_order(m, c.seq))
		return false;
	m->packed = c.packed;
	m->ended = !c.packed;
	m->body_left = c.body_n;
	m->plain_left = c.plain_n;
	m->in_next = (uint8_t)(c.seq + 1);
	m->heard = true;
	m->goes_on = c.seq != 0 && (m->spoke || m->goes_on);
	m->spoke = false;
	if (c.seq == 0 && m->commands < UINT8_MAX)
		m->commands++;
	return true;
}

/* Of the body, *n_r bytes at most. Adds to *made_r. NULL, or what is wrong. */
static const char *unpack(
	struct mypress *m, const uint8_t *p, size_t *n_r, uint8_t *to, size_t room, size_t *made_r)
{
	uint8_t spare; /* where it shows that more comes out than was declared */
	size_t n = *n_r < m->body_left ? *n_r : m->body_left, given = n;
	bool last = m->plain_left == 0;
	size_t got = last ? 1 : m->plain_left < room ? m->plain_left : room;
	int rc = mycodec_in_step(m->z, p, &n, last ? &spare : to, &got);
	*n_r = n;
	m->body_left -= (uint32_t)n;
	if (rc < 0)
		return "not what was agreed on";
	if (last && got > 0)
		return "longer than declared";
	m->plain_left -= (uint32_t)got;
	*made_r += got;
	m->ended = rc == 1;
	if (m->ended && m->plain_left > 0)
		return "shorter than declared";
	if (m->ended && m->body_left > 0)
		return "bytes behind it";
	if (!m->ended && n == 0 && got == 0 && (given > 0 || m->body_left == 0))
		return "cut short";
	if (m->ended)
		mycodec_in_free(&m->z);
	return NULL;
}

static void copy(
	struct mypress *m, const uint8_t *p, size_t *n_r, uint8_t *to, size_t room, size_t *made_r)
{
	size_t n = *n_r < m->body_left ? *n_r : m->body_left;
	if (n > room)
		n = room;
	memcpy(to, p, n);
	m->body_left -= (uint32_t)n;
	m->plain_left -= (uint32_t)n;
	*n_r = n;
	*made_r += n;
}

size_t mypress_in(
	struct mypress *m, const uint8_t *p, size_t *n_r, uint8_t *to, size_t room, struct err *e)
{
	size_t at = 0, made = 0;
	for (;;) {
		size_t n = *n_r - at, was = made;
		const char *bad = NULL;
		if (m->body_left == 0 && m->ended) {
			if (n == 0)
				break;
			m->head[m->head_n++] = p[at++];
			if (m->head_n == sizeof(m->head) && !begin_frame(m))
				return out_of_order(e);
			continue;
		}
		if (made == room || (n == 0 && m->body_left > 0 && !m->packed))
			break;
		if (m->packed && m->z == NULL && (m->z = mycodec_in_new(m->codec)) == NULL) {
			(void)err_set(e, ERR_NO_MEMORY, "out of memory");
			return CODING_BROKEN;
		}
		if (m->packed)
			bad = unpack(m, n ? p + at : NULL, &n, to + made, room - made, &made);
		else
			copy(m, p + at, &n, to + made, room - made, &made);
		if (bad)
			return not_packed(e, bad);
		at += n;
		if (m->side == MYPRESS_SERVER)
			follow(&m->from, to + was, made - was);
		if (n == 0 && made == was && at == *n_r && !m->ended)
			break;
	}
	*n_r = at;
	return made;
}

/* ---- to the peer ---- */

static void emit(struct mypress *m, const uint8_t *p, size_t n, struct buf *out)
{
	if (n == 0)
		return;
	mycodec_pack(m->codec, m->level, p, n, &m->out_next, out);
	m->spoke = true;
}

/* A packet that goes on with what the peer has heard last gets the peer's next number. */
static void take_turn(struct mypress *m)
{
	m->out_next = m->in_next;
	m->heard = m->goes_on = false;
	if (m->commands > 0)
		m->commands--;
}

/* Is the packet numbered seq the first of a command? Those of a file are numbered on, and an empty
 * one ends it. */
static bool is_command(const struct mypress *m, uint8_t seq)
{
	return seq == 0 && (m->to.seq != UINT8_MAX || m->to.empty);
}

/* Does a reply begin with the packet numbered seq? A client that waits for each reply has sent
 * something since the last one. One that does not may have sent its next command while a reply is
 * on its way to it: that goes on by its numbers. */
static bool is_reply(const struct mypress *m, uint8_t seq)
{
	return m->goes_on || seq == 1 || seq != (uint8_t)(m->to.seq + 1);
}

/* The header of a packet to the peer is complete, and has not been sent. True: a new count begins
 * with it. first: of its payload; -1: not here yet. */
static bool renumber(struct mypress *m, int first)
{
	uint8_t seq = m->to.head[MYPACKET_HEAD_BYTES - 1];
	if (m->to.more)
		return false;
	if (m->side == MYPRESS_CLIENT && is_command(m, seq)) {
		m->out_next = 0;
		m->heard = false;
		return true;
	}
	if (m->heard && (m->side == MYPRESS_CLIENT || is_reply(m, seq))) {
		take_turn(m);
		return true;
	}
	if (m->side == MYPRESS_CLIENT || m->heard)
		return false;
	if (m->commands > 0 && seq == 1 && m->to.seq != 0) { /* the next of several */
		m->out_next = 1;
		m->commands--;
		return true;
	}
	if (seq == 0 && first == ERR_FIRST) { /* last words: for when it asks again */
		m->out_next = 1;
		return true;
	}
	return false;
}

/* From here on n bytes, all of one packet, make one frame. */
static void begin_whole(struct mypress *m, uint32_t n, struct buf *out)
{
	buf_init(&m->held, MYCOMPRESS_MAX_BYTES);
	m->whole = mycodec_out_new(m->codec, m->level, n);
	m->whole_left = m->whole_n = n;
	if (m->whole == NULL)
		out->failed = true;
	else
		mycompress_put_head(&m->held, &m->out_next, 0, n);
}

/* Returns how many bytes of it were taken. */
static size_t go_on_whole(struct mypress *m, const uint8_t *p, size_t n, struct buf *out)
{
	size_t k = n < m->whole_left ? n : m->whole_left;
	bool last = k == m->whole_left;
	if (m->whole == NULL || !mycodec_out_step(m->whole, p, k, last, &m->held))
		out->failed = true;
	m->whole_left -= (uint32_t)k;
	if (!last || out->failed)
		return k;
	mycompress_set_head(
		&m->held, 0, (uint32_t)buf_len(&m->held) - MYCOMPRESS_HEAD_BYTES, m->whole_n);
	buf_append(out, buf_data(&m->held), buf_len(&m->held));
	buf_fini(&m->held);
	mycodec_out_free(&m->whole);
	m->spoke = true;
	return k;
}

/* Of the packet that has begun in an earlier call, what this one does not end. Returns how many
 * bytes were taken. */
static size_t out_whole(struct mypress *m, const uint8_t *p, size_t n, struct buf *out)
{
	size_t at = 0;
	while (m->side == MYPRESS_SERVER && at < n && !out->failed &&
		(m->whole_left > 0 || m->to.left > n - at)) {
		if (m->whole_left == 0)
			begin_whole(m, m->to.left, out);
		size_t k = go_on_whole(m, p + at, n - at, out);
		m->to.left -= (uint32_t)k;
		at += k;
	}
	return at;
}

/* What goes out at the end of a call. The packet that has begun at head_at is not whole. */
static void emit_cut(struct mypress *m, const uint8_t *p, size_t begun, size_t head_at, size_t n,
	struct buf *out)
{
	if (n - head_at + m->to.left <= WHOLE_MAX_BYTES) {
		emit(m, p + begun, n - begun, out); /* its rest is the second frame */
		return;
	}
	emit(m, p + begun, head_at - begun, out);
	begin_whole(m, WHOLE_MAX_BYTES, out);
	(void)go_on_whole(m, p + head_at, n - head_at, out);
}

void mypress_out(struct mypress *m, const void *p, size_t n, struct buf *out)
{
	struct mypress_walk *w = &m->to;
	const uint8_t *from = p;
	if (n == 0)
		return;
	size_t begun = out_whole(m, from, n, out); /* from where on nothing is sent */
	size_t last_head = begun;
	for (size_t at = begun, got; at < n;) {
		bool held = w->head_n > 0; /* a part of the header came in an earlier call */
		at += walk(w, from + at, n - at, &got);
		size_t head_at = at;
		at += got;
		if (w->head_n > 0 && w->head_n < MYPACKET_HEAD_BYTES) { /* till the rest is here */
			emit(m, from + begun, head_at - begun, out);
			return;
		}
		if (w->head_n == 0)
			continue;
		uint8_t number = m->out_next;
		if (renumber(m, at < n ? from[at] : -1) && head_at > begun) {
			uint8_t then = m->out_next;
			m->out_next = number;
			emit(m, from + begun, head_at - begun, out);
			m->out_next = then;
			begun = head_at;
		}
		if (held) {
			emit(m, w->head, MYPACKET_HEAD_BYTES, out);
			begun = at;
		}
		begin_packet(w);
		last_head = held ? at : head_at;
	}
	if (m->side == MYPRESS_SERVER && w->left > 0 && begun < n)
		emit_cut(m, from, begun, last_head, n, out);
	else
		emit(m, from + begun, n - begun, out);
}

bool mypress_at_rest(const struct mypress *m)
{
	return m->head_n == 0 && m->body_left == 0 && m->ended;
}

/* ---- as a coding ---- */

static size_t coding_decode(
	void *st, const uint8_t *p, size_t *n_r, uint8_t *to, size_t room, struct err *e)
{
	return mypress_in(st, p, n_r, to, room, e);
}

static void coding_encode(void *st, const void *p, size_t n, struct buf *out)
{
	mypress_out(st, p, n, out);
}

static bool coding_at_rest(const void *st)
{
	return mypress_at_rest(st);
}

static void coding_free(void *st)
{
	mypress_fini(st);
	mem_free(MEM_STREAM, st);
}

bool mypress_coding(struct coding *c_r, enum mypress_side side, enum mycodec codec, int level)
{
	static const struct coding_ops ops = {
		.decode = coding_decode,
		.encode = coding_encode,
		.at_rest = coding_at_rest,
		.free = coding_free,
	};
	struct mypress *m = mem_alloc(MEM_STREAM, sizeof(*m));
	if (m == NULL)
		return false;
	mypress_init(m, side, codec, level);
	*c_r = (struct coding){ .ops = &ops, .st = m, .name = mycodec_name(codec) };
	return true;
}
