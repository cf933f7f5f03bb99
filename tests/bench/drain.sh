# shellcheck shell=bash
# Draining a backlog, timed. Those who are measured take events of the types order.paid.*; others in the way take others.
# Sourced by run.sh and ledger.sh.

ours="order.paid.%"

# When none of ours waits any more; nothing before that.
queue_empty_at() { sql -c "SELECT extract(epoch FROM clock_timestamp()) WHERE NOT EXISTS (
    SELECT FROM webhooks w WHERE w.event_types[1] LIKE '$ours' AND (
        EXISTS (SELECT FROM ready r WHERE r.shard = w.shard AND r.webhook_id = w.id) OR
        EXISTS (SELECT FROM later l WHERE l.webhook_id = w.id)))"; }

# drained N PREFIX: until nothing waits any more; sets drain_end. The database is asked only when the peer has nearly all,
# so that asking costs nothing while it counts.
drained() {
    drain_end=""
    within $((60 + $1 / 2000)) peer_has $(($1 * 95 / 100)) "$2" || return 1
    empty() { drain_end=$(queue_empty_at) && [ -n "$drain_end" ]; }
    within 60 empty
}

# drain_timed N PREFIX: a backlog is there, its webhooks are disabled; now one UPDATE enables them all. Sets
# drain_seconds from the first request on, and what a delivery cost the worker and Postgres in us of a processor.
drain_timed() {
    local since worker postgres begin
    since=$(sql -c "SELECT clock_timestamp()") worker=$(cpu_of worker) postgres=$(cpu_of postgres)
    webhooks_set "$ours" "enabled = true" || return 1
    drained "$1" "$2" || fail "not drained in time, left: $(sql -c 'SELECT count(*) FROM ready') ready"
    worker=$(($(cpu_of worker) - worker)) postgres=$(($(cpu_of postgres) - postgres))
    begin=$(sql -c "SELECT extract(epoch FROM min(at)) FROM attempts WHERE at >= '$since'")
    drain_seconds=$(calc "${drain_end:-0} - ${begin:-0}" 3)
    drain_worker_us=$(calc "$worker * 1000 / $1" 1) drain_postgres_us=$(calc "$postgres * 1000 / $1" 1)
}
