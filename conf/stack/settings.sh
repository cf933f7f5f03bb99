# shellcheck shell=bash
# The operator's settings, read from the environment, checked once. Sourced by run.sh, up.sh and down.sh.
#
#   DLO_PORT 8080 · DLO_BIND 127.0.0.1 · DLO_VAR var · DLO_ALLOW_NETS 127.0.0.1/32 (empty: public addresses only)
#   DLO_DNS_SERVERS (empty: the system's) · DLO_CA_FILE (who vouches for receivers; default: the system's)
#   DLO_SENDERS 2 · DLO_INTAKE 4 · DLO_DESK 2 (processes) · DLO_BUILD build (where the programs are)
#
# Gives: root (the clone), var (absolute), port, bind, url, and the numbers. Changes nothing on the disk.

die() { echo "dlo: $*" >&2; exit 1; }
say() { echo "dlo: $*"; }

# number NAME DEFAULT LEAST MOST
number() {
    local value=${!1:-$2}
    [[ $value =~ ^[0-9]{1,5}$ ]] && ((10#$value >= $3 && 10#$value <= $4)) ||
        die "$1 is '$value': a number from $3 to $4 is needed"
    echo "$((10#$value))"
}

# No setting of the caller's for PostgreSQL, make or the language may reach the programs started here.
for name in ${!PG@}; do unset "$name"; done
unset MAKEFLAGS MFLAGS MAKELEVEL name
export LC_ALL=C.UTF-8
umask 022 # what is private is made so by name

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
var=${DLO_VAR:-var}
case $var in /*) ;; *) var=$root/$var ;; esac
var=$(realpath -m -- "$var")
case $var in *[[:cntrl:]\"\'\\\$\`]*) die "DLO_VAR is '$var': no quotes, dollars or backslashes, please" ;; esac
programs=$root/${DLO_BUILD:-build}

port=$(number DLO_PORT 8080 1 65535)
senders=$(number DLO_SENDERS 2 1 64)
intake=$(number DLO_INTAKE 4 1 64)
desk=$(number DLO_DESK 2 1 64)

bind=${DLO_BIND:-127.0.0.1}
[[ $bind =~ ^[][0-9A-Za-z.:-]+$ ]] || die "DLO_BIND is '$bind': an address or a host name is needed"
bind=${bind#[} bind=${bind%]}

allow_nets=${DLO_ALLOW_NETS-127.0.0.1/32}
[[ $allow_nets =~ ^[0-9A-Fa-f.:/,\ ]*$ ]] ||
    die "DLO_ALLOW_NETS is '$allow_nets': networks like 10.0.0.0/8, separated by commas, are needed"

dns_servers=${DLO_DNS_SERVERS-}
[[ $dns_servers =~ ^[][0-9A-Fa-f.:,\ ]*$ ]] ||
    die "DLO_DNS_SERVERS is '$dns_servers': addresses like 192.0.2.53 or 192.0.2.53:5353, separated by commas, are needed"

ca_file=${DLO_CA_FILE:-/etc/ssl/certs/ca-certificates.crt}
[[ $ca_file =~ ^/[0-9A-Za-z._/-]*$ ]] || die "DLO_CA_FILE is '$ca_file': an absolute path is needed"

# Where a client on this machine finds the web server.
case $bind in
0.0.0.0 | localhost) host=127.0.0.1 ;;
::) host='[::1]' ;;
*:*) host="[$bind]" ;;
*) host=$bind ;;
esac
url=http://$host:$port
lock=$var/run/lock
