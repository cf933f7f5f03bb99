#!/usr/bin/env bash
# Measures the ledger: what somebody who looks for dead letters, or sends many of them again, waits for. The same rows with
# 10,000, 100,000 and 1,000,000 entries, so that growth is seen. `make bench-ledger [QUICK=1] [ONLY=first-page,filter]
# [SIZES=10000]` calls it after the build.
#
# Rows are printed as those of run.sh are. Requests go over HTTP through the web server on one kept connection, each with
# its ceiling between every two of them: GET /v1/whoami, which takes the same way and finds nothing. `p50MsAt…` are
# those of smaller ledgers in this run. QUICK=1: no million, and a fifth of what is posted and sent.
#
# Rows: first-page, filter-… (each filter with frequent and rare values, and with one that nothing has), deep-cursor, groups,
# group, groups-by-…, counts, counts-…, overview, stats, search-…, entry, plan, freeze, export-ndjson, feed,
# live-beside-redrive (at the usual 100 a second; -500; -2000: the most that a project may), drop-day, drop-day-stall.
# `firstStep` and `aim` are the p99 of a page, the seconds of a freeze and of a drop, the ms of a stall, the ratio of live
# traffic.
set -u

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
for name in ${!PG@}; do unset "$name"; done
. "$here/measure.sh"
. "$here/drain.sh"
case $part in 1) SIZES=${SIZES:-10000 100000 1000000} ;; *) SIZES=${SIZES:-10000 100000} ;; esac
STEP_ROWS=50000

# --- a ledger ---------------------------------------------------------------------------------------------------------

# Two hundred receivers, of which fifty, those of order.paid.*, also get live traffic.
receivers() { webhooks --count 50 && webhooks --count 150 --net 2 --type order.sent; }

# fill N FIRST: every second step from there
fill_steps() {
    local n=$1 first
    for ((first = $2; first <= n; first += 2 * STEP_ROWS)); do
        local last=$((first + STEP_ROWS - 1))
        sql -v n="$n" -v days=5 -v first=$first -v last=$((last < n ? last : n)) -f "$here/ledger.sql" || return 1
    done
}

folded() { [ "$(sql -c "SELECT EXISTS (SELECT FROM group_deltas) OR EXISTS (SELECT FROM dlq_deltas)")" = f ]; }

# ledger N: on a fresh stack; what the maintainer does with new entries is over, and so is the vacuum
ledger() {
    local n=$1 since=$SECONDS odd
    stack_new && peer_forget && receivers || return 1
    step "filling in $n dead letters"
    fill_steps "$n" 1 &
    odd=$!
    fill_steps "$n" $((STEP_ROWS + 1)) || return 1
    wait $odd || return 1
    load /v1/events/batch --type nobody.takes --batch 500 --events 1000 --connections 1 >/dev/null || return 1
    within 120 folded || { echo "bench: the new entries were not folded" >&2; return 1; }
    sql -c "VACUUM ANALYZE dead_letters" -c "VACUUM ANALYZE dead_letter_bodies" -c "VACUUM ANALYZE dlq_groups" \
        -c "VACUUM ANALYZE group_buckets" -c "VACUUM ANALYZE dlq_counts" -c "VACUUM ANALYZE dlq_stats" \
        -c "VACUUM ANALYZE events" -c "ANALYZE webhooks" || return 1
    entries=$n
    step "$n dead letters after $((SECONDS - since)) s"
}

# --- asking -----------------------------------------------------------------------------------------------------------

declare -A p50_before # of a row, at smaller sizes: fields to be printed

# asks OPTION... <PATHS: see asks.py; puts the row's fields
asks() {
    local said p99
    said=$(python3 "$here/asks.py" --beside /v1/whoami --requests $((500 / part)) --seconds $((30 / part)) "$@") ||
        fail "an answer that was none"
    p99=$(field p99Ms <<<"$said")
    rows_most=$(field rowsMost <<<"$said")
    put p99Ms "$p99"
    put_ceiling "$p99" "$(field besideP99Ms <<<"$said")" "GET /v1/whoami, between these requests"
    put p50Ms "$(field p50Ms <<<"$said")"
    put maxMs "$(field maxMs <<<"$said")"
    put coldMs "$(field coldMs <<<"$said")"
    put ceilingP50Ms "$(field besideP50Ms <<<"$said")"
    put requests "$(field requests <<<"$said")"
    put rows "$rows_most"
    put_sizes "$(field p50Ms <<<"$said")"
}

