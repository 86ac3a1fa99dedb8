#!/bin/sh
# Makes ./configure in a git checkout. Release tarballs (make dist) contain it already.
set -e
cd "$(dirname "$0")"
for tool in autoreconf automake pkg-config; do
	command -v $tool >/dev/null || {
		echo "autogen.sh: $tool is missing (Debian: apt install autoconf automake pkg-config)" >&2
		exit 1
	}
done
mkdir -p m4
exec autoreconf -i -Wall
