# shellcheck shell=bash
# A service is one long-running child of run.sh: started, watched, started again with growing delays, stopped.
#
# What it runs comes from its NAME_command function, which sets `command`, `identity` and `death_signal`. Each has its
# own session, so that Ctrl-C reaches only run.sh, and asks the kernel for a signal should run.sh die: an orphaned stack
# takes itself down. Output goes to $var/log/NAME.log, the pid to $var/run/NAME.pid. Only pids started here are signalled.

declare -A service_pid=() service_since=() service_failures=() service_due=()

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# Our own child, not somebody who has its number by now.
service_alive() {
    local stat=()
    { read -r -a stat; } 2>/dev/null <"/proc/${service_pid[$1]}/stat" && [ "${stat[3]}" = $$ ] && [ "${stat[2]}" != Z ]
}

service_start() {
    local name=$1 command=() identity=() death_signal=TERM
    "${name}_command" "${service_failures[$name]:-0}"
    (
        cd "$home" || exit 1
        exec setsid env --default-signal=INT,QUIT setpriv --pdeathsig $death_signal "${identity[@]}" -- "${command[@]}"
    ) </dev/null >>"$var/log/$name.log" 2>&1 9>&- &
    service_pid[$name]=$!
    service_since[$name]=$(now_ms)
    service_due[$name]=""
    echo $! >"$var/run/$name.pid"
}

# wait_for SECONDS CONDITION...: until the condition holds; fails when a service ends, the time does, or we are to stop
service_wait_for() {
    local deadline=$(($(now_ms) + $1 * 1000)) name
    shift
    until "$@"; do
        if [ -n "$stopping" ]; then return 1; fi
        for name in "${!service_pid[@]}"; do
            if service_alive "$name"; then continue; fi
            service_show_log "$name"
            die "'$name' ended before all was ready"
        done
        if (($(now_ms) > deadline)); then
            for name in "${!service_pid[@]}"; do service_show_log "$name"; done
            die "not ready in time: $*"
        fi
        sleep 0.1
    done
}

service_show_log() {
    say "the last lines of $var/log/$1.log:" >&2
    tail -n 15 "$var/log/$1.log" | sed 's/^/    /' >&2
}

# At once the first time, then after 0.5, 1, 2, 4, 8, 10, 10 ... seconds, until one lived for 10 seconds.
service_ended() {
    local name=$1 delay=0 n
    if (($(now_ms) - service_since[$name] > 10000)); then service_failures[$name]=0; fi
    n=${service_failures[$name]:-0}
    if ((n > 0)); then delay=$((n > 5 ? 10000 : 250 << n)); fi
    service_failures[$name]=$((n + 1))
    service_due[$name]=$(($(now_ms) + delay))
    say "$(date -u +%FT%TZ) '$name' ended (pid ${service_pid[$name]}); starting it again in $delay ms"
}

service_tend() {
    local name=$1
    if service_alive "$name"; then return; fi
    if [ -z "${service_due[$name]}" ]; then service_ended "$name"; fi
    if (($(now_ms) >= service_due[$name])); then service_start "$name"; fi
}

# Beyond 50 MB a log is moved aside; services append, so they go on in the emptied file.
service_trim_log() {
    local file=$var/log/$1.log
    if [ "$(stat -c %s "$file")" -gt 52428800 ]; then
        cp "$file" "$file.1"
        : >"$file"
    fi
}

# supervise NAME...: until `stopping` is set. Each round ends with a child, a signal, or the clock.
service_supervise() {
    local name clock pause alive
    while [ -z "$stopping" ]; do
        pause=5 alive=()
        for name in "$@"; do
            service_tend "$name"
            service_trim_log "$name"
            if [ -n "${service_due[$name]}" ]; then pause=0.2; else alive+=("${service_pid[$name]}"); fi
        done
        sleep $pause 9>&- &
        clock=$!
        wait -n "${alive[@]}" $clock || true
        kill $clock 2>/dev/null || true
    done
}

# stop NAME SIGNAL SECONDS [SIGNAL SECONDS ...]: each signal in turn until it has gone, at last KILL for its session
service_stop() {
    local name=$1 pid=${service_pid[$1]:-} deadline
    shift
    if [ -z "$pid" ]; then return; fi
    while [ $# -gt 0 ]; do
        service_alive "$name" || break
        kill -"$1" "$pid" 2>/dev/null || break
        deadline=$(($(now_ms) + $2 * 1000))
        while service_alive "$name" && (($(now_ms) < deadline)); do sleep 0.05; done
        shift 2
    done
    if service_alive "$name"; then
        say "'$name' does not stop: killing it" >&2
        kill -KILL -- "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true
    fi
    wait "$pid" 2>/dev/null || true
    rm -f "$var/run/$name.pid"
}

# What a run.sh that was killed left behind is on its way down (see above): wait for it, then make it go.
# service_clear_leftovers NAME...
service_clear_leftovers() {
    local name pid deadline
    for name in "$@"; do
        pid=$(cat "$var/run/$name.pid" 2>/dev/null || true)
        if [ -n "$pid" ] && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$home/"; then
            say "waiting for process $pid, left by a start that was killed"
            deadline=$(($(now_ms) + 15000))
            while kill -0 "$pid" 2>/dev/null && (($(now_ms) < deadline)); do sleep 0.1; done
            kill -KILL "$pid" 2>/dev/null || true
        fi
        rm -f "$var/run/$name.pid"
    done
}