put_sizes() {
    put entries "$entries"
    local size
    for size in ${p50_before[$row]:-}; do put "p50MsAt${size%%=*}" "${size##*=}"; done
    p50_before[$row]+=" $entries=$1"
}

# ask PATH...: rows are wanted; ask_none: there must be none
ask() {
    asks < <(printf '%s\n' "$@")
    [ "${rows_most:-0}" -gt 0 ] || fail "nothing was found"
}
ask_none() {
    asks < <(printf '%s\n' "$@")
    check "rows" "$rows_most" 0
}

# values FILTER COLUMN ORDER: paths with the ten values that the most (DESC) or the fewest (ASC) open entries have
values() { sql -c "
    SELECT '/v1/dlq?$1=' || v FROM (
        SELECT $2 AS v, count(*) AS n FROM dead_letters d JOIN webhooks w ON w.id = d.webhook_id
         WHERE d.state = 1 GROUP BY 1) x WHERE v IS NOT NULL ORDER BY n $3, v LIMIT 10"; }

# filter NAME COLUMN VALUE-THAT-NOTHING-HAS: three rows
filter() {
    local how
    for how in frequent:DESC rare:ASC; do
        page "filter-$1-${how%%:*}" ask_values "$1" "$2" "${how##*:}"
    done
    page "filter-$1-none" ask_none "/v1/dlq?$1=$3"
}

ask_values() {
    local paths
    mapfile -t paths < <(values "$@")
    ask "${paths[@]}"
}

# page ROW FUNCTION [ARGUMENT...]: what the design's table asks of a page
page() { measure_here "$1" 20 5 "${@:2}"; }

ask_deep() { asks --walk $((entries / 2 < 110000 ? entries / 2 : 110000)) <<<"/v1/dlq"; }

ask_many() { # PATH SELECT-OF-IDS
    local paths
    mapfile -t paths < <(sql -c "SELECT '$1' || x FROM ($2) q(x)")
    ask "${paths[@]}"
}

pages() {
    local column
    page first-page ask /v1/dlq
    page deep-cursor ask_deep
    page entry ask_many /v1/dlq/ "SELECT id FROM dead_letters TABLESAMPLE SYSTEM (5) ORDER BY random() LIMIT 200"
    filter webhookId w.public_id 00000000-0000-7000-8000-000000000000
    filter channel d.channel nobody
    filter eventType d.event_type nobody
    filter customerExternalId d.customer_id nobody
    page filter-externalId ask_many '/v1/dlq?state=all&externalId=' "SELECT external_id FROM dead_letters TABLESAMPLE SYSTEM (5)
        WHERE external_id IS NOT NULL ORDER BY random() LIMIT 200"
    page filter-externalId-none ask_none "/v1/dlq?externalId=nobody"
    page filter-eventId ask_many '/v1/dlq?state=all&eventId=' \
        "SELECT event_id FROM dead_letters TABLESAMPLE SYSTEM (5) ORDER BY random() LIMIT 200"
    filter failureReason "(ARRAY['timeout', 'http_5xx', 'http_4xx', 'http_429', 'http_408', 'redirect', 'connection_refused',
        'connection_reset', 'dns', 'tls', 'network', 'address_refused', 'response_too_large', 'invalid_response',
        'retries_exhausted', 'circuit_open', 'payload_rejected', 'payload_too_large', 'endpoint_disabled',
        'transform_failed', 'internal'])[d.reason]" unroutable
    filter fingerprint "encode(d.fingerprint, 'hex')" 00000000000000000000000000000001
    filter statusCode d.last_status 599
    filter generation d.generation 9
    page filter-classification ask '/v1/dlq?classification=permanent' '/v1/dlq?classification=transient_exhausted'
    page filter-classification-mixed ask '/v1/dlq?classification=transient_exhausted&failureReason=http_5xx'
    page filter-classification-none ask_none '/v1/dlq?classification=permanent&failureReason=http_5xx'
    page filter-intentional ask '/v1/dlq?intentional=true' '/v1/dlq?intentional=false'
    page filter-replayable ask '/v1/dlq?replayable=true'
    page filter-replayable-none ask_none '/v1/dlq?replayable=false'
    page filter-state ask '/v1/dlq?state='{discarded,resolved,refailed}
    page filter-state-all ask '/v1/dlq?state=all' '/v1/dlq?state=open,discarded'
    page filter-state-none ask_none '/v1/dlq?state=replaying'
    page filter-from-to ask '/v1/dlq?from=-'{30,50,70,90,110}h '/v1/dlq?to=-'{30,50,70,90,110}h '/v1/dlq?from=-60h&to=-50h'
    page filter-occurred ask '/v1/dlq?occurredFrom=-'{30,50,70,90}h '/v1/dlq?occurredTo=-'{30,50,70,90}h
    page filter-occurred-none ask_none '/v1/dlq?occurredTo=-9d'
    page filter-expiresBefore ask_expiring
    page filter-scope ask '/v1/dlq?scope=system' '/v1/dlq?scope=system&eventType=nobody.takes'
    page filter-two ask '/v1/dlq?eventType=type.3&failureReason=http_5xx' '/v1/dlq?channel=channel.7&statusCode=500'
    measure_here filter-two-none null null ask_none '/v1/dlq?eventType=type.0&channel=nobody'
    page groups ask /v1/dlq/groups '/v1/dlq/groups?limit=200' '/v1/dlq/groups?statusCode=500'
    page group ask_many /v1/dlq/groups/ "SELECT encode(fingerprint, 'hex') FROM dlq_groups ORDER BY random() LIMIT 100"
    for column in channel statusCode; do page groups-by-$column ask "/v1/dlq/groups?groupBy=$column"; done
    page counts ask '/v1/dlq?limit=1&count=exact' '/v1/dlq?limit=1&count=exact&state=all' \
        '/v1/dlq?limit=1&count=exact&channel=channel.1'
    page counts-rows ask '/v1/dlq?limit=1&count=exact&eventType=type.0' '/v1/dlq?limit=1&count=exact&eventType=type.39'
    page overview ask /v1/overview
    page stats ask '/v1/stats?from=-12h'
    measure_here search-found null null ask '/v1/dlq?from=-5d&q=ord_1'
    measure_here search-nothing null null ask_none '/v1/dlq?from=-5d&q=needle'
}

