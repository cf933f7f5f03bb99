#!/usr/bin/env bash
# Stops the stack that runs on $DLO_VAR and returns when all of it has gone. `make down`.
set -eu
# shellcheck source=settings.sh
. "$(dirname "$0")/settings.sh"

if [ ! -e "$lock" ] || flock -n "$lock" true; then
    say "nothing runs on '$var'"
    exit 0
fi
pid=$(cat "$var/run/stack.pid")
kill -TERM "$pid" 2>/dev/null || die "process $pid is not yours to stop"
flock -w 40 "$lock" true || die "process $pid has not stopped within 40 s"
say "stopped"
