#!/bin/sh
# Documents made from the table of options are those in the tree, and a changed one would be found.
set -eu
src=$(cd "$srcdir" && pwd)
gendoc=$PWD/weirpool-gendoc
"$src/scripts/check-generated" "$gendoc" "$src"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/doc" "$dir/etc"
"$src/scripts/check-generated" --write "$gendoc" "$dir" >/dev/null
"$src/scripts/check-generated" "$gendoc" "$dir"
echo 'added by hand' >>"$dir/doc/options.md"
if "$src/scripts/check-generated" "$gendoc" "$dir" >/dev/null; then
	echo "a changed document was not found"
	exit 1
fi
