#!/bin/sh
# Every header in include/ compiles alone, without warnings, and may be included twice.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
try() { # header, -I option
	printf '#include "%s"\n#include "%s"\nextern int unit_is_not_empty;\n' "$1" "$1" >"$dir/t.c"
	$CC $2 $CHECK_CFLAGS -Werror -fsyntax-only "$dir/t.c"
}

# The check itself: a header that forgets what it needs must be found.
echo 'size_t forgot(void);' >"$dir/bad.h"
if try bad.h "-I$dir" 2>/dev/null; then
	echo "a header that is not self-contained was not found"
	exit 1
fi

failed=0
n=0
for h in $(cd "$srcdir/include" && find . -name '*.h' | sed 's|^\./||' | sort); do
	n=$((n + 1))
	try "$h" "-I$srcdir/include" || { echo "$h: does not compile alone"; failed=1; }
done
echo "$n headers"
[ $n -gt 0 ] && exit $failed
exit 1
