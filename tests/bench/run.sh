#!/usr/bin/env bash
# Measures what a user of the product would feel, each beside its ceiling: what the machine gives, in the same minute,
# to the least program that could do the same. `make bench [QUICK=1] [ONLY=drain,ingest]` calls it after the build.
#
# Prints one line of JSON a row; `ratio` is the measured value by the ceiling. Every number is measured, none is
# remembered but `firstStep` and `aim`, which are what the design asks for. A row whose totals do not add up says
# "ok":false and why, and the run ends with status 1. Progress goes to the standard error.
#
# Rows: drain drain-many drain-failing drain-tls drain-stuck ingest-single ingest-batch latency isolation transforms
# growth, and after a row one of memory. ONLY selects by the beginning of a name. QUICK=1: a fifth of everything.
# DLO_SENDERS, DLO_INTAKE, DLO_DESK as for `make run`; DLO_BENCH_DIR: where everything lies (rig.sh). `firstStep` and `aim`
# are those of the field that the design names:
# perSecond, p99Ms of latency, ratio of isolation, transforms and growth, mib.
set -u

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
for name in ${!PG@}; do unset "$name"; done
. "$here/measure.sh"
. "$here/drain.sh"
. "$here/neighbours.sh"

# --- draining a backlog -----------------------------------------------------------------------------------------------

# What the ledger says of ours: attempts, deliveries that ended, delivered, to be retried, dead, entries with their bodies.
ledger() { sql -F ' ' -c "
    SELECT count(*), count(*) FILTER (WHERE ends), count(*) FILTER (WHERE outcome = 0),
           count(*) FILTER (WHERE outcome = 1), count(*) FILTER (WHERE outcome = 2),
           (SELECT count(*) FROM dead_letters JOIN dead_letter_bodies USING (project_id, id, drawer))
      FROM attempts WHERE webhook_id IN (SELECT id FROM webhooks WHERE event_types[1] LIKE '$ours')"; }

# check_drain N FLAKY DEAD: the ledger and the receivers agree with each other and with what must be
check_drain() {
    local n=$1 flaky=$2 dead=$3 count attempts ended delivered again died entries
    read -r attempts ended delivered again died entries <<<"$(ledger)"
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

# ceiling_curl PATH RECEIVERS REQUESTS [--tls]: deliveries a second
ceiling_curl() {
    local url
    url=$(peer_url "$1")
    if [ -n "${4:-}" ]; then url=https://127.0.0.1:$peer_tls_port$1; fi
    "$bench/ceiling_curl" --url "$url" --hosts "$2" --requests "$3" --ca "$DLO_CA_FILE" | field perSecond
}

# drain N RECEIVERS [--mixed|--tls]: of mixed answers a tenth is 503 and good the second time, a tenth 404 for ever, at
# every receiver alike: whoever fails more than that has its circuit opened, and what waits for it is held
drain() {
    local n=$1 receivers=$2 kind=${3:-} each=0 rate ceiling connections path=/ok
    local how=(--count "$receivers" --disabled)
    case $kind in
    --mixed) path=/mixed/$receivers each=$((n / 10)) how+=(--path "$path") ;;
    --tls) how+=(--https) ;;
    esac
    webhooks "${how[@]}" || return 1
    step "$row: filling in $n deliveries"
    backlog "$n" || return 1
    ceiling=$(ceiling_curl /ok "$receivers" $((n / 2)) "$(sed -n 's/--tls/&/p' <<<"$kind")") || return 1
    peer_forget
    connections=$(peer_ask stats | field accepted)
    step "$row: draining"
    sampler_start
    drain_timed "$n" "$path" || return 1
    sampler_stop
    check_drain "$n" "$each" "$each"
    rate=$(calc "$n / $drain_seconds")
    put perSecond "$rate"
    put_ceiling "$rate" "$ceiling" "libcurl alone, the same receivers, 100 at a time"
    put workerUs "$drain_worker_us"
    put postgresUs "$drain_postgres_us"
    put deliveries "$n"
    put receivers "$receivers"
    put requests $((n + each))
    put seconds "$drain_seconds"
    put connections $(($(peer_ask stats | field accepted) - connections))
}

# drain_stuck N RECEIVERS STUCK: the same backlog twice, the second time while others hang that were there first
drain_stuck() {
    local n=$1 receivers=$2 stuck=$3 alone rate alone_worker alone_postgres
    webhooks --count "$receivers" --disabled || return 1
    webhooks --count "$stuck" --disabled --path /hang --type stuck --net 2 || return 1
    step "$row: draining $n alone"
    backlog "$n" && drain_timed "$n" /ok || return 1
    alone=$(calc "$n / $drain_seconds") alone_worker=$drain_worker_us alone_postgres=$drain_postgres_us
    webhooks_set "$ours" "enabled = false" || return 1
    peer_forget
    backlog "$n" && backlog $((3 * stuck)) "stuck.%" || return 1
    webhooks_set "stuck.%" "enabled = true" || return 1
    within 20 peer_has $((100 / part)) /hang || fail "nobody hangs"
    step "$row: draining $n beside $stuck receivers that hang"
    sampler_start
    drain_timed "$n" /ok || return 1
    sampler_stop
    check_healthy "$n"
    rate=$(calc "$n / $drain_seconds")
    put perSecond "$rate"
    put_ceiling "$rate" "$alone" "the same without the others"
    put workerUs "$drain_worker_us"
    put postgresUs "$drain_postgres_us"
    put workerUsAlone "$alone_worker"
    put postgresUsAlone "$alone_postgres"
    put deliveries "$n"
    put receivers "$receivers"
    put stuck "$stuck"
    put requestsThatHang "$(peer_ask 'count?ids=no&prefix=/hang' | field requests)"
    put seconds "$drain_seconds"
}

