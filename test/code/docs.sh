#!/bin/sh
# scripts/check-docs finds what it should in a tree made for it, and nothing in ours.
set -eu
src=$(cd "$srcdir" && pwd)
check=$src/scripts/check-docs
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/src/core" "$dir/doc/internals" "$dir/test"
printf 'struct pool { int open_n; };\nvoid pool_take(void);\n#define POOL_MAX 3\n' >"$dir/src/core/pool.c"
printf '# Read me\n' >"$dir/README.md"
printf '# A page\n\n## Two words, a comma\n' >"$dir/doc/page.md"

expect_bad() { # what, text
	printf '%s\n' "$2" >"$dir/doc/bad.md"
	if "$check" "$dir" >"$dir/out"; then
		echo "not found: $1"
		exit 1
	fi
	grep -q '^doc/bad.md' "$dir/out" || { echo "$1 found at the wrong place:"; cat "$dir/out"; exit 1; }
	rm "$dir/doc/bad.md"
}
expect_good() { # what, text
	printf '%s\n' "$2" >"$dir/doc/good.md"
	"$check" "$dir" || { echo "wrongly found: $1"; exit 1; }
	rm "$dir/doc/good.md"
}
expect_good "things that exist" '`src/core/pool.c`, `src/*/pool.c`, `pool.c`, `src/core/`, `pool_take()`, `struct pool`, `open_n`, `POOL_MAX`'
expect_good "words that may be anything" '`SHOW POOLS`, `pool`, `--once`, `a/b/c`, `x.y`, [web](https://example.com/x)'
expect_bad "file" '`src/core/gone.c`'
expect_bad "glob" '`src/core/*.h`'
expect_bad "folder" '`src/gone/`'
expect_bad "manifest" '`deploy/gone.yaml`'
expect_bad "file without its folder" '`gone.c`'
expect_bad "function" '`pool_gone()`'
expect_bad "type" '`struct gone`'
expect_bad "field" 'the second of two: `open_n` and `gone_n`'
expect_bad "macro" '`POOL_GONE`'
expect_good "links" '[a](page.md), [b](page.md#two-words-a-comma), [c](../README.md), [d](#here)

## Here'
expect_bad "dead link" '[a](gone.md)'
expect_bad "dead heading" '[a](page.md#gone)'
expect_good "blocks" '```sh test=story
true
```

```text
`gone_n`
```'
expect_bad "block that no test runs" '```sh
true
```'
expect_bad "block without a kind" '```
true
```'
expect_bad "block not closed" '```text
x'
expect_bad "commands by indentation" '    $ ls'
awk 'BEGIN { for (i = 0; i < 151; i++) print "x" }' >"$dir/doc/internals/long.md"
if "$check" "$dir" >/dev/null; then
	echo "a page of 151 lines passed"
	exit 1
fi
rm "$dir/doc/internals/long.md"
printf '# Map\n' >"$dir/doc/internals/map.md"
if "$check" "$dir" >/dev/null; then
	echo "a map without a file passed"
	exit 1
fi
rm "$dir/doc/internals/map.md"
mkdir "$dir/src/conf"
printf '\tBOOL(global, "log_all", log_all, GLOBAL, NOW, D("1"),\n' >"$dir/src/conf/opt_table.c"
expect_unused() { # right or wrong
	printf '## Options without effect\n\n%s\n' "$2" >"$dir/doc/from-pgbouncer.md"
	rc=0
	"$check" "$dir" >/dev/null || rc=1
	[ $rc = "$1" ] || { echo "option without effect: $2"; exit 1; }
}
expect_unused 1 ''
expect_unused 0 '| `log_all` | why |'
printf 'int f(struct x *x) { return x->log_all; }\n' >>"$dir/src/core/pool.c"
expect_unused 1 '| `log_all` | why |'
expect_unused 0 ''
mkdir "$dir/empty"
if "$check" "$dir/empty" >/dev/null; then
	echo "an empty tree passed"
	exit 1
fi
"$check" "$src"
