# shellcheck shell=bash
# Who runs the stack, and where its data and sockets lie.
#
# An ordinary user: everything below $var, all as that user. Root: PostgreSQL refuses to be root, and nothing else has
# to be. PostgreSQL, the responders and the worker are then one system user (postgres), so that the database's socket
# can be 0700; the web server is another (www-data), which gets no further than the responders' sockets. What those
# users cannot enter (a clone below /root) is put below /var/lib/dlo-HASH, and said. The hash is of the path of $var: no
# two clones ever share data, and one that is moved starts anew.
#
# Gives: service_user, web_user ("" = the caller), home, sockets, bin, web_root. A crash leaves directories only.

service_user="" web_user=""

# identity USER [GROUP...]: sets the array `identity` to what setpriv must be told to become that user
identity() {
    local user=$1 groups
    identity=()
    [ -n "$user" ] || return 0
    groups=$(id -gn "$user")
    shift
    identity=(--reuid "$user" --regid "$groups" --groups "$(IFS=,; echo "$groups${*:+,$*}")" --inh-caps -all)
}

# as_user USER COMMAND...: run to its end, from a directory that user can be in
as_user() {
    local identity=()
    identity "$1"
    shift
    if [ ${#identity[@]} = 0 ]; then "$@"; else (cd / && exec setpriv "${identity[@]}" -- "$@"); fi
}

as_service() { as_user "$service_user" "$@"; }

# The directory for sockets when the path below home would be too long for a unix socket (107 bytes, we stop at 99).
place_short_sockets() {
    local base=/tmp
    if [ "$(id -u)" = 0 ]; then base=/run; elif [ -d "${XDG_RUNTIME_DIR:-}" ]; then base=$XDG_RUNTIME_DIR; fi
    sockets=$base/dlo-$place_hash
    mkdir -m 755 "$sockets" 2>/dev/null || true
    if [ ! -O "$sockets" ] || [ ! -d "$sockets" ] || [ -L "$sockets" ]; then die "'$sockets' is not ours: remove it"; fi
    say "the path of '$home' is too long for sockets: they are in '$sockets'"
}

# directory MODE USER GROUP PATH: made if missing; "" leaves the owner alone
place_directory() {
    mkdir -p "$4"
    if [ -n "$2" ]; then chown "$2:${3:-$(id -gn "$2")}" "$4"; fi
    chmod "$1" "$4"
}

# The programs and the dashboard are used where they were built, if their users can read them there; else copied.
place_programs() {
    bin=$programs web_root=$root/web
    if as_service test -x "$programs/dlo.fcgi" && as_user "$web_user" test -r "$web_root/index.html"; then return; fi
    bin=$home/bin web_root=$home/web
    rm -rf "$bin" "$web_root"
    mkdir -p "$bin" "$web_root"
    install -m 755 "$programs/dlo" "$programs/dlo.fcgi" "$programs/dlo-worker" "$bin/"
    if [ -d "$root/web" ]; then cp -R "$root/web/." "$web_root/" && chmod -R u=rwX,go=rX "$web_root"; fi
}

place_users() {
    [ "$(id -u)" = 0 ] || return 0
    service_user=postgres web_user=www-data
    getent passwd "$service_user" >/dev/null || service_user=nobody
    getent passwd "$web_user" >/dev/null || web_user=nobody
}

place_prepare() {
    place_hash=$(printf %s "$var" | sha256sum | cut -c1-12)
    home=$var
    if ! as_service test -x "$var" || ! as_user "$web_user" test -x "$var"; then
        home=/var/lib/dlo-$place_hash
        say "'$service_user' cannot enter '$var': data and sockets are in '$home'"
    fi
    mkdir -p "$home"
    home=$(realpath "$home")
    sockets=$home/sock
    if [ "$(printf %s "$sockets/pg/.s.PGSQL.5432" | wc -c)" -ge 100 ]; then place_short_sockets; fi
    place_directory "$(if [ -n "$service_user" ]; then echo 755; else echo 700; fi)" "" "" "$sockets"
    place_directory 700 "$service_user" "" "$sockets/pg"
    place_directory 750 "$service_user" "$(place_web_group)" "$sockets/fcgi"
    place_directory 700 "" "" "$home/secrets"
    place_directory 700 "$service_user" "" "$home/keys"
    place_directory 700 "$web_user" "" "$home/upload"
    place_programs
}

place_web_group() { if [ -n "$web_user" ]; then id -gn "$web_user"; fi; }
