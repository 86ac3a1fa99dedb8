#!/bin/sh
# test/unit-summary tells of each failing unit test what its log ends with, and not more.
set -eu
summary=$(cd "$srcdir" && pwd)/test/unit-summary
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/test/unit" "$dir/test/code"
cd "$dir"

cat >make.log <<'EOF'
PASS: test/unit/test_a 1 - a::good  (0.00s)
FAIL: test/unit/test_a 2 - a::bad  (0.02s)
ERROR: test/unit/test_gone - missing test plan
FAIL: test/code/style.sh
# FAIL:  2
EOF
cat >test/unit/test_a.log <<'EOF'
# a::good SEED=1
# [----] test_a.c:11: Assertion Failed
# [----]   
# [----]   seed 7: 1 of 2
# [FAIL] a::bad: (0.00s)
#    Addressable:           00
#   0x10007fff7f50: 00 00 f1
# a::bad SEED=7
# [====] Synthesis: Tested: 2 | Passing: 1 | Failing: 1 | Crashing: 0 
TAP version 13
1..2
# Criterion v2.4.1
#
ok - a::good  (0.00s)
PASS: test/unit/test_a 1 - a::good  (0.00s)
not ok - a::bad  (0.02s)
FAIL: test/unit/test_a 2 - a::bad  (0.02s)
  ---
  assertions: 1
  failures:
  - test_a.c:11: |+
      Assertion failed: seed 7: 1 of 2
  ...
EOF
awk 'BEGIN { for (i = 1; i <= 40; i++) printf "x.c:%d: line of %0400d columns\n", i, i }' >test/code/style.log
"$summary" make.log . >out
cat >wanted <<'EOF'
FAILED unit: FAIL: test/unit/test_a 2 - a::bad  (0.02s)
FAILED unit: ERROR: test/unit/test_gone - missing test plan
FAILED unit: FAIL: test/code/style.sh
   the end of ./test/unit/test_a.log
      # [----] test_a.c:11: Assertion Failed
      # [----]   seed 7: 1 of 2
      # [FAIL] a::bad: (0.00s)
      # a::bad SEED=7
   the end of ./test/unit/test_gone.log
      [Errno 2] No such file or directory: './test/unit/test_gone.log'
   the end of ./test/code/style.log
EOF
awk 'BEGIN { for (i = 26; i <= 40; i++) printf "      %.200s\n", sprintf("x.c:%d: line of %0400d columns", i, i) }' >>wanted
diff wanted out
