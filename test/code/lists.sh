#!/bin/sh
# scripts/check-lists finds a file that no Makefile.inc names, and ours name all.
set -eu
check=$(cd "$srcdir" && pwd)/scripts/check-lists
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/src/core" "$dir/test/unit"
touch "$dir/src/core/a.c" "$dir/test/unit/test_a.c"
echo 'libcore_a_SOURCES = src/core/a.c' >"$dir/src/core/Makefile.inc"
echo 'check_PROGRAMS += test/unit/test_a' >"$dir/test/unit/Makefile.inc"
"$check" "$dir" || { echo "wrongly found"; exit 1; }
mkdir -p "$dir/doc/images"
touch "$dir/doc/a.md" "$dir/doc/images/a.svg"
echo 'nobase_dist_doc_DATA += doc/a.md doc/images/a.svg' >"$dir/doc/Makefile.inc"
"$check" "$dir" || { echo "wrongly found"; exit 1; }
for f in doc/b.md doc/images/b.png src/core/b.c src/core/aa.c src/core/b_int.h test/unit/test_ab.c; do
	touch "$dir/$f"
	if "$check" "$dir" >/dev/null; then
		echo "not found: $f"
		exit 1
	fi
	rm "$dir/$f"
done
"$check" "$srcdir"
