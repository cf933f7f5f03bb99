#!/usr/bin/env bash
# Runs every unit test program (cmocka) and the three corpora; adds up what they report. A program that dies counts as one
# failure. Last line: N passed, N failed. Fails on any failure, and when there was nothing to run.
set -u
cd "$(dirname "$0")/../.." || exit 1
out=${DLO_BUILD:-build}/test
mkdir -p "$out"
passed=0 failed=0

# The numbers of cmocka's own closing lines; an abnormal end leaves none of them, or not all.
run_program() {
    local log="$out/${1##*/}.log" ok bad
    timeout 300 "$1" >"$log" 2>&1
    local status=$?
    ok=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log" | paste -sd+ | sed 's/^$/0/')
    bad=$(sed -n 's/^\[  FAILED  \] \([0-9]*\) test.*/\1/p' "$log" | paste -sd+ | sed 's/^$/0/')
    ok=$((ok)) bad=$((bad))
    if ((status != 0 && bad == 0)); then bad=1; fi
    ((passed += ok, failed += bad))
    echo "${1##*/}: $ok passed, $bad failed"
    if ((bad > 0)); then tail -n 40 "$log"; fi
}

# run_corpus NAME: tests/unit/NAME.sh, whose last line is its own "N passed, N failed".
run_corpus() {
    local log=$out/$1.log line
    tests/unit/"$1".sh >"$log" 2>&1
    local status=$?
    line=$(grep -E '[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1 | grep -oE '[0-9]+ passed, [0-9]+ failed')
    if [ -z "$line" ] || { [ $status != 0 ] && [[ $line == *", 0 failed" ]]; }; then line="0 passed, 1 failed"; fi
    local ok=${line%% *} bad=${line#*, }
    bad=${bad%% *}
    ((passed += ok, failed += bad))
    echo "$1: $line"
    if ((bad > 0)); then tail -n 40 "$log"; fi
}

for source in tests/unit/test_*.c; do
    [ -e "$source" ] || continue
    run_program "${DLO_BUILD:-build}/unit/$(basename "$source" .c)"
done
for corpus in jsontestsuite jsonschemasuite jsonpathsuite; do run_corpus $corpus; done

echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
