#!/bin/sh
# ceiling_fcgi.sh CONNINFO [SECONDS] [CONNECTIONS] [WORKERS]: lighttpd, bare responders with one
# INSERT each, and the load generator, all in a directory that is removed at the end. Prints load's
# line.
set -eu

dsn=${1:?usage: ceiling_fcgi.sh CONNINFO [SECONDS] [CONNECTIONS] [WORKERS]}
seconds=${2:-10} connections=${3:-32} workers=${4:-8}
root=$(cd "$(dirname "$0")/../.." && pwd)
bench=${BENCH_DIR:-$root/build/bench}
lighttpd=$(command -v lighttpd || echo /usr/sbin/lighttpd)
dir=$(mktemp -d)
pids=

finish() {
    # shellcheck disable=SC2086
    [ -z "$pids" ] || { kill $pids; wait $pids; } 2>/dev/null || true
    rm -rf "$dir"
}
trap finish EXIT INT TERM

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$dir/lighttpd.conf" <<CONF
server.modules = ("mod_fastcgi")
server.document-root = "$dir"
server.bind = "127.0.0.1"
server.port = $port
server.errorlog = "$dir/error.log"
server.max-keep-alive-requests = 1000000
server.max-connections = 1024
server.stream-request-body = 0
fastcgi.server = ("/" => (("socket" => "$dir/fcgi.sock", "check-local" => "disable")))
CONF

"$bench/ceiling_fcgi" --socket "$dir/fcgi.sock" --dsn "$dsn" --workers "$workers" >"$dir/ready" &
pids=$!
"$lighttpd" -D -f "$dir/lighttpd.conf" >"$dir/lighttpd.log" 2>&1 &
pids="$pids $!"

tries=0
until [ -s "$dir/ready" ] && curl -s -o /dev/null -d x "http://127.0.0.1:$port/v1/events"; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { echo "ceiling_fcgi.sh: did not start" >&2; cat "$dir"/*.log >&2; exit 1; }
    sleep 0.1
done
"$bench/load" --url "http://127.0.0.1:$port/v1/events" --connections "$connections" --seconds "$seconds"
