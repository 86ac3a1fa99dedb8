#!/bin/sh
# test/integration/junit-summary tells of each failing test what it has to: the beginning and the end of a long message.
set -eu
summary=$(cd "$srcdir" && pwd)/test/integration/junit-summary
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

many() { # how many x
	awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) printf "x" }'
}
cat >"$dir/xml" <<EOF
<testsuites><testsuite>
<testcase classname="test.test_a" name="test_good"/>
<testcase classname="test.test_a" name="test_short"><failure message="AssertionError: assert 1 == 2">test_a.py:7: in test_short
2026-11-22 03:28:36.374 UTC [6837] LOG I1001 nothing
2026-11-22 03:28:36.375 UTC [6837] WARNING W1001 something
</failure></testcase>
<testcase classname="test.test_a" name="test_fits"><failure message="$(many 500)"/></testcase>
<testcase classname="test.test_a" name="test_long"><failure message="what was asserted&#10; $(many 600) what was found"/></testcase>
<testcase classname="test.test_a" name="test_left_out"><skipped message="not here"/></testcase>
<testcase classname="test.test_a" name="test_known"><skipped type="pytest.xfail" message="a defect"/></testcase>
</testsuite></testsuites>
EOF
cat >"$dir/wanted" <<EOF
FAILED test_a::test_short: AssertionError: assert 1 == 2
      at test_a.py:7: in test_short
      03:28:36.375 WARNING W1001 something
FAILED test_a::test_fits: $(many 500)
FAILED test_a::test_long: what was asserted $(many 182) ...
      ... $(many 285) what was found
FAILED test_a::test_left_out: not here
KNOWN DEFECT test_a::test_known: a defect
   details: the log
1 4
EOF
/usr/bin/python3 "$summary" "$dir/xml" "the log" >"$dir/out"
diff "$dir/wanted" "$dir/out"
