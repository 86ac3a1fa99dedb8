/*
 * What the files of the MySQL dialect know of words. Private to sql/. Any thread.
 */
#ifndef WEIRPOOL_SQL_LEX_MY_INT_H
#define WEIRPOOL_SQL_LEX_MY_INT_H

#include "sql/classify_my.h"
#include "sql/lex.h"

#include "words_my_int.h"

/* Longer identifiers are no word of ours. */
#define MY_WORD_MAX 48

/* What an unquoted `name(` is; see my-words.tsv. */
enum my_call {
	MY_CALL_UNKNOWN,
	MY_CALL_SYNTAX,
	MY_CALL_NATIVE,
	MY_CALL_NOSPACE,
	MY_CALL_BARE,
};

/* What calling a function of this name does. */
enum my_func {
	MY_FUNC_NONE, /* not a function */
	MY_FUNC_SAFE,
	MY_FUNC_LAST_ID, /* with an argument it sets */
	MY_FUNC_LAST_GTID,
	MY_FUNC_FOUND_ROWS,
	MY_FUNC_ROW_COUNT,
	MY_FUNC_CONN_ID,
	MY_FUNC_GET_LOCK,
	MY_FUNC_RELEASE_LOCK,
	MY_FUNC_RELEASE_ALL,
	MY_FUNC_SLOW,
	MY_FUNC_SEQ_USE,
	MY_FUNC_SEQ_READ,
};

/* What else a word names; see my-route.tsv. */
#define MY_WORD_VARIABLE 1u
#define MY_WORD_STATE 2u
#define MY_WORD_METADATA 4u
#define MY_WORD_GRANTS 8u
#define MY_WORD_SCHEMA 16u

/* One row of the generated table. [0] is MySQL, [1] MariaDB. */
struct sql_my_word {
	uint16_t name_at; /* in the table's name pool */
	uint8_t name_n;
	uint8_t func;     /* enum my_func */
	uint16_t id;      /* MY_W_... or 0 */
	uint8_t call[2];  /* enum my_call */
	uint8_t since[2]; /* my_release() that brought the function; 0: every one */
	uint8_t my_until; /* the last MySQL release that has it; 0: every one */
	uint8_t sysvar;   /* enum sql_my_sysvar */
	uint8_t node;     /* enum sql_node: of a call */
	uint8_t more;     /* MY_WORD_... */
};

/* The row for a folded name of n bytes with this hash (sql_hash_step()), or NULL. */
const struct sql_my_word *my_word_find(const char *name, size_t n, uint32_t hash);

/* The row of a name in any case, or NULL. */
const struct sql_my_word *my_word_of(const char *name, size_t n);

/* 80436 -> 8.4 as the table has it. */
static inline unsigned my_release(unsigned version)
{
	return version / 10000 * 16 + version / 100 % 100;
}

static inline char my_fold(char c)
{
	unsigned u = (unsigned char)c;

	return (char)(u + (u - 'A' < 26u) * 32u);
}

#endif
