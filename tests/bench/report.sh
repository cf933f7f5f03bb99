# shellcheck shell=bash
# A row: what one measurement says, printed as one line of JSON. Sourced by measure.sh.
#
# Fields are kept in the order they were put. A row is ok unless a check failed; one that failed is printed all the
# same, with what was wrong, and remembered for the exit status. Values are numbers and text of our own, free of quotes.

row_fields=() row_failures=() rows_failed=0

# row_begin NAME
row_begin() { row_fields=("\"row\":\"$1\"") row_failures=(); }

put() { row_fields+=("\"$1\":${2:-null}"); }
put_text() { row_fields+=("\"$1\":\"$2\""); }

# check WHAT ACTUAL EXPECTED
check() { [ "$2" = "$3" ] || fail "$1: ${2:-nothing} instead of $3"; }
fail() { row_failures+=("$1"); }

# calc EXPRESSION [DECIMALS]: its value; `null` where it has none, as a division by zero
calc() { awk "BEGIN { printf \"%.${2:-0}f\", $1 }" 2>/dev/null || echo null; }

# field NAME <JSON: the number with that name; for flat objects
field() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" | head -n 1; }

# put_ceiling VALUE CEILING "WHAT IT IS": always the measured value by the ceiling
put_ceiling() {
    put ceiling "$2"
    put_text ceilingIs "$3"
    put ratio "$(calc "${1:-0} / ${2:-0}" 3)"
}

row_print() {
    local ok=true text=""
    if [ ${#row_failures[@]} -gt 0 ]; then
        ok=false rows_failed=$((rows_failed + 1))
        text=$(printf ',"%s"' "${row_failures[@]}")
        row_fields+=("\"failures\":[${text:1}]")
    fi
    row_fields=("${row_fields[0]}" "\"ok\":$ok" "${row_fields[@]:1}")
    text=$(printf ',%s' "${row_fields[@]}")
    echo "{${text:1}}"
}
