#!/usr/bin/env bash
# Runs the whole stack in the foreground: PostgreSQL, migrations, responders, worker, web server. `make run` calls it
# after the build. Settings: settings.sh. Ctrl-C or SIGTERM stops everything in order; a second start on the same
# $DLO_VAR is refused by a lock that dies with this process.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/settings.sh"
. "$here/place.sh"
. "$here/service.sh"
. "$here/postgres.sh"
. "$here/programs.sh"
. "$here/web.sh"
. "$here/tenant.sh"
. "$here/banner.sh"

stopping=""
trap 'stopping=yes' INT TERM HUP

stop_all() {
    trap '' INT TERM HUP
    service_stop web INT 3 TERM 1
    service_stop fcgi TERM 4
    service_stop worker TERM 6 TERM 1
    service_stop postgres INT 6 QUIT 2
    rm -f "$var/run/ready" "$var/run/stack.pid"
}

# The worker has a socket for each request under way; the usual soft limit of 1,024 is for programs that use select().
raise_file_limit() {
    local most
    most=$(ulimit -Hn)
    if [ "$most" = unlimited ] || ((most > 65536)); then most=65536; fi
    ulimit -Sn "$most"
}

prepare() {
    mkdir -p "$var/run"
    exec 9>>"$lock"
    flock -n 9 || die "already running on '$var' (pid $(cat "$var/run/stack.pid" 2>/dev/null)); 'make down' stops it"
    echo $$ >"$var/run/stack.pid"
    place_directory 700 "" "" "$var/log"
    rm -f "$var/run/ready"
    for program in dlo dlo.fcgi dlo-worker; do
        [ -x "$programs/$program" ] || die "'$programs/$program' is missing: run 'make'"
    done
    place_users
    place_prepare
    raise_file_limit
    service_clear_leftovers web fcgi worker postgres
    if web_port_taken; then die "port $port on $host is taken: choose another with DLO_PORT=..."; fi
}

# In the order in which each needs the one before. Any failure ends the start: so never call it in a condition, where
# `set -e` does not count.
start_all() {
    postgres_find
    postgres_make
    postgres_configure
    service_start postgres
    service_wait_for 60 postgres_ready
    postgres_roles
    programs_configure
    dlo migrate || die "the migrations failed"
    service_start fcgi
    service_start worker
    web_configure
    service_start web
    tenant_prepare
    tenant_write_env
    service_wait_for 60 web_ready
}

prepare
trap stop_all EXIT
start_all
banner_print
touch "$var/run/ready"
# The shell itself reports each child that was killed; that belongs into a file.
service_supervise postgres fcgi worker web 2>>"$var/log/supervisor.log"
say "stopping"
stop_all
trap - EXIT
say "stopped"
