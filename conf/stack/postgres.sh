# shellcheck shell=bash
# The stack's own PostgreSQL cluster in $home/pg: made once, configured at every start, reached only by a unix socket in
# a 0700 directory. Peer for the cluster's own user, scram for the three roles, never trust.
#
# The roles' passwords are files in $home/secrets (0600); at every start the cluster is made to agree with them.

postgres_find() {
    local dir best=0
    for dir in /usr/lib/postgresql/*/bin; do
        [ -x "$dir/postgres" ] || continue
        local version=${dir#/usr/lib/postgresql/}
        version=${version%/bin}
        if ((version > best)); then best=$version; fi
    done
    # A cluster stays with the version that made it.
    if [ -s "$home/pg/PG_VERSION" ]; then best=$(cat "$home/pg/PG_VERSION"); fi
    pg_bin=/usr/lib/postgresql/$best/bin
    [ -x "$pg_bin/postgres" ] || die "PostgreSQL $best is not installed (looked in /usr/lib/postgresql)"
    ((best >= 15)) || die "PostgreSQL 15 or later is needed, the newest here is $best"
}

postgres_superuser() { as_service id -un; }

# A directory next to the final one is filled first: a start that was broken off leaves no half cluster behind.
postgres_make() {
    if [ -s "$home/pg/PG_VERSION" ]; then
        [ "$(stat -c %U "$home/pg")" = "$(postgres_superuser)" ] ||
            die "'$home/pg' belongs to $(stat -c %U "$home/pg"), this start would run as $(postgres_superuser)"
        return
    fi
    say "making a PostgreSQL $(basename "$(dirname "$pg_bin")") cluster in '$home/pg'"
    rm -rf "$home/pg.new"
    place_directory 700 "$service_user" "" "$home/pg.new"
    as_service "$pg_bin/initdb" -D "$home/pg.new" -U "$(postgres_superuser)" --auth-local=peer --auth-host=reject \
        --encoding=UTF8 --lc-collate=C --lc-ctype=C.UTF-8 --no-instructions >"$var/log/initdb.log" 2>&1 ||
        { tail -n 20 "$var/log/initdb.log" >&2; die "initdb failed"; }
    echo "include 'dlo.conf'" >>"$home/pg.new/postgresql.conf"
    mv "$home/pg.new" "$home/pg"
}

# A quarter of the memory, as its manual advises, 128 MB to 1 GB: what waits should fit, else readers write pages out.
postgres_shared_buffers() {
    awk '/^MemTotal:/ {mb = int($2 / 4096); print (mb < 128 ? 128 : mb > 1024 ? 1024 : mb) "MB"}' /proc/meminfo
}

postgres_configure() {
    local compression=on
    if "$pg_bin/pg_config" --configure 2>/dev/null | grep -q -- --with-lz4; then compression=lz4; fi
    cat >"$home/pg/dlo.conf" <<CONF
# Written by conf/stack/postgres.sh at every start.
listen_addresses = ''
unix_socket_directories = '$sockets/pg'
unix_socket_permissions = 0700
port = 5432
max_connections = 60
max_locks_per_transaction = 256   # every drawer of every table is a lock of its own
shared_buffers = $(postgres_shared_buffers)
max_wal_size = 4GB
checkpoint_timeout = 15min
wal_compression = $compression
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
log_min_duration_statement = 1s
log_parameter_max_length = 0      # payloads do not belong into a log
log_parameter_max_length_on_error = 0
CONF
    cat >"$home/pg/pg_hba.conf" <<HBA
# Written by conf/stack/postgres.sh at every start. There is no TCP.
local  all  "$(postgres_superuser)"  peer
local  all  all  scram-sha-256
HBA
}

# Backends outlive a postmaster killed with -9 until they next wait, and until then keep a new one from starting. They
# are found by their working directory, which is this cluster's: asked to leave, from the third time on made to.
postgres_clear_strays() {
    local tries=$1 signal=QUIT proc pid
    if ((tries >= 3)); then signal=KILL; fi
    for proc in /proc/[0-9]*; do
        [ "$(readlink "$proc/cwd" 2>/dev/null)" = "$home/pg" ] || continue
        kill -$signal "${proc#/proc/}" 2>/dev/null || true
    done
    # A pid file whose process is somebody else by now would stop the start for ever.
    pid=$(head -n 1 "$home/pg/postmaster.pid" 2>/dev/null || true)
    if [ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" != "$home/pg" ]; then
        rm -f "$home/pg/postmaster.pid"
    fi
}

# shellcheck disable=SC2034 # read by service_start
postgres_command() {
    postgres_clear_strays "$1"
    identity "$service_user"
    command=("$pg_bin/postgres" -D "$home/pg")
    death_signal=INT
}

postgres_ready() { "$pg_bin/pg_isready" -q -h "$sockets/pg"; }

postgres_sql() { as_service "$pg_bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$sockets/pg" -d "$1"; }

# secret NAME: the password of a role, made at its first use; hexadecimal, so that it needs no quoting anywhere
postgres_secret() {
    local file=$home/secrets/$1
    if [ ! -s "$file" ]; then
        (umask 077 && od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$file.new" && mv "$file.new" "$file")
    fi
    cat "$file"
}

postgres_roles() {
    local role
    {
        for role in dlo_owner dlo_api dlo_worker; do
            echo "SELECT 'CREATE ROLE $role LOGIN' WHERE to_regrole('$role') IS NULL \\gexec"
            echo "ALTER ROLE $role PASSWORD '$(postgres_secret $role)';"
        done
        echo "ALTER ROLE dlo_owner CREATEDB; GRANT pg_monitor, pg_signal_backend TO dlo_owner;"
        echo "SELECT 'CREATE DATABASE dlo OWNER dlo_owner'
              WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'dlo') \\gexec"
        echo "REVOKE ALL ON DATABASE dlo FROM PUBLIC; GRANT CONNECT ON DATABASE dlo TO dlo_api, dlo_worker;"
    } | postgres_sql postgres >>"$var/log/roles.log" 2>&1 ||
        { tail -n 5 "$var/log/roles.log" >&2; die "the database's roles could not be made"; }
}

# dsn ROLE: a URI without any character that a shell or a configuration file would read differently
postgres_dsn() {
    local path=$sockets/pg out="" i c
    for ((i = 0; i < ${#path}; i++)); do
        c=${path:i:1}
        case $c in [A-Za-z0-9/._~-]) out+=$c ;; *) out+=$(printf %s "$c" | od -An -v -tx1 | tr ' ' % | tr -d '\n') ;; esac
    done
    echo "postgresql://$1:$(postgres_secret "$1")@/dlo?host=$out"
}
