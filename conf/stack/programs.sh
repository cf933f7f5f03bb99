# shellcheck shell=bash
# Our own programs: their configuration file, made at every start, and how each is started.

programs_configure() {
    local file=$home/dlo.conf
    (umask 077 && : >"$file.new")
    cat >"$file.new" <<CONF
# Written by conf/stack/programs.sh at every start; conf/dlo.conf.sample explains each option.
dsn_owner = "$(postgres_dsn dlo_owner)"
dsn_api = "$(postgres_dsn dlo_api)"
dsn_worker = "$(postgres_dsn dlo_worker)"
public_url = "$url"
intake_socket = "$sockets/fcgi/intake.sock"
desk_socket = "$sockets/fcgi/desk.sock"
socket_group = "$(place_web_group)"
web_server_user = "$web_user"
worker_user = ""
intake = $intake
desk = $desk
senders = $senders
allow_nets = "$allow_nets"
dns_servers = "$dns_servers"
key_file = "$home/keys/dlo.keys"
ca_file = "$ca_file"
log_format = "text"
log_level = "info"
CONF
    if [ -n "$service_user" ]; then
        chown "root:$(id -gn "$service_user")" "$file.new"
        chmod 640 "$file.new"
    fi
    mv "$file.new" "$file"
    if [ "$home" != "$var" ]; then ln -sfn "$file" "$var/dlo.conf"; fi
}

dlo() { as_service "$bin/dlo" "$@" --config "$home/dlo.conf"; }

# The responders' user has to be in the web server's group to hand the sockets to it.
# shellcheck disable=SC2034 # read by service_start
fcgi_command() {
    local group
    group=$(place_web_group)
    identity "$service_user" ${group:+"$group"}
    command=("$bin/dlo.fcgi" --config "$home/dlo.conf")
}

# shellcheck disable=SC2034
worker_command() {
    identity "$service_user"
    command=("$bin/dlo-worker" --config "$home/dlo.conf")
}
