# shellcheck shell=bash
# What is measured and what measures it: a stack of our own, fresh for each row, and one peer. Sourced by measure.sh.
#
# Everything lies in $dir, below DLO_BENCH_DIR, or /var/tmp because /tmp may be memory, where a durable commit costs
# nothing: /dev/shm shows what is left without the disk (the row `machine` tells which it was). Only
# processes started here are signalled, by pid; the peer dies with us, the stack is stopped by rig_close. Killed with -9
# we leave the stack running: `make down DLO_VAR=/var/tmp/dlo-bench.XXXXXX/var` stops it.

dir="" peer_pid="" sampler_pid="" disk_pid="" stack_up=""
bench=$root/build/bench
export DLO_ALLOW_NETS=127.0.0.0/8 DLO_BIND=127.0.0.1 DLO_VAR="" DLO_PORT="" DLO_CA_FILE=""

rig_open() {
    local highest
    highest=$(ulimit -Hn)
    if [ "$highest" = unlimited ] || ((highest > 65536)); then highest=65536; fi
    ulimit -Sn "$highest" # thousands of receivers are as many connections
    pg_bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
    dir=$(mktemp -d "${DLO_BENCH_DIR:-/var/tmp}/dlo-bench.XXXXXX")
    chmod 755 "$dir" # other users' processes have to get through
    DLO_VAR=$dir/var
    DLO_CA_FILE=$dir/ca.pem
    DLO_PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    peer_open
}

rig_close() {
    sampler_stop
    disk_stop
    stack_down
    if [ -n "$peer_pid" ]; then kill "$peer_pid" && wait "$peer_pid"; fi 2>/dev/null
    if [ -n "$dir" ]; then rm -rf "$dir"; fi
}

# --- the stack --------------------------------------------------------------------------------------------------------

stack_new() {
    stack_down
    stack_up=yes
    "$root/conf/stack/up.sh" >"$dir/up.log" 2>&1 || { cat "$dir/up.log" >&2; return 1; }
    set -a
    # shellcheck disable=SC1091 # made by the stack: DLO_URL, DLO_API_KEY, DLO_DSN
    . "$DLO_VAR/dlo.env"
    set +a
}

stack_down() {
    if [ -z "$stack_up" ]; then return; fi
    stack_up=""
    "$root/conf/stack/down.sh" >/dev/null || true
    rm -rf "$DLO_VAR"
}

# What was said, after a row that failed; but not the line that each attempt leaves.
stack_show_logs() {
    local log
    for log in "$DLO_VAR"/log/{postgres,fcgi,worker,web}.log; do
        echo "bench: the last lines of '$log':"
        grep -v 'delivery=' "$log" | tail -n 8
    done >&2
}

sql() { "$pg_bin/psql" -XqAt -v ON_ERROR_STOP=1 "$@" "$DLO_DSN"; }

# backlog N [TYPES [BYTES]]: see fill.sql. Vacuumed, as one that has been there for a while would be.
backlog() {
    sql -v n="$1" -v types="'${2:-order.paid.%}'" -v bytes="${3:-1024}" -f "$here/fill.sql" &&
        sql -c "VACUUM ANALYZE ready" -c "VACUUM ANALYZE events"
}

# webhooks_set TYPES SETTING: of all webhooks for such events
webhooks_set() { sql -c "UPDATE webhooks SET $2 WHERE event_types[1] LIKE '$1'"; }

# webhooks OPTION...: see webhooks.py
webhooks() {
    case " $* " in *" --https "*) set -- --port "$peer_tls_port" "$@" ;; *) set -- --port "$peer_port" "$@" ;; esac
    python3 "$here/webhooks.py" "$@"
}

# api PATH: what the office answers
api() { curl --noproxy '*' -sS -m 10 -H "Authorization: Bearer $DLO_API_KEY" "$DLO_URL$1"; }

