#!/bin/sh
# src/sql/words_* is what scripts/gen-sql-words* make of the .tsv files beside it, and a change would be found.
set -eu
src=$(cd "$srcdir" && pwd)
"$src/scripts/gen-sql-words" --check
"$src/scripts/gen-sql-words-my" --check
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/scripts" "$dir/src/sql"
cp "$src/scripts/gen-sql-words" "$dir/scripts/"
cp "$src"/src/sql/*.tsv "$src"/src/sql/words_* "$dir/src/sql/"
chmod -R u+w "$dir"
printf 'zz_added\t0\tsafe\n' >>"$dir/src/sql/pg-builtins.tsv"
if "$dir/scripts/gen-sql-words" --check >/dev/null; then
	echo "a changed list was not found"
	exit 1
fi
