#!/bin/sh
# scripts/check-style finds what it should in a tree made for it, and nothing in ours.
set -eu
check=$(cd "$srcdir" && pwd)/scripts/check-style
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/src/core" "$dir/src/base"

lines() { # n
	awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) print "\tx++;" }'
}
expect_bad() { # what, text
	printf '%s\n' "$2" >"$dir/src/core/bad.c"
	if "$check" "$dir" >"$dir/out"; then
		echo "not found: $1"
		exit 1
	fi
	rm "$dir/src/core/bad.c"
}
expect_good() { # what, text
	printf '%s\n' "$2" >"$dir/src/core/good.c"
	"$check" "$dir" || { echo "wrongly found: $1"; exit 1; }
}
expect_bad "banned function" '	strcpy(a, b);'
expect_bad "banned function after a string" '	x("/*"); n = atoi (s);'
expect_bad "strtol outside base" '	n = strtol(s, 0, 10);'
expect_bad "malloc outside base" '	p = malloc(10);'
expect_bad "long line" "$(printf '\t\t\t\t\t\t\t\t\t\t\t\t12345')"
expect_bad "unfinished work" "/* TO""DO: more */"
expect_bad "blank at the end" 'int x; '
expect_bad "long function" "int f(void)
{
$(lines 101)
}"
expect_good "words in strings and comments" '	x("strcpy(a)"); /* atoi(s) */ y->free(p); my_system(s);'
expect_bad "sscanf outside tests" '	sscanf(s, "%d", &n);'
mkdir -p "$dir/test/unit"
printf '\tsscanf(s, "%%d", &n);\n\tp = malloc(3);\n' >"$dir/test/unit/good.c"
expect_good "100 columns" "$(printf '\t\t\t\t\t\t\t\t\t\t\t\t1234')"
expect_good "function of 100 lines" "int f(void)
{
$(lines 100)
}"
expect_good "excused function" "/* long: one line per message */
int f(void)
{
$(lines 130)
}"
mv "$dir/src/core/good.c" "$dir/src/base/good.c"
printf '\tn = strtol(s, 0, 10);\n\tfree(p);\n' >"$dir/src/base/good.c"
"$check" "$dir" || { echo "base may use strtol and free"; exit 1; }
"$check" "$srcdir"