# load PATH OPTION...: see load.c
load() {
    local path=$1
    shift
    "$bench/load" --url "$DLO_URL$path" --header "Authorization: Bearer $DLO_API_KEY" --type order.paid "$@"
}

# --- the peer ---------------------------------------------------------------------------------------------------------

# Bound to all addresses so that receivers may have one each; it refuses whoever does not come from this machine.
peer_open() {
    certificate_make || { echo "bench: no certificate could be made, see '$dir/openssl.log'" >&2; return 1; }
    setpriv --pdeathsig TERM -- "$root/build/peer" --listen 0.0.0.0:0 --tls-cert "$dir/peer.pem" \
        --tls-key "$dir/peer.key" --tls-listen 0.0.0.0:0 >"$dir/peer.out" &
    peer_pid=$!
    within 10 grep -q '^listening-tls' "$dir/peer.out" || { echo "bench: the peer did not start" >&2; return 1; }
    peer_port=$(sed -n 's/^listening .*://p' "$dir/peer.out")
    peer_tls_port=$(sed -n 's/^listening-tls .*://p' "$dir/peer.out")
}

# An authority of our own, and the receivers' certificate for the addresses of the first hundred.
certificate_make() {
    local i names=IP:127.0.0.1
    for ((i = 1; i <= 100; i++)); do names+=,IP:127.1.0.$i; done
    {
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=bench authority" \
            -keyout "$dir/ca.key" -out "$DLO_CA_FILE" &&
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=bench receivers" \
                -keyout "$dir/peer.key" -out "$dir/peer.csr" &&
            echo "subjectAltName = $names" >"$dir/peer.ext" &&
            openssl x509 -req -in "$dir/peer.csr" -CA "$DLO_CA_FILE" -CAkey "$dir/ca.key" -days 2 \
                -extfile "$dir/peer.ext" -out "$dir/peer.pem"
    } 2>"$dir/openssl.log"
}

peer_url() { echo "http://127.0.0.1:$peer_port$1"; }
peer_ask() { curl --noproxy '*' -sS -m 30 "$(peer_url "/_control/$1")"; }
peer_forget() { curl --noproxy '*' -sS -m 10 -o /dev/null -X POST "$(peer_url /_control/reset)"; }
# peer_has N [PREFIX]: so many ids at least, below such a path
peer_has() { [ "$(peer_ask "count?ids=no&prefix=${2:-/}" | field deliveries)" -ge "$1" ]; }

# --- waiting and memory -----------------------------------------------------------------------------------------------

# within SECONDS CONDITION...: whether it came true in time
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        if ((SECONDS >= end)); then return 1; fi
        sleep 0.1
    done
}

# Of everything but Postgres: the shell that watches over the stack, the web server, responders and workers.
memory_sample() {
    local run=$DLO_VAR/run
    "$here/pss.sh" --tree "$(cat "$run/web.pid")" "$(cat "$run/fcgi.pid")" "$(cat "$run/worker.pid")"
    "$here/pss.sh" "$(cat "$run/stack.pid")"
}

# Processor time so far in ms: of the worker with its senders, of Postgres. Backends that ended are in their parent's.
cpu_of() { "$here/cpu.sh" "$(cat "$DLO_VAR/run/$1.pid")"; }

sampler_start() {
    (
        trap 'exit 0' TERM
        while :; do
            memory_sample | paste -sd' ' >>"$dir/memory"
            sleep 1
        done
    ) 2>/dev/null &
    sampler_pid=$!
}

sampler_stop() {
    if [ -n "$sampler_pid" ]; then kill "$sampler_pid" && wait "$sampler_pid"; fi 2>/dev/null
    sampler_pid=""
}

# What the disk alone does meanwhile: disk_stop leaves it in $dir/disk, see disk.py.
disk_start() {
    python3 "$here/disk.py" "$dir" >"$dir/disk" &
    disk_pid=$!
}

disk_stop() {
    if [ -n "$disk_pid" ]; then kill "$disk_pid" && wait "$disk_pid"; fi 2>/dev/null
    disk_pid=""
}
