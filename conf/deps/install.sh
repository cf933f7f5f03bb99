#!/usr/bin/env bash
# Installs what is missing of the groups named (run build demo unit test lint; see packages.txt beside this file).
#
#   conf/deps/install.sh run build
#   DLO_INSTALL=no conf/deps/install.sh test      lists what is missing, installs nothing, fails if anything is
#
# Says what it installs. Leaves no service running, and none enabled at boot, that was not before: while packages are
# being set up no service may start and no PostgreSQL cluster is made; both locks are lifted on every way out.
# Does nothing, and asks apt nothing, when all is there.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
services="postgresql lighttpd apache2"
policy=/usr/sbin/policy-rc.d
cluster_rule=/etc/postgresql-common/createcluster.d/dlo-no-main-cluster.conf

die() { echo "$*" >&2; exit 1; }

# exists COMMAND_OR_PATTERN
exists() {
    case $1 in
    /*) compgen -G "$1" >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

# installed PACKAGE...: those of them that dpkg knows as installed, one a line
installed() {
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' || true
}

# missing GROUP...: one line `package[|package]` for each need that is not met
missing() {
    local group needs sign asked="" have
    while read -r group needs sign; do
        case " $* " in *" $group "*) ;; *) continue ;; esac
        if [ "$sign" = - ]; then
            asked="$asked $needs"
        elif ! exists "$sign"; then
            echo "$needs"
        fi
    done < <(grep -v '^#' "$here/packages.txt")
    [ -n "$asked" ] || return 0
    # shellcheck disable=SC2086
    have=" $(installed $asked | tr '\n' ' ') "
    for needs in $asked; do
        case $have in *" $needs "*) ;; *) echo "$needs" ;; esac
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# choose PACKAGE|PACKAGE: the first that this distribution can install (else the first, so that apt says why not)
choose() {
    local name
    for name in ${1//|/ }; do
        if apt-cache show "$name" 2>/dev/null | grep -q '^Filename:'; then echo "$name"; return; fi
    done
    echo "${1%%|*}"
}

running() {
    command -v systemctl >/dev/null && [ "$(systemctl is-active "$1" 2>/dev/null)" = active ]
}

# What was there before: read before apt-get, used after it.
remember_services() {
    were_running="" were_installed=" "
    local service
    for service in $services; do
        if running "$service"; then were_running="$were_running $service"; fi
    done
    # shellcheck disable=SC2086
    were_installed=" $(installed $services | tr '\n' ' ') "
}

quiet_new_services() {
    local service
    for service in $services; do
        case "$were_installed" in *" $service "*) continue ;; esac
        [ -n "$(installed "$service")" ] || continue
        if command -v systemctl >/dev/null; then
            as_root systemctl --quiet disable "$service" >/dev/null 2>&1 || true
        else
            as_root update-rc.d "$service" disable >/dev/null 2>&1 || true
        fi
        case " $were_running " in *" $service "*) continue ;; esac
        if running "$service"; then as_root systemctl --quiet stop "$service" || true; fi
    done
}

made_policy="" made_rule=""
hold_services() {
    if [ ! -e $policy ]; then
        made_policy=yes
        printf '#!/bin/sh\n# for the time of an installation by %s\nexit 101\n' "$here/install.sh" |
            as_root tee $policy >/dev/null
        as_root chmod 755 $policy
    fi
    if [ ! -e $cluster_rule ]; then
        made_rule=yes
        as_root mkdir -p "${cluster_rule%/*}"
        echo 'create_main_cluster = false' | as_root tee $cluster_rule >/dev/null
    fi
}

release_services() {
    if [ -n "$made_policy" ]; then as_root rm -f $policy; fi
    if [ -n "$made_rule" ]; then as_root rm -f $cluster_rule; fi
    made_policy="" made_rule=""
}

install() {
    local log apt=(env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -qq -o DPkg::Lock::Timeout=300)
    remember_services
    trap release_services EXIT
    trap 'exit 130' INT TERM HUP
    hold_services
    log=$(mktemp)
    if ! as_root "${apt[@]}" install -y --no-install-recommends "$@" >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        die "apt-get could not install: $* (all it said is in '$log')"
    fi
    rm -f "$log"
    quiet_new_services
    release_services
}

[ $# -gt 0 ] || die "usage: $0 GROUP... (run build demo unit test lint)"
command -v dpkg-query >/dev/null ||
    die "this is no Debian or Ubuntu: install by hand what $here/packages.txt lists, then use 'make' and DLO_INSTALL=no"

needs=$(missing "$@")
[ -n "$needs" ] || exit 0

if [ "${DLO_INSTALL:-yes}" = no ]; then
    echo "missing, and DLO_INSTALL=no forbids to install:" >&2
    echo "$needs" | sed 's/^/    /; s/|/ (or /; /(or/s/$/)/' >&2
    exit 1
fi
if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    die "missing: $(echo "$needs" | tr '\n' ' '); neither root nor sudo is at hand to install it"
fi

echo "looking for: $(echo "$needs" | tr '\n' ' ')"
as_root apt-get -qq -o DPkg::Lock::Timeout=300 update ||
    echo "apt-get update failed; going on with the lists that are here" >&2
packages=()
for need in $needs; do packages+=("$(choose "$need")"); done
echo "installing: ${packages[*]}"
install "${packages[@]}"

still=$(missing "$@")
[ -z "$still" ] || die "still missing after the installation: $(echo "$still" | tr '\n' ' ')"
echo "installed; no service was started"
