#!/bin/sh
# scripts/check-layers finds what it should in a tree made for it, and nothing in ours.
set -eu
check=$(cd "$srcdir" && pwd)/scripts/check-layers
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/src/base" "$dir/src/core" "$dir/src/wire/pg" "$dir/src/proto" "$dir/include/ev" "$dir/src/auth"

expect_bad() { # file, include line
	echo "$2" >"$dir/$1"
	if "$check" "$dir" >"$dir/out"; then
		echo "not found: $2 in $1"
		exit 1
	fi
	grep -q "^$1:1: " "$dir/out" || { echo "found at the wrong place:"; cat "$dir/out"; exit 1; }
	rm "$dir/$1"
}
expect_good() {
	echo "$2" >"$dir/$1"
	"$check" "$dir" || { echo "wrongly found: $2 in $1"; exit 1; }
}
expect_good src/base/ok.c '#include "base/buf.h"'
expect_good src/core/ok.c '#include "proto/proto.h"'
expect_good src/core/ok2.c '#include "core_int.h"'
expect_good src/proto/ok.c '#include "wire/pg/msg.h"'
expect_bad src/base/bad.c '#include "ev/loop.h"'
expect_bad src/core/bad.c '#include "proto/pg_client.h"'
expect_bad src/core/bad.c '# include	"wire/pg/msg.h"'
expect_bad src/wire/pg/bad.c '#include "wire/mysql/msg.h"'
expect_bad src/proto/bad.c '#include "core/session.h"'
expect_bad include/ev/bad.h '#include "conf/conf.h"'
expect_bad src/auth/bad.c '#include "../core/session.h"'
expect_bad src/core/bad.c '#include "ev/loop_int.h"'
expect_bad src/proto/bad.c '#include <openssl/evp.h>'
expect_bad src/base/bad.c '#include "event2/event.h"'
mkdir "$dir/empty"
if "$check" "$dir/empty" >/dev/null; then
	echo "an empty tree passed"
	exit 1
fi
"$check" "$srcdir"