# check_healthy N: ours were delivered twice N times in all, each once, whatever became of the others
check_healthy() {
    local attempts ended delivered rest
    read -r attempts ended delivered rest <<<"$(ledger)"
    check "attempts" "$attempts" $((2 * $1))
    check "deliveries ended" "$ended" $((2 * $1))
    check "delivered" "$delivered" $((2 * $1))
    check "accepted by the receivers" "$(peer_ask 'count?prefix=/ok' | field delivered)" "$1"
}

# growth N...: does a delivery cost the same however many wait? The last to the cheapest before; the first few also pay
# for beginning.
growth() {
    local n least="" cost="" total=0
    webhooks --count 50 --disabled || return 1
    for n in "$@"; do
        step "$row: draining $n"
        webhooks_set "$ours" "enabled = false" || return 1
        peer_forget
        backlog "$n" && drain_timed "$n" /ok || return 1
        total=$((total + n))
        if [ -n "$cost" ]; then least=$(calc "(${least:-$cost} < $cost ? ${least:-$cost} : $cost)" 1); fi
        cost=$(calc "$drain_worker_us + $drain_postgres_us" 1)
        put "us$n" "$(calc "$drain_seconds * 1e6 / $n" 1)"
        put "cpuUs$n" "$cost"
    done
    check "delivered" "$(sql -c "SELECT count(*) FROM attempts WHERE outcome = 0 AND ends")" "$total"
    check "accepted by the receivers" "$(peer_ask count | field delivered)" "$n"
    put_ceiling "$cost" "$least" "processor time of worker and Postgres a delivery when fewer wait"
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
    batches=$("$pg_bin/pgbench" -n -c 2 -j 2 -T $seconds -D n=1000 -D "types='%'" -D bytes=1024 -f "$here/fill.sql" "$DLO_DSN" 2>"$dir/pgbench.log" |
        sed -n 's/^tps = \([0-9.]*\).*/\1/p')
    put perSecond "$(field perSecond <<<"$result")"
    put_ceiling "$(field perSecond <<<"$result")" "$(calc "${batches:-0} * 1000")" \
        "the database alone: two connections insert 1,000 such events and deliveries at a time"
    put connections 2
    put p99Ms "$(field p99Ms <<<"$result")"
    put events "$(field accepted <<<"$result")"
}

# --- from producer to receiver ----------------------------------------------------------------------------------------

# Counts from when the producer's request was due, so that it holds the accepting too. An event is committed twice on its
# way, as accepted and as delivered: beside it, what the disk takes for a bare write.
latency() {
    local seconds=$((30 / part)) receivers=50 accepted result ours direct
    webhooks --count $receivers || return 1
    "$bench/load" --url "$(peer_url /ok/direct)" --rate 500 --seconds $((5 / part + 1)) --stamp >/dev/null || return 1
    direct=$(peer_ask latency)
    peer_forget
    load /v1/events --type-count $receivers --rate 500 --seconds 2 >/dev/null || return 1 # connections, plans, caches
    within 10 peer_has 1000 || fail "the first two seconds did not arrive within 10 s"
    peer_forget
    step "$row: 500/s for $seconds s"
    disk_start
    result=$(load /v1/events --type-count $receivers --rate 500 --events $((500 * seconds)) \
        --seconds $((seconds + 10)) --stamp) || return 1 # the last are due just when the time is over
    accepted=$(field accepted <<<"$result")
    within 10 peer_has "$accepted" || fail "not all arrived within 10 s"
    disk_stop
    ours=$(peer_ask latency)
    check "accepted" "$accepted" $((500 * seconds))
    check "arrived" "$(peer_ask count | field distinctIds)" "$accepted"
    check "arrived with their time" "$(field count <<<"$ours")" "$accepted"
    check "arrived twice" "$(peer_ask count | field duplicates)" 0
    put p99Ms "$(field p99Ms <<<"$ours")"
    put_ceiling "$(field p99Ms <<<"$ours")" "$(field diskP99Ms <"$dir/disk")" "one durable write of a page, meanwhile"
    put p50Ms "$(field p50Ms <<<"$ours")"
    put aimP50Ms 10
    put directP50Ms "$(field p50Ms <<<"$direct")"
    put directP99Ms "$(field p99Ms <<<"$direct")"
    put maxMs "$(field maxMs <<<"$ours")"
    put acceptedP99Ms "$(field p99Ms <<<"$result")"
    put diskMaxMs "$(field diskMaxMs <"$dir/disk")"
    put perSecond 500
    put events "$accepted"
    put receivers $receivers
    memory_sample | paste -sd' ' >"$dir/memory"
}

# --- the run ----------------------------------------------------------------------------------------------------------

run_begin
measure drain         8000  16000 drain $((200000 / part)) 50
measure drain-many    4000  12000 drain $((100000 / part)) $((5000 / part))
measure drain-failing 6000  13000 drain $((200000 / part)) 50 --mixed
measure drain-tls     null  null  drain $((100000 / part)) 50 --tls
measure drain-stuck   null  null  drain_stuck $((200000 / part)) 50 $((5000 / part))
measure ingest-single 3000  5000  ingest_single
measure ingest-batch  20000 50000 ingest_batch
measure latency       100   30    latency
measure isolation     2     1.1   isolation $((1000000 / part)) $((7500 / part))
measure transforms    null  1.2   transforms $((7500 / part))
if [ $part = 1 ]; then sizes="10000 100000 1000000"; else sizes="10000 100000"; fi
# shellcheck disable=SC2086 # a list of numbers
measure growth        null  1     growth $sizes
run_end
