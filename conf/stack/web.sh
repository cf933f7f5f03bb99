# shellcheck shell=bash
# lighttpd: its configuration from conf/lighttpd.conf.in, and how it is started.

web_configure() {
    local address=$bind
    case $bind in *:*) address="[$bind]" ;; esac
    sed -e "s|@PORT@|$port|; s|@BIND@|$address|; s|@WEB@|$web_root|; s|@UPLOAD@|$home/upload|" \
        -e "s|@INTAKE@|$sockets/fcgi/intake.sock|; s|@DESK@|$sockets/fcgi/desk.sock|" \
        "$root/conf/lighttpd.conf.in" >"$home/lighttpd.conf"
}

# A port below 1024 needs one capability; the process never is root.
# shellcheck disable=SC2034 # read by service_start
web_command() {
    identity "$web_user"
    if [ -n "$web_user" ] && ((port < 1024)); then
        identity+=(--ambient-caps +net_bind_service)
        identity[7]+=,+net_bind_service # the inheritable ones, which the ambient ones need
    fi
    command=("$(PATH=$PATH:/usr/sbin command -v lighttpd)" -D -f "$home/lighttpd.conf")
}

# port_taken: somebody listens there already
web_port_taken() {
    local address=$host
    address=${address#[} address=${address%]}
    (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null
}

web_ready() {
    [ "$(curl --noproxy '*' -s -o /dev/null -m 5 -w '%{http_code}' "$url/readyz" || true)" = 200 ]
}
