#!/bin/sh
# pss.sh [--tree] PID...: the memory of processes as one line of JSON, in KiB. PSS counts a page
# that n processes share 1/n each, so that the sum over a family is what it costs the machine. With
# --tree all descendants of the pids are counted too. A pid that ended meanwhile is left out; of one
# that we may not look into (it holds keys, and we are not root) all that is resident is counted.
set -eu

tree=no
[ "${1:-}" = --tree ] && { tree=yes; shift; }
[ $# -gt 0 ] || { echo "usage: pss.sh [--tree] PID..." >&2; exit 2; }

with_descendants() {
    for pid in "$@"; do
        echo "$pid"
        children=$(cat "/proc/$pid/task/"*/children 2>/dev/null || true)
        # shellcheck disable=SC2086 # a list of numbers
        [ -z "$children" ] || with_descendants $children
    done
}

if [ "$tree" = yes ]; then
    # shellcheck disable=SC2046
    set -- $(with_descendants "$@" | sort -un)
fi
for pid in "$@"; do
    cat "/proc/$pid/smaps_rollup" 2>/dev/null || grep -s '^VmRSS:' "/proc/$pid/status" || true
done | awk '
    $1 == "Rss:" { rss += $2; n++ }
    $1 == "Pss:" { pss += $2 }
    $1 == "Private_Dirty:" || $1 == "Private_Clean:" { private += $2 }
    $1 == "VmRSS:" { rss += $2; pss += $2; n++; unreadable++ }
    END { printf "{\"processes\":%d,\"unreadable\":%d,\"pssKiB\":%d,\"rssKiB\":%d,\"privateKiB\":%d}\n",
                 n, unreadable, pss, rss, private }'
