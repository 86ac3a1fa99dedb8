/*
 * sql/lex.h - cuts SQL text into tokens exactly as the server's scanner would.
 *
 * One lexer for both dialects: what differs is data in `struct sql_dialect`. Ignorant of
 * grammar, sessions and the wire. No allocation, no I/O, no state outside the structs given: any
 * thread.
 *
 * Source: PostgreSQL docs, "Lexical Structure", and the behaviour of the server's scanner
 * (releases 13 to 18). Where releases differ (1abc, 0x1F, vertical tab) the reading is the one
 * under which nothing that any of them would execute is overlooked; the others answer such text
 * with a syntax error.
 */
#ifndef WEIRPOOL_SQL_LEX_H
#define WEIRPOOL_SQL_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest identifier that is kept; the server cuts longer ones, so a longer one matches nothing
 * here. */
#define SQL_IDENT_MAX 63

enum sql_token {
	SQL_TOK_END,     /* end of the text */
	SQL_TOK_WORD,    /* unquoted identifier or keyword; .word tells which */
	SQL_TOK_QUOTED,  /* "identifier" */
	SQL_TOK_UQUOTED, /* U&"identifier": may spell any name; not decoded */
	SQL_TOK_STRING,  /* '...' without backslash escapes, with all its continuations */
	SQL_TOK_ESTRING, /* E'...', or '...' under standard_conforming_strings=off */
	SQL_TOK_USTRING, /* U&'...' */
	SQL_TOK_DOLLAR,  /* $tag$...$tag$ */
	SQL_TOK_BITS,    /* B'...' or X'...' */
	SQL_TOK_NUMBER,
	SQL_TOK_PARAM, /* $1 */
	SQL_TOK_OP,    /* an operator other than the single characters below */
	SQL_TOK_CAST,  /* :: */
	SQL_TOK_PUNCT, /* one of ( ) [ ] , ; . : in .ch */
	SQL_TOK_OTHER, /* a byte no token starts with: the server will refuse it */
	/* unterminated string, identifier or comment, or a NUL; the lexer stays here */
	SQL_TOK_BAD,
};

/* Keyword class, as pg_get_keywords() tells it. */
enum sql_kwclass {
	SQL_KW_NONE,       /* not a keyword */
	SQL_KW_UNRESERVED, /* may name anything */
	SQL_KW_COLNAME,    /* may not name a function or type */
	SQL_KW_TYPEFUNC,   /* may name a function or type */
	SQL_KW_RESERVED,
};

/* What calling a function of this name does to the session. */
enum sql_func {
	SQL_FUNC_UNKNOWN, /* not a builtin, or a builtin that runs SQL text or other unknown code */
	SQL_FUNC_SAFE,    /* leaves the session as it was */
	SQL_FUNC_CONFIG,  /* set_config() */
	SQL_FUNC_SEED,    /* setseed() */
	SQL_FUNC_ADVISORY, /* session-level advisory locks */
	SQL_FUNC_SEQ_USE,  /* nextval(), setval() */
	SQL_FUNC_SEQ_READ, /* currval(), lastval() */
	SQL_FUNC_SYNTAX,   /* unquoted and unqualified it is syntax: coalesce(...) */
	SQL_FUNC_OPAQUE,   /* state of the session that no catalog shows */
};

/* Which node may run what uses a word; ordered, the strictest last. Source: pg-route.tsv. */
enum sql_node {
	SQL_NODE_REPLICA,
	SQL_NODE_LOCAL, /* a read of what one node knows about itself: the primary, unless asked */
	SQL_NODE_SETTING, /* of a call: depends on the setting that it names */
	SQL_NODE_PRIMARY,
	SQL_NODE_PIN, /* the link of the session */
};

#define SQL_WORD_TYPE 1u     /* a builtin type */
#define SQL_WORD_SETTING 2u  /* a setting that is alike on all nodes */
#define SQL_WORD_OPERATOR 4u /* a builtin operator */
#define SQL_WORD_VOLATILE 8u /* a function that planning alone never calls */

/* One row of the generated table of keywords, builtin functions and other known names. */
struct sql_word {
	uint16_t name_at; /* in the table's name pool */
	uint8_t name_n;
	uint8_t kwclass; /* enum sql_kwclass */
	uint16_t id;     /* SQL_W_...: nonzero for keywords */
	uint8_t func;    /* enum sql_func */
	uint8_t since;   /* server major that brought the function, at the latest; 0: old */
	uint8_t call;    /* enum sql_node: of a call */
	uint8_t node;    /* enum sql_node: of the bare name */
	uint8_t more;    /* SQL_WORD_... */
};

/* A dialect as data. Immutable, shared by all threads. */
struct sql_dialect {
	const char *name;
	/* The row for a folded name of n bytes with this hash (sql_hash_step()), or NULL. */
	const struct sql_word *(*find)(const char *name, size_t n, uint32_t hash);
};

extern const struct sql_dialect sql_dialect_pg;

struct sql_tok {
	enum sql_token kind;
	char ch;               /* SQL_TOK_PUNCT: which; SQL_TOK_OP of one byte: which; else 0 */
	bool decoded_too_long; /* name[] does not hold the whole identifier */
	uint16_t keyword;      /* WORD: its SQL_W_... if it is a keyword; else 0 */
	uint32_t hash;         /* WORD, QUOTED: sql_hash_step() over name[] */
	uint8_t name_n;        /* WORD, QUOTED: bytes in name[] */
	const char *p;         /* the token as written, in the caller's text */
	size_t n;
	const struct sql_word
		*word; /* WORD: its row, or NULL. QUOTED: its row, for the function only */
	char name[SQL_IDENT_MAX + 1]; /* WORD: folded; QUOTED: decoded; not NUL-terminated */
};

struct sql_lex {
	const struct sql_dialect *dialect;
	const char *p, *end;
	bool escape_strings; /* '...' has backslash escapes: standard_conforming_strings=off */
};

/* Starts on n bytes of text, which must outlive the lexer; they need no terminator and may be
 * anything. */
void sql_lex_init(struct sql_lex *l, const struct sql_dialect *d, const char *text, size_t n,
	bool standard_conforming_strings);

/* Reads the next token; whitespace and comments are skipped. After END and after BAD it returns
 * the same again. Never reads outside the text; each call advances or ends. */
void sql_lex_next(struct sql_lex *l, struct sql_tok *t);

/* Decodes a UQUOTED identifier with the escape character \ into t->name, t->hash and t->word, as if
 * it had been written "...". False, with nothing changed, when it has no such meaning or is too
 * long. Code points become UTF-8. The caller has seen that no UESCAPE follows. */
bool sql_lex_decode_ident(const struct sql_dialect *d, struct sql_tok *t);

/* Decodes a STRING, ESTRING or DOLLAR token into at most cap bytes of out. False when it does
 * not fit or when its value needs more than \\ \' \b \f \n \r \t '' and continuation lines to
 * know (\x, \u, octal, U&). */
bool sql_lex_decode(const struct sql_tok *t, char *out, size_t cap, size_t *n_r);

/* The hash that struct sql_dialect's find() expects: start with 0, one step for each folded
 * byte. */
static inline uint32_t sql_hash_step(uint32_t h, unsigned char c)
{
	return (h ^ c) * 0x01000193u;
}

#endif
