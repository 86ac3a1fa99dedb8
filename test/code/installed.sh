#!/bin/sh
# What `make install` puts into the documents' directory: every page and picture of the source, and no link in them that leads nowhere.
# Runs where configure ran.
set -eu
[ -e Makefile ] || { echo "run me where configure ran (make check does)"; exit 1; }
src=$(cd "$srcdir" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL
make -s install-data DESTDIR="$dir/root" >"$dir/said" 2>&1 || { cat "$dir/said"; exit 1; }
readme=$(find "$dir/root" -name README.md)
[ -n "$readme" ] || { echo "no README.md was installed"; exit 1; }
doc=${readme%/README.md}
"$src/scripts/check-docs" --links "$doc"
(cd "$src" && find README.md CONTRIBUTING.md SECURITY.md LICENSE NEWS $(find doc -name '*.md' -o -name '*.svg' -o -name '*.png')) | sort >"$dir/want"
(cd "$doc" && find README.md CONTRIBUTING.md SECURITY.md LICENSE NEWS doc -type f) | sort >"$dir/is"
diff "$dir/want" "$dir/is"

# the check itself sees a page and a picture that are missing
for f in doc/clusters.md doc/images/status.png LICENSE; do
	mv "$doc/$f" "$dir/away"
	if "$src/scripts/check-docs" --links "$doc" >"$dir/said"; then
		echo "not found: $f is not installed"
		exit 1
	fi
	grep -q "dead link: .*${f##*/}" "$dir/said" || { cat "$dir/said"; exit 1; }
	mv "$dir/away" "$doc/$f"
done