# Instants at which some of what is there will have expired: API.md's relative times look back, so these are spelt out.
ask_expiring() {
    local paths
    mapfile -t paths < <(sql -c "SELECT '/v1/dlq?expiresBefore=' || replace(dlo_iso(dlo_now() + make_interval(days => 30, hours => -h)), ':', '%3A')
        FROM generate_series(10, 110, 20) h")
    ask "${paths[@]}"
}

# --- many at once -----------------------------------------------------------------------------------------------------

# bulk KIND BODY KEY: the answer, then a line with the seconds it took
bulk() {
    curl --noproxy '*' -sS -m 120 -w '\n%{time_total}\n' -X POST -H "Authorization: Bearer $DLO_API_KEY" \
        -H 'Content-Type: application/json' -H "Idempotency-Key: $3" -d "$2" "$DLO_URL/v1/dlq/bulk-$1"
}

# operation ID [ACT]
operation() { curl --noproxy '*' -sS -m 30 ${2:+-X POST} -H "Authorization: Bearer $DLO_API_KEY" "$DLO_URL/v1/bulk-operations/$1${2:+/$2}"; }
operation_id() { sed -n 's/.*"id":"\(op_[0-9a-z]*\)".*/\1/p' | head -n 1; }

open_entries() { sql -c "SELECT count(*) FROM dead_letters WHERE state = 1"; }

# The last line's seconds of what `bulk` gave
seconds_of() { tail -n 1 <<<"$1"; }

put_seconds() { put seconds "$1"; put_sizes "$(calc "$1 * 1000" 1)"; }

plan() {
    local said worst=0 i
    for i in 1 2 3; do
        said=$(bulk re-drive '{"all":true,"dryRun":true}' "plan-$i") || return 1
        check "matched" "$(field matched <<<"$said")" "$(open_entries)"
        worst=$(calc "($worst > $(seconds_of "$said") ? $worst : $(seconds_of "$said"))" 3)
    done
    put_ceiling "$worst" "$(timed_sql "SELECT count(*), count(DISTINCT webhook_id) FROM dead_letters WHERE state = 1")" \
        "the database alone counts the same rows by webhook"
    put_seconds "$worst"
}

# timed_sql STATEMENT...: seconds of all of them
timed_sql() {
    local since statements=() s
    for s in "$@"; do statements+=(-c "$s"); done
    since=$(date +%s.%N)
    sql "${statements[@]}" >/dev/null || return 1
    calc "$(date +%s.%N) - $since" 3
}

# An hour ahead, so that nothing of it starts; the slowest of three.
freeze() {
    local said id worst=0 i at total
    at=$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ) total=$(open_entries)
    for i in 1 2 3; do
        said=$(bulk re-drive "{\"all\":true,\"startAt\":\"$at\"}" "freeze-$i") || return 1
        check "frozen" "$(field total <<<"$said")" "$total"
        worst=$(calc "($worst > $(seconds_of "$said") ? $worst : $(seconds_of "$said"))" 3)
        id=$(operation_id <<<"$said")
        operation "$id" cancel >/dev/null || return 1
    done
    check "items" "$(sql -c "SELECT count(*) FROM bulk_items")" $((3 * total))
    sql -c "CREATE TABLE frozen (LIKE bulk_items INCLUDING ALL)" || return 1
    put_ceiling "$worst" "$(timed_sql "INSERT INTO frozen (operation, item, drawer, entry_id)
        SELECT 1, row_number() OVER (ORDER BY created_at, id), drawer, id FROM dead_letters WHERE state = 1")" \
        "the database alone: one INSERT of the same rows"
    sql -c "DROP TABLE frozen"
    put items "$total"
    put_seconds "$worst"
}

