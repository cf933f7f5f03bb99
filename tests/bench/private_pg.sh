#!/bin/sh
# private_pg.sh start DIR | stop DIR: a throw-away PostgreSQL for a measurement, on a unix socket
# in DIR only. `start` prints its conninfo. Settings are those the numbers of the project are given
# for: durable commits, a cache that holds the test. As root it runs as user postgres.
set -eu

[ $# -eq 2 ] || { echo "usage: private_pg.sh start|stop DIR" >&2; exit 2; }
dir=$2
bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -1)
[ -x "$bin/initdb" ] || { echo "private_pg.sh: no PostgreSQL server found" >&2; exit 1; }

as_owner() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && runuser -u postgres -- "$@")
    else
        "$@"
    fi
}

start() {
    mkdir -p "$dir"
    chmod 0700 "$dir"
    [ "$(id -u)" != 0 ] || chown postgres "$dir"
    # trust is for whoever may enter the directory: its owner and root
    as_owner "$bin/initdb" -D "$dir/data" -U bench -A trust -E UTF8 --locale=C >"$dir/initdb.log" 2>&1
    cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$dir'
shared_buffers = 1GB
max_wal_size = 2GB
max_connections = 100
synchronous_commit = on
CONF
    as_owner "$bin/pg_ctl" -D "$dir/data" -w -s -l "$dir/log" start
    echo "host=$dir user=bench dbname=postgres"
}

case $1 in
start) start ;;
stop) as_owner "$bin/pg_ctl" -D "$dir/data" -w -s -m fast stop ;;
*) echo "private_pg.sh: unknown '$1'" >&2; exit 2 ;;
esac
