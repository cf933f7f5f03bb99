#!/usr/bin/env bash
# Runs all tests: the unit tests, the browser's, then pytest over tests/. Everything but the torture tests runs on one
# process more than there are processors, as many tests wait; those want the machine for themselves. Last line: N passed,
# N failed, over all of them. Fails on any failure, and when nothing was run.
#
# Whatever a layer leaves is in build/test/. Without a network the Python and node packages of an earlier run are used.
set -u
cd "$(dirname "$0")/../.." || exit 1
DLO_BUILD=${DLO_BUILD:-build}
out=$DLO_BUILD/test
venv=build/venv
mkdir -p "$out"
passed=0 failed=0 skipped=0

die() { echo "$*" >&2; exit 1; }

# made_for FILE STAMP: the stamp holds the checksum of the list it was made for
made_for() { [ "$(sha256sum <"$1")" = "$(cat "$2" 2>/dev/null)" ]; }

prepare_python() {
    local list=tests/requirements.txt stamp=$venv/made-for
    if [ ! -e "$list" ] || made_for "$list" "$stamp"; then return; fi
    echo "installing Python packages into $venv"
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv" || die "cannot make a Python environment in '$venv'"
    if "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$list"; then
        sha256sum <"$list" >"$stamp"
    elif [ ! -x "$venv/bin/pytest" ]; then
        die "cannot install what $list lists"
    fi
}

prepare_node() {
    local dir=tests/web stamp=tests/web/node_modules/.made-for
    if [ ! -e $dir/package-lock.json ] || made_for $dir/package-lock.json $stamp; then return; fi
    echo "installing node packages into $dir/node_modules"
    if (cd $dir && npm ci --silent --no-audit --no-fund --ignore-scripts); then
        sha256sum <$dir/package-lock.json >$stamp
    elif [ ! -d $dir/node_modules ]; then
        die "cannot install what $dir/package-lock.json lists"
    fi
}

# count PASSED FAILED SKIPPED
count() { ((passed += $1, failed += $2, skipped += ${3:-0})); }

run_unit() {
    local line
    conf/test/unit.sh | tee "$out/unit.log"
    line=$(tail -n 1 "$out/unit.log")
    [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]] || line="" BASH_REMATCH=("" 0 1)
    count "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
}

# run_pytest NAME ARGUMENT...: the numbers come from its JUnit file; without one the run itself is the failure
run_pytest() {
    local xml=$out/$1.xml status
    shift
    rm -f "$xml"
    "$venv/bin/python" -m pytest -q --junitxml="$xml" -o junit_family=xunit2 "$@"
    status=$?
    if [ $status = 5 ]; then return; fi # nothing collected: the sum over all layers decides
    # shellcheck disable=SC2046 # three numbers
    count $("$venv/bin/python" - "$xml" <<'PYTHON'
import sys
import xml.etree.ElementTree as tree

try:
    suites = tree.parse(sys.argv[1]).getroot().iter("testsuite")
    total, bad, skipped = 0, 0, 0
    for suite in suites:
        total += int(suite.get("tests"))
        bad += int(suite.get("failures")) + int(suite.get("errors"))
        skipped += int(suite.get("skipped"))
    print(max(total - bad - skipped, 0), bad, skipped)
except (OSError, tree.ParseError):
    print(0, 1, 0)
PYTHON
    )
    if [ $status != 0 ] && [ $failed = 0 ]; then count 0 1; fi
}

# Browser tests that are node programs, unless a test_*.py beside them is what runs them.
run_node() {
    local log=$out/node.log passes fails skips status
    compgen -G 'tests/web/*.test.*js' >/dev/null || return
    if compgen -G 'tests/web/test_*.py' >/dev/null; then return; fi
    (cd tests/web && node --test --test-reporter=tap) >"$log" 2>&1
    status=$?
    passes=$(sed -n 's/^# pass //p' "$log") fails=$(sed -n 's/^# fail //p' "$log") skips=$(sed -n 's/^# skipped //p' "$log")
    if [ $status != 0 ] && [ "${fails:-0}" = 0 ]; then fails=1; fi
    echo "node: ${passes:-0} passed, ${fails:-0} failed"
    if [ "${fails:-0}" != 0 ]; then tail -n 60 "$log"; fi
    count "${passes:-0}" "${fails:-0}" "${skips:-0}"
}

prepare_python
prepare_node
export DLO_BUILD
run_unit
run_node
if [ -x "$venv/bin/pytest" ]; then
    # shellcheck disable=SC2086 # DLO_PYTEST holds arguments
    run_pytest pytest tests --ignore=tests/torture -n "${DLO_TEST_JOBS:-$(($(nproc) + 1))}" ${DLO_PYTEST:-}
    # shellcheck disable=SC2086
    if [ -d tests/torture ]; then run_pytest torture tests/torture ${DLO_PYTEST:-}; fi
fi

if [ $skipped != 0 ]; then echo "($skipped skipped)"; fi
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
