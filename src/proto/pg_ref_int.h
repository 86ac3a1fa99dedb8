/* pg_ref_int - pg_ref.c's part of the messages that name a statement. Private to pg_up_ext.c and
 * pg_ref.c. One thread: that of the env. */
#ifndef PROTO_PG_REF_INT_H
#define PROTO_PG_REF_INT_H
#include "pg_run_int.h"

enum ref_kind {
	REF_PASS, /* goes up as it is: the unnamed one, or a name that only the server may know */
	REF_RENAMED, /* has a name of ours: ls */
	REF_CHANGED, /* as before (ls, or the unnamed one), but not with the rows that the client
			was told of */
	REF_STALE,   /* nor with the parameters */
	REF_HOLD,
	REF_MISSING, /* does not exist, and must not be looked for on the server */
	REF_FAILED
};

/* What Bind and Describe refer to, and all that must be sent before them. s: what the session means
 * by the name, or NULL. *ls_r: of REF_RENAMED, and of REF_CHANGED and REF_STALE where it is not the
 * unnamed one. Nothing of the message at hand is put when the answer is HOLD or MISSING, and it
 * comes again. The name may mean another statement afterwards. */
enum ref_kind ref_stmt(struct upx *u, const char *name, size_t name_n, const struct stmt *s,
	struct linkstmt **ls_r);
/* What the session means by the name ("": the unnamed one); borrowed, or NULL. */
const struct stmt *ref_meant(const struct pg_client *c, const char *name, size_t n);
/* The interned statement, a new reference. NULL: the budget is spent. */
struct stmt *ref_intern(struct upx *u, const char *text, size_t text_n, const uint8_t *types,
	unsigned n_types, struct sql_stmt_info *info);

/* ---- what a link has ---- */
struct linkstmt *ref_on_link(struct upx *u, const struct stmt *s); /* or NULL */
struct hash128 ref_key(const struct pg_client *c, const struct stmt *s, uint64_t salt);
/* Puts a Parse under a new name of ours. NULL: no memory. */
struct linkstmt *ref_put_parse(
	struct upx *u, const struct stmt *s, enum owed_disp disp, unsigned flags);
bool ref_put_close(struct upx *u, struct linkstmt *old); /* the link forgets it; false: no memory */
/* Asks what a statement of ours is (NULL: the unnamed one). False: no memory. */
bool ref_put_learn(struct upx *u, struct linkstmt *ls);
/* Parsed by an earlier batch whose outcome is not known yet. */
bool ref_in_doubt(const struct upx *u, const struct linkstmt *ls);
/* Puts its Parse, for which nothing is owed yet. What it returns is for linkstmt.view, or
 * unnamed_view. */
uint64_t ref_put_text(struct upx *u, const char *name, const struct stmt *s);
/* The server's unnamed statement is s from now on; NULL: nobody's. */
void ref_set_unnamed(struct upx *u, const struct stmt *s);
#endif
