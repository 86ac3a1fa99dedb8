#!/bin/sh
# Documents made from the table of options are those in the tree, and a changed one would be found.
set -eu
src=$(cd "$srcdir" && pwd)
gendoc=$PWD/weirpool-gendoc
"$src/scripts/check-generated" "$gendoc" "$src"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/doc/images" "$dir/etc/grafana" "$dir/etc/prometheus" "$dir/src/sql"
cp "$src"/src/sql/*-route.tsv "$dir/src/sql/" # this page is made from itself
cp "$src/doc/routing.md" "$src/doc/performance.md" "$dir/doc/"
"$src/scripts/check-generated" --write "$gendoc" "$dir" >/dev/null
"$src/scripts/check-generated" "$gendoc" "$dir"
echo 'added by hand' >>"$dir/doc/options.md"
if "$src/scripts/check-generated" "$gendoc" "$dir" >/dev/null; then
	echo "a changed document was not found"
	exit 1
fi
