#!/usr/bin/env bash
# Starts the stack in the background and returns when it is ready, or says why it is not. `make up`.
set -eu
# shellcheck source=settings.sh
. "$(dirname "$0")/settings.sh"

mkdir -p "$var/log" "$var/run"
chmod 700 "$var/log"
flock -n "$lock" true || die "already running on '$var' (pid $(cat "$var/run/stack.pid" 2>/dev/null))"
rm -f "$var/run/ready"
out=$var/log/stack.log
setsid nohup "$root/conf/stack/run.sh" </dev/null >"$out" 2>&1 &
pid=$!

for ((i = 0; i < 1800; i++)); do # 180 s: a first start makes a cluster, on a slow disk that takes its time
    if [ -e "$var/run/ready" ]; then
        cat "$out"
        echo "'make down' stops it."
        exit 0
    fi
    if ! kill -0 $pid 2>/dev/null; then break; fi
    sleep 0.1
done
kill -TERM $pid 2>/dev/null || true
tail -n 40 "$out" >&2
die "the stack did not come up; all it said is in '$out'"
