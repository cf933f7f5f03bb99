# shellcheck shell=bash
# How a run goes: which rows are wanted, each with its stack, its checks and its memory. Sourced by run.sh and ledger.sh,
# which have set `here` (this directory) and `root`. Reads QUICK and ONLY; sets `part`, by which everything is divided.

ONLY=${ONLY:-}
case ${QUICK:-0} in 0 | no) part=1 ;; *) part=5 ;; esac
. "$here/report.sh"
. "$here/rig.sh"

step() { echo "bench: $*" >&2; }

# run_begin: the rig and the row of the machine; everything is cleared away when the run ends
run_begin() {
    trap 'exit 130' INT TERM HUP
    trap rig_close EXIT
    rig_open || exit 1
    put_machine
    measured=""
}

# run_end: its status is the run's
run_end() {
    [ -n "$measured" ] || { echo "bench: ONLY='$ONLY' selects nothing" >&2; exit 2; }
    [ "$rows_failed" = 0 ]
}

selected() {
    local word
    for word in ${ONLY//,/ }; do
        case $1 in "$word"*) return 0 ;; esac
    done
    [ -z "$ONLY" ]
}

# measure_here ROW FIRST_STEP AIM FUNCTION [ARGUMENT...]: on the stack that is there, one row and, where it left samples,
# one of memory
measure_here() {
    row=$1
    local first=$2 aim=$3
    shift 3
    selected "$row" || return 0
    measured=yes
    rm -f "$dir/memory"
    row_begin "$row"
    "$@" || fail "broken off"
    sampler_stop
    disk_stop
    put firstStep "$first"
    put aim "$aim"
    row_print
    if [ ${#row_failures[@]} -gt 0 ]; then stack_show_logs; fi
    if [ -s "$dir/memory" ]; then memory "$row"; fi
}

# measure ROW FIRST_STEP AIM FUNCTION [ARGUMENT...]: the same on a fresh stack
measure() {
    selected "$1" || return 0
    step "$1: starting a stack"
    measure_here "$1" "$2" "$3" on_a_fresh_stack "${@:4}"
    stack_down
}

on_a_fresh_stack() { stack_new && peer_forget && "$@"; }

# memory WHEN: of the samples a row has left, the highest
memory() {
    local kib processes unreadable
    read -r kib processes unreadable <<<"$(tr -c '0-9A-Za-z\n' ' ' <"$dir/memory" | awk '
        { sum = n = hidden = 0
          for (i = 1; i < NF; i++) { if ($i == "pssKiB") sum += $(i + 1)
              if ($i == "processes") n += $(i + 1)
              if ($i == "unreadable") hidden += $(i + 1) }
          if (sum > most) { most = sum; processes = n; unreadable = hidden } }
        END { print most + 0, processes + 0, unreadable + 0 }')"
    row_begin memory
    put_text when "$1"
    put mib "$(calc "$kib / 1024" 1)"
    put ceiling null
    put_text ceilingIs "none: PSS of everything but Postgres"
    put firstStep 120
    put aim 60
    put samples "$(wc -l <"$dir/memory")"
    put processes "$processes"
    # a user other than root may not look into processes that hold keys: of those all resident memory is counted
    if ((unreadable)); then put upperBoundFor "$unreadable"; fi
    ((processes > 5)) || fail "only $processes processes were seen"
    row_print
}

put_machine() {
    row_begin machine
    put cpus "$(nproc)"
    put_text postgres "$("$pg_bin/postgres" --version | sed 's/.*) \([0-9.]*\).*/\1/')"
    put_text disk "$(stat -f -c %T "$dir")"
    put senders "${DLO_SENDERS:-2}"
    put quick "$([ $part = 1 ] && echo false || echo true)"
    row_print
}
