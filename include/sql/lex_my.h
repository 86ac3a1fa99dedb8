/*
 * sql/lex_my.h - cuts SQL text into tokens exactly as MySQL's and MariaDB's scanners would.
 *
 * Beside sql/lex.h rather than inside it: nearly no token is spelled alike (backslashes,
 * backticks, @names, # comments, comments that are executed), and PostgreSQL's stays as fast as
 * it is. Ignorant of grammar, sessions and the wire. No allocation, no I/O, no state outside the
 * structs given: any thread.
 *
 * Source: MySQL manual, "Language Structure", MariaDB documentation, "Comment Syntax", and the
 * behaviour of live servers. Where the reading is not certain the token is SQL_MY_TOK_BAD.
 */
#ifndef WEIRPOOL_SQL_LEX_MY_H
#define WEIRPOOL_SQL_LEX_MY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* sql_mode flags that change how text is read. */
#define SQL_MY_MODE_ANSI_QUOTES 1u
#define SQL_MY_MODE_NO_BACKSLASH_ESCAPES 2u
#define SQL_MY_MODE_ORACLE 4u /* MariaDB: another grammar; every text is unsure */
#define SQL_MY_MODE_IGNORE_SPACE 8u

/* How the bytes of character_set_client behave. */
enum sql_my_charset {
	SQL_MY_CS_SAFE,  /* utf8mb3, utf8mb4: a byte above 0x7f is part of a name, or quoted */
	SQL_MY_CS_BYTES, /* latin1 and its like: ASCII bytes are ASCII, others may be blanks;
			  * text with such bytes outside quotes is unsure */
	SQL_MY_CS_SECOND_BYTE, /* big5, cp932, gb18030, gbk, sjis: behind a byte above 0x7f they
				* may not be; text with such bytes is unsure */
	SQL_MY_CS_UNKNOWN,     /* swe7 and names we do not know: every text is unsure */
};

/* Of a longer text only so much is read, and it is unsure. */
#define SQL_MY_TEXT_MAX (UINT32_C(1) << 20)

/* Whether executable comments with a number are code. */
enum sql_my_code {
	SQL_MY_CODE_BY_VERSION,
	SQL_MY_CODE_ALL,
	SQL_MY_CODE_NONE,
};

struct sql_my_opts {
	bool mariadb;
	/* CLIENT_MULTI_STATEMENTS, as COM_SET_OPTION left it. When not, a semicolon with
	 * anything behind it belongs to a program's body or is a syntax error. */
	bool multi_statements;
	unsigned mode; /* SQL_MY_MODE_... */
	enum sql_my_charset charset;
	/* As in executable comments: 90704, 101119. 0: not known; every such comment with a
	 * number is unsure. */
	unsigned version;
	enum sql_my_code code;
};

enum sql_my_token {
	SQL_MY_TOK_END,    /* end of the text */
	SQL_MY_TOK_WORD,   /* unquoted identifier or keyword */
	SQL_MY_TOK_QUOTED, /* `identifier`, or "identifier" under ANSI_QUOTES */
	SQL_MY_TOK_STRING, /* '...', "..." or N'...'; an introducer before it is a WORD */
	SQL_MY_TOK_BITS,   /* X'...', 0x..., B'...', 0b... */
	SQL_MY_TOK_NUMBER,
	SQL_MY_TOK_VAR,    /* @name, @`name`, @'name', @"name", @ alone */
	SQL_MY_TOK_SYSVAR, /* @@; scope and name follow as words */
	SQL_MY_TOK_ASSIGN, /* := */
	SQL_MY_TOK_PARAM,  /* ? */
	SQL_MY_TOK_OP,     /* one byte of an operator, in .ch; \ and what nothing starts with */
	SQL_MY_TOK_PUNCT,  /* one of ( ) , ; . : { } in .ch */
	SQL_MY_TOK_BAD,    /* not read with certainty; the lexer stays here */
};

struct sql_my_word; /* a row of the table of keywords and functions */

struct sql_my_tok {
	enum sql_my_token kind;
	char ch;       /* OP, PUNCT: which byte; else 0 */
	bool national; /* STRING: N'...' */
	uint16_t id;   /* WORD: nonzero for the words that the classifier knows */
	const char *p; /* as written, in the caller's text */
	size_t n;
	const struct sql_my_word *word; /* WORD: its row, or NULL */
	uint32_t hash; /* WORD of at most 48 bytes: sql_hash_step() over it, folded */
};

struct sql_my_lex {
	const struct sql_my_opts *o;
	const char *p, *end;
	bool in_comment; /* inside an executable comment */
	bool refused;    /* the text is longer than read, or is not to be read at all */
};

/* Starts on n bytes of text, which must outlive the lexer. */
void sql_my_lex_init(struct sql_my_lex *l, const struct sql_my_opts *o, const char *text, size_t n);

/* Reads the next token; blanks and comments are skipped. After END and after BAD it returns the
 * same again. Never reads outside the text; each call advances or ends. */
void sql_my_lex_next(struct sql_my_lex *l, struct sql_my_tok *t);

/* Decodes a STRING without introducer, a WORD, a QUOTED or the name of a VAR into at most cap
 * bytes of out: quotes and escapes resolved, case kept. False when it does not fit, or for any
 * other token. The bytes stay in the client's character set. */
bool sql_my_decode(const struct sql_my_opts *o, const struct sql_my_tok *t, char *out, size_t cap,
	size_t *n_r);

#endif