# --- export -----------------------------------------------------------------------------------------------------------

# The most that one process of the responder took meanwhile, in KiB, into $dir/responder
responder_start() {
    local pid
    : >"$dir/responder"
    (
        trap 'exit 0' TERM
        while :; do
            for pid in $(cat "/proc/$(cat "$DLO_VAR/run/fcgi.pid")/task/"*/children); do
                "$here/pss.sh" "$pid" | field pssKiB >>"$dir/responder"
            done
            sleep 0.5
        done
    ) 2>/dev/null &
    sampler_pid=$!
}

export_ndjson() {
    local said bytes seconds count before
    responder_start
    sleep 2
    before=$(sort -n "$dir/responder" | tail -n 1)
    said=$(curl --noproxy '*' -sS -m 900 -o >(tail -c 4000 >"$dir/manifest") -w '%{size_download} %{time_total}' \
        -H "Authorization: Bearer $DLO_API_KEY" -H 'Accept: application/x-ndjson' "$DLO_URL/v1/dlq/export") || return 1
    read -r bytes seconds <<<"$said"
    within 5 grep -q '"manifest"' "$dir/manifest" || fail "the stream broke off"
    sampler_stop
    count=$(tail -n 1 "$dir/manifest" | field count)
    check "exported" "$count" "$(open_entries)"
    put perSecond "$(calc "$count / $seconds")"
    put_ceiling "$(calc "$count / $seconds")" "$(calc "$count / $(timed_sql "COPY (
        SELECT row_to_json(d), encode(b.payload, 'base64') FROM dead_letters d
          JOIN dead_letter_bodies b USING (project_id, id, drawer) WHERE d.state = 1
         ORDER BY d.created_at DESC, d.id DESC) TO STDOUT")")" "the database alone writes the same rows as JSON"
    put mibPerSecond "$(calc "$bytes / $seconds / 1048576" 1)"
    put responderMib "$(calc "$(sort -n "$dir/responder" | tail -n 1) / 1024" 1)"
    put responderMibBefore "$(calc "$before / 1024" 1)"
    put seconds "$seconds"
    put rows "$count"
    put entries "$entries"
}

# --- sending again ----------------------------------------------------------------------------------------------------

# rate_set N: so many a second may all re-drives of a project send
rate_set() { sql -c "UPDATE projects SET bulk_rate = $1"; }

