#!/usr/bin/env bash
# Measures what a user of the product would feel, each beside its ceiling: what the machine gives, in the same minute,
# to the least program that could do the same. `make bench [QUICK=1] [ONLY=drain,ingest]` calls it after the build.
#
# Prints one line of JSON a row; `ratio` is the measured value by the ceiling. Every number is measured, none is
# remembered but `firstStep` and `aim`, which are what the design asks for. A row whose totals do not add up says
# "ok":false and why, and the run ends with status 1. Progress goes to the standard error.
#
# Rows: drain drain-many drain-failing ingest-single ingest-batch latency, and after a row one of memory. ONLY selects
# by the beginning of a name. QUICK=1: a fifth of everything. DLO_SENDERS, DLO_INTAKE, DLO_DESK as for `make run`.
set -u

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
for name in ${!PG@}; do unset "$name"; done
ONLY=${ONLY:-}
case ${QUICK:-0} in 0 | no) part=1 ;; *) part=5 ;; esac
. "$here/report.sh"
. "$here/rig.sh"

step() { echo "bench: $*" >&2; }

# --- draining a backlog -----------------------------------------------------------------------------------------------

queue_empty_at() { sql -c "SELECT extract(epoch FROM clock_timestamp())
                            WHERE NOT EXISTS (SELECT FROM ready) AND NOT EXISTS (SELECT FROM later)"; }

# drained N: until nothing waits any more; sets drain_end. The database is asked only when the peer has nearly all, so
# that asking costs nothing while it counts.
drained() {
    drain_end=""
    within 150 peer_has $(($1 * 95 / 100)) || return 1
    empty() { drain_end=$(queue_empty_at) && [ -n "$drain_end" ]; }
    within 60 empty
}

# What the ledger says: attempts, deliveries that ended, delivered, to be retried, dead, entries with their bodies, and
# when the first request was made.
ledger() { sql -F ' ' -c "
    SELECT count(*), count(DISTINCT delivery_id) FILTER (WHERE ends), count(*) FILTER (WHERE outcome = 0),
           count(*) FILTER (WHERE outcome = 1), count(*) FILTER (WHERE outcome = 2),
           (SELECT count(*) FROM dead_letters JOIN dead_letter_bodies USING (project_id, id, drawer)),
           extract(epoch FROM min(at))
      FROM attempts"; }

# check_drain N FLAKY DEAD: the ledger and the receivers agree with each other and with what must be
check_drain() {
    local n=$1 flaky=$2 dead=$3 count attempts ended delivered again died entries
    read -r attempts ended delivered again died entries drain_begin <<<"$(ledger)"
    check "attempts" "$attempts" $((n + flaky))
    check "deliveries ended" "$ended" "$n"
    check "delivered" "$delivered" $((n - dead))
    check "retried" "$again" "$flaky"
    check "dead" "$died" "$dead"
    check "entries" "$entries" "$dead"
    check "entries counted by the API" "$(api '/v1/dlq?count=exact&limit=1' | field total)" "$dead"
    count=$(peer_ask count)
    check "distinct ids at the receivers" "$(field distinctIds <<<"$count")" "$n"
    check "requests at the receivers" "$(field requests <<<"$count")" $((n + flaky))
    check "accepted by the receivers" "$(field delivered <<<"$count")" $((n - dead))
    check "sent again after success" "$(field afterSuccess <<<"$count")" 0
}

# drain N RECEIVERS [--failing]: a backlog is there, its webhooks are disabled; then one UPDATE enables them all
drain() {
    local n=$1 receivers=$2 failing=${3:-} each=0 rate requests=$(($1 / 2)) ceiling seconds connections
    if [ -n "$failing" ]; then each=$((n / 10)); fi
    webhooks --count "$receivers" --disabled ${failing:+"$failing"} || return 1
    step "$row: filling in $n deliveries"
    backlog "$n" || return 1
    ceiling=$("$bench/ceiling_curl" --url "$(peer_url /ok)" --hosts "$receivers" --requests $requests) || return 1
    peer_forget
    connections=$(peer_ask stats | field accepted)
    step "$row: draining"
    sampler_start
    sql -c "UPDATE webhooks SET enabled = true" || return 1
    drained "$n" || fail "not drained in time, left: $(sql -c 'SELECT count(*) FROM ready') ready"
    sampler_stop
    check_drain "$n" "$each" "$each"
    seconds=$(calc "${drain_end:-0} - ${drain_begin:-0}" 3)
    rate=$(calc "$n / $seconds")
    put perSecond "$rate"
    put_ceiling "$rate" "$(field perSecond <<<"$ceiling")" "libcurl alone, the same receivers, 100 at a time"
    put deliveries "$n"
    put receivers "$receivers"
    put requests $((n + each))
    put seconds "$seconds"
    put connections $(($(peer_ask stats | field accepted) - connections))
}

# --- taking in --------------------------------------------------------------------------------------------------------

# check_stored LOADED: what the producer was told is what the database holds
check_stored() {
    local accepted
    accepted=$(field accepted <<<"$1")
    check "errors of the producer" "$(field errors <<<"$1")" 0
    check "unanswered" "$(field unanswered <<<"$1")" 0
    check "accepted of those answered" "$accepted" "$(field events <<<"$1")"
    check "events stored" "$(sql -c 'SELECT count(*) FROM events')" "$accepted"
    check "deliveries stored" "$(sql -c 'SELECT count(*) FROM ready')" "$accepted"
    [ "${accepted:-0}" -gt 0 ] || fail "nothing was accepted"
}

# The one webhook is disabled: an event makes its delivery, and nothing else runs.
ingest_single() {
    local seconds=$((10 / part)) result ceiling
    webhooks --count 1 --disabled || return 1
    step "$row: posting for $seconds s"
    result=$(load /v1/events --type-count 1 --connections 32 --seconds $seconds) || return 1
    check_stored "$result"
    sql -c "CREATE DATABASE ceiling" || return 1
    ceiling=$("$here/ceiling_fcgi.sh" "${DLO_DSN/\/dlo\?/\/ceiling?}" $seconds 32) || return 1
    put perSecond "$(field perSecond <<<"$result")"
    put_ceiling "$(field perSecond <<<"$result")" "$(field perSecond <<<"$ceiling")" \
        "the same web server and database, bare responders with one INSERT"
    put connections 32
    put p50Ms "$(field p50Ms <<<"$result")"
    put p99Ms "$(field p99Ms <<<"$result")"
    put events "$(field accepted <<<"$result")"
}

ingest_batch() {
    local seconds=$((10 / part)) result batches
    webhooks --count 1 --disabled || return 1
    step "$row: posting for $seconds s"
    result=$(load /v1/events/batch --type-count 1 --batch 1000 --connections 2 --seconds $seconds) || return 1
    check_stored "$result"
    batches=$("$pg_bin/pgbench" -n -c 2 -j 2 -T $seconds -D n=1000 -f "$here/fill.sql" "$DLO_DSN" 2>"$dir/pgbench.log" |
        sed -n 's/^tps = \([0-9.]*\).*/\1/p')
    put perSecond "$(field perSecond <<<"$result")"
    put_ceiling "$(field perSecond <<<"$result")" "$(calc "${batches:-0} * 1000")" \
        "the database alone: two connections insert 1,000 such events and deliveries at a time"
    put connections 2
    put p99Ms "$(field p99Ms <<<"$result")"
    put events "$(field accepted <<<"$result")"
}

# --- from producer to receiver ----------------------------------------------------------------------------------------

# Counts from when the producer's request was due, so that it holds the accepting too.
latency() {
    local seconds=$((30 / part)) receivers=50 accepted result ours direct
    webhooks --count $receivers || return 1
    "$bench/load" --url "$(peer_url /ok/direct)" --rate 500 --seconds $((5 / part + 1)) --stamp >/dev/null || return 1
    direct=$(peer_ask latency)
    peer_forget
    step "$row: 500/s for $seconds s"
    result=$(load /v1/events --type-count $receivers --rate 500 --events $((500 * seconds)) \
        --seconds $((seconds + 10)) --stamp) || return 1 # the last are due just when the time is over
    accepted=$(field accepted <<<"$result")
    within 10 peer_has "$accepted" || fail "not all arrived within 10 s"
    ours=$(peer_ask latency)
    check "accepted" "$accepted" $((500 * seconds))
    check "arrived" "$(peer_ask count | field distinctIds)" "$accepted"
    check "arrived with their time" "$(field count <<<"$ours")" "$accepted"
    check "arrived twice" "$(peer_ask count | field duplicates)" 0
    put p99Ms "$(field p99Ms <<<"$ours")"
    put_ceiling "$(field p99Ms <<<"$ours")" "$(field p99Ms <<<"$direct")" "the producer posts to the receiver itself"
    put p50Ms "$(field p50Ms <<<"$ours")"
    put ceilingP50Ms "$(field p50Ms <<<"$direct")"
    put maxMs "$(field maxMs <<<"$ours")"
    put perSecond 500
    put events "$accepted"
    put receivers $receivers
    memory_sample | paste -sd' ' >"$dir/memory"
}

# --- memory -----------------------------------------------------------------------------------------------------------

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

# --- the run ----------------------------------------------------------------------------------------------------------

selected() {
    local word
    for word in ${ONLY//,/ }; do
        case $1 in "$word"*) return 0 ;; esac
    done
    [ -z "$ONLY" ]
}

# measure ROW FIRST_STEP AIM FUNCTION [ARGUMENT...]: on a fresh stack, one row and, where it left samples, one of memory
measure() {
    row=$1
    local first=$2 aim=$3
    shift 3
    selected "$row" || return 0
    measured=yes
    step "$row: starting a stack"
    rm -f "$dir/memory"
    row_begin "$row"
    { stack_new && peer_forget && "$@"; } || fail "broken off"
    sampler_stop
    put firstStep "$first"
    put aim "$aim"
    row_print
    if [ ${#row_failures[@]} -gt 0 ]; then stack_show_logs; fi
    if [ -s "$dir/memory" ]; then memory "$row"; fi
    stack_down
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

trap 'exit 130' INT TERM HUP
trap rig_close EXIT
rig_open || exit 1
put_machine
measured=""
measure drain         8000  16000 drain $((200000 / part)) 50
measure drain-many    4000  12000 drain $((100000 / part)) $((5000 / part))
measure drain-failing 6000  13000 drain $((200000 / part)) 50 --failing
measure ingest-single 3000  5000  ingest_single
measure ingest-batch  20000 50000 ingest_batch
measure latency       100   30    latency
[ -n "$measured" ] || { echo "bench: ONLY='$ONLY' selects nothing" >&2; exit 2; }
[ "$rows_failed" = 0 ]
