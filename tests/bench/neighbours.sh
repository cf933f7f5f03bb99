# shellcheck shell=bash
# What fifty healthy receivers at 500/s notice of a neighbour: one that is dead with a long backlog, one whose transform
# never ends. Sourced by run.sh; the ceiling of each is the same without that neighbour.

# The first events after a backlog was filled in and analysed find statements that are planned anew: two seconds of them
# go before each measurement and do not count.
warmly() { at_rate 1000 && at_rate "$1"; }

# at_rate EVENTS: 500/s to all of order.paid.*; sets at_rate_p99, in ms from when each was due to when it was received, and
# at_rate_disk, the p99 of a bare write meanwhile
at_rate() {
    peer_forget
    local result accepted
    disk_start
    result=$(load /v1/events --type-count 50 --rate 500 --events "$1" --seconds $(($1 / 500 + 10)) --stamp) || return 1
    accepted=$(field accepted <<<"$result")
    within 20 peer_has "$accepted" /ok || fail "not all arrived within 20 s"
    check "accepted" "$accepted" "$1"
    check "arrived" "$(peer_ask 'count?prefix=/ok' | field distinctIds)" "$1"
    at_rate_p99=$(peer_ask 'latency?prefix=/ok' | field p99Ms)
    disk_stop
    at_rate_disk=$(field diskP99Ms <"$dir/disk")
}

# isolation WAITING EVENTS: what 50 others notice while one receiver has so many waiting and hangs, or refuses to connect
isolation() {
    local waiting=$1 events=$2 quiet hangs refuses worse id disk
    webhooks --count 50 || return 1
    webhooks --count 1 --disabled --type dead --path /hang --net 3 || return 1
    step "$row: 500/s alone"
    warmly "$events" && quiet=$at_rate_p99 disk=$at_rate_disk || return 1
    step "$row: filling in $waiting deliveries"
    backlog "$waiting" "dead.%" 64 || return 1
    webhooks_set "dead.%" "enabled = true" || return 1
    within 10 peer_has 1 /hang || fail "the dead receiver was not tried"
    step "$row: 500/s while it hangs"
    warmly "$events" && hangs=$at_rate_p99 disk+=,$at_rate_disk || return 1
    id=$(sql -c "SELECT id FROM webhooks WHERE event_types[1] LIKE 'dead.%'")
    sql -c "DELETE FROM breakers WHERE webhook_id = $id" \
        -c "UPDATE webhooks SET url = 'http://127.3.0.1:1/refuses' WHERE id = $id" || return 1
    step "$row: 500/s while it refuses"
    warmly "$events" && refuses=$at_rate_p99 disk+=,$at_rate_disk || return 1
    check "still waiting or over" "$(sql -c "SELECT (SELECT count(*) FROM ready WHERE webhook_id = $id) +
        (SELECT count(*) FROM later WHERE webhook_id = $id) +
        (SELECT count(*) FROM attempts WHERE webhook_id = $id AND ends)")" "$waiting"
    worse=$(calc "($hangs > $refuses ? $hangs : $refuses)" 2)
    put p99Ms "$worse"
    put_ceiling "$worse" "$quiet" "p99 of the same before the other one was there"
    put p99MsHangs "$hangs"
    put p99MsRefuses "$refuses"
    put diskP99Ms "[$disk]"
    put waiting "$waiting"
    put perSecond 500
    put events "$events"
}

# transforms EVENTS: what they notice while another webhook's program never ends and is killed again and again
transforms() {
    local events=$1 waiting=2000 quiet beside killed disk
    webhooks --count 50 || return 1
    webhooks --count 1 --disabled --type loop --transform 'def f: f; f' || return 1
    step "$row: 500/s alone"
    warmly "$events" && quiet=$at_rate_p99 disk=$at_rate_disk || return 1
    backlog "$waiting" "loop.%" 64 && webhooks_set "loop.%" "enabled = true" || return 1
    within 10 transform_was_killed || fail "no program was killed"
    step "$row: 500/s beside programs that never end"
    warmly "$events" && beside=$at_rate_p99 disk+=,$at_rate_disk || return 1
    killed=$(sql -c "$transforms_killed")
    ((killed < waiting)) || fail "all $waiting programs were over before the end"
    put p99Ms "$beside"
    put_ceiling "$beside" "$quiet" "p99 of the same before the other one was there"
    put diskP99Ms "[$disk]"
    put killed "$killed"
    put perSecond 500
    put events "$events"
}

transforms_killed="SELECT count(*) FROM attempts a JOIN webhooks w ON w.id = a.webhook_id WHERE w.transform IS NOT NULL"
transform_was_killed() { [ "$(sql -c "$transforms_killed")" -gt 0 ]; }