# ended ID: whether nothing of the operation is left
ended() { sql -c "SELECT finished_at IS NOT NULL FROM bulk_operations WHERE dlo_id('op', id) = '$1'" | grep -q t; }

# feed N: as many to fifty receivers, and the same as a plain drain
feed() {
    local n=$1 said id hooks drained
    webhooks_set "order.paid.%" "enabled = false" && backlog "$n" && drain_timed "$n" /ok || return 1
    drained=$(calc "$n / $drain_seconds")
    hooks=$(sql -c "SELECT json_agg(public_id) FROM webhooks WHERE event_types[1] LIKE 'order.paid.%'")
    rate_set 1e6 || return 1
    step "$row: sending $n again"
    sampler_start
    said=$(bulk re-drive "{\"filters\":{\"webhookId\":$hooks},\"maxItems\":$n,\"ratePerSecond\":1000000}" feed) || return 1
    id=$(operation_id <<<"$said")
    within $((60 + n / 500)) ended "$id" || fail "not all was sent: $(operation "$id" | head -c 600)"
    sampler_stop
    said=$(sql -F ' ' -c "SELECT total, succeeded, extract(epoch FROM finished_at - started_at)
        FROM operations WHERE dlo_id('op', id) = '$id'")
    check "succeeded" "$(cut -d' ' -f2 <<<"$said")" "$(cut -d' ' -f1 <<<"$said")"
    put perSecond "$(calc "$(cut -d' ' -f1 <<<"$said") / $(cut -d' ' -f3 <<<"$said")")"
    put_ceiling "$(calc "$(cut -d' ' -f1 <<<"$said") / $(cut -d' ' -f3 <<<"$said")")" "$drained" \
        "a plain drain of $n to the same fifty receivers"
    put seconds "$(cut -d' ' -f3 <<<"$said")"
    put items "$(cut -d' ' -f1 <<<"$said")"
    put entries "$entries"
}

arrived() { [ "$(peer_ask latency | field count)" -ge "$1" ]; }

# live EVENTS: 500/s to the fifty; sets live_p99 and live_disk, in ms from when each was due to when it was received
live() {
    local accepted
    peer_forget
    disk_start
    accepted=$(load /v1/events --type-count 50 --rate 500 --events "$1" --seconds $(($1 / 500 + 10)) --stamp | field accepted)
    check "accepted" "$accepted" "$1"
    within 20 arrived "$1" || fail "not all arrived within 20 s"
    disk_stop
    live_p99=$(peer_ask latency | field p99Ms) live_disk=$(field diskP99Ms <"$dir/disk")
}

fed() { sql -c "SELECT fed FROM bulk_operations WHERE dlo_id('op', id) = '$1'"; }

# beside_redrive EVENTS RATE: what live traffic notices of the re-drive of everything. Each measurement has two seconds
# before it that do not count: connections, plans, caches.
beside_redrive() {
    local events=$1 rate=$2 most alone alone_disk said id before since after
    most=$(($(open_entries) / (events / 500 + 20))) # a small ledger would be over first
    rate=$((most < rate ? most : rate))
    step "$row: 500/s alone"
    rate_set 2000 && live 1000 && live "$events" || return 1
    alone=$live_p99 alone_disk=$live_disk
    step "$row: 500/s beside a re-drive"
    said=$(bulk re-drive "{\"all\":true,\"ratePerSecond\":$rate}" "$row-$entries") || return 1
    id=$(operation_id <<<"$said")
    moving() { [ "$(fed "$id")" -gt "$rate" ]; }
    within 20 moving || fail "the re-drive did not start"
    live 1000
    before=$(fed "$id") since=$(date +%s.%N)
    live "$events"
    after=$(fed "$id")
    since=$(calc "$(date +%s.%N) - $since" 3)
    operation "$id" cancel >/dev/null
    put p99Ms "$live_p99"
    put_ceiling "$live_p99" "$alone" "p99 of the same before the re-drive began"
    put redrivenPerSecond "$(calc "($after - $before) / $since")"
    put ratePerSecond "$rate"
    put diskP99Ms "$live_disk"
    put diskP99MsAlone "$alone_disk"
    put events "$events"
    put items "$(field total <<<"$said")"
    put entries "$entries"
    [ "$after" -lt "$(field total <<<"$said")" ] || fail "the re-drive was over before the traffic"
    within 60 ended "$id" || fail "it was not cancelled"
}

# --- a day is dropped -------------------------------------------------------------------------------------------------

# probed SECONDS: what events and pages wait for meanwhile; sets probe_events and probe_list, the worst in ms
probed() {
    local asked
    python3 "$here/asks.py" --rate 50 --requests 100000 --seconds "$1" <<<"/v1/dlq" >"$dir/asked" &
    asked=$!
    probe_events=$(load /v1/events --type-count 50 --rate 100 --events $((100 * $1)) --seconds $(($1 + 5)) | field maxMs)
    wait $asked || fail "an answer that was none"
    probe_list=$(field maxMs <"$dir/asked")
}

dropped_line() { grep -h 'dropped drawer' "$DLO_VAR/log/worker.log"; }

# drop_day N: a drawer with so many entries whose day has come
drop_day() {
    local n=$1 bytes quiet out
    receivers && sql -v n=10000 -v days=5 -v first=1 -v last=10000 -f "$here/ledger.sql" || return 1
    step "$row: filling in a day of $n"
    rm -f "$dir/day" && mkfifo "$dir/release" || return 1
    sql -v n="$n" -f "$here/ledger_day.sql" <"$dir/release" >"$dir/day" &
    out=$!
    exec 8>"$dir/release"
    within 600 test -s "$dir/day" || { exec 8>&-; return 1; }
    bytes=$(head -n 1 "$dir/day")
    [ -n "$bytes" ] || return 1
    probed 3 # connections, plans
    step "$row: 10 s without"
    probed 10
    quiet=$(calc "($probe_events > $probe_list ? $probe_events : $probe_list)" 1)
    echo >&8 # the maintainer may
    exec 8>&-
    wait $out
    rm "$dir/release"
    probed 25
    within 20 dropped_line >/dev/null || fail "it was not dropped"
    drop_ms=$(dropped_line | sed -n 's/.* in \([0-9]*\) ms.*/\1/p' | head -n 1)
    drop_stall=$(calc "($probe_events > $probe_list ? $probe_events : $probe_list)" 1) drop_quiet=$quiet
    put seconds "$(calc "$drop_ms / 1000" 3)"
    put_ceiling "$(calc "$drop_ms / 1000" 3)" "$(unlink_seconds "$bytes")" "a file of as many bytes is unlinked"
    put mib "$(calc "$bytes / 1048576")"
    put entries "$n"
}

unlink_seconds() {
    local since
    head -c "$1" /dev/zero >"$dir/file" && sync "$dir/file" && since=$(date +%s.%N) && rm "$dir/file" && sync "$dir" &&
        calc "$(date +%s.%N) - $since" 3
}

drop_stall() {
    [ -n "${drop_stall:-}" ] || { fail "nothing was dropped"; return; }
    put ms "$drop_stall"
    put_ceiling "$drop_stall" "$drop_quiet" "the worst of the ten seconds before"
    put eventsMs "$probe_events"
    put listMs "$probe_list"
    put entries "$1"
}

# --- the run ----------------------------------------------------------------------------------------------------------

# Whether any row is wanted that needs a ledger.
ledger_wanted() {
    local word
    for word in ${ONLY//,/ }; do
        case $word in drop*) ;; *) return 0 ;; esac
    done
    [ -z "$ONLY" ]
}

whole_ledger() {
    ledger "$1" || { echo "bench: no ledger of $1 could be made" >&2; return 1; }
    pages
    measure_here plan                null null plan
    measure_here freeze              5    2    freeze
    measure_here export-ndjson       null null export_ndjson
    measure_here feed                null null feed $(($1 / 5 / part))
    measure_here live-beside-redrive 1.2  1.2  beside_redrive $((7500 / part)) 100
    measure_here live-beside-redrive-500  1.2  1.2  beside_redrive $((7500 / part)) 500
    measure_here live-beside-redrive-2000 null null beside_redrive $((7500 / part)) 2000
    stack_down
}

run_begin
for size in $SIZES; do
    if ledger_wanted; then whole_ledger "$size" || exit 1; fi
    measure      drop-day            2    0.3  drop_day "$size"
    measure_here drop-day-stall      500  100  drop_stall "$size"
done
run_end
