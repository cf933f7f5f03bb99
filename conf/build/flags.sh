#!/bin/sh
# Writes make variables to standard output: which hardening flags this compiler and linker accept, and how each
# library is included and linked. A flag that is refused is left out: a user's build never fails on one.
# Called by the Makefile with CC set. Stops with one line when there is no compiler.
set -eu

CC=${CC:-cc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf 'int main(void) { return 0; }\n' > "$work/probe.c"

builds() { $CC -Werror "$@" -o "$work/probe" "$work/probe.c" >/dev/null 2>&1; }

builds || {
    echo "no working C compiler ('$CC'): run 'make deps', or install gcc and libc6-dev" >&2
    exit 1
}

# accepted FLAG...: those that work, each tried alone
accepted() {
    for flag in "$@"; do
        if builds -O2 "$flag"; then printf ' %s' "$flag"; fi
    done
}

# first FLAG...: the first that works; for flags that exclude each other
first() {
    for flag in "$@"; do
        if builds -O2 "$flag"; then printf ' %s' "$flag"; return; fi
    done
}

# library NAME PKG FALLBACK: how to link it, by pkg-config where that knows it
library() {
    if pkg-config --exists "$2" 2>/dev/null; then
        echo "$1 := $(pkg-config --libs "$2")"
    else
        echo "$1 := $3"
    fi
}

echo "HARDENING_CFLAGS :=$(accepted -fPIE -fstack-protector-strong -fstack-clash-protection \
    -fcf-protection=full -fno-strict-aliasing -fno-delete-null-pointer-checks \
    -fwrapv)$(first -ftrivial-auto-var-init=zero -ftrivial-auto-var-init=pattern) -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3"
echo "HARDENING_LDFLAGS :=$(accepted -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code)"

includes=$(pkg-config --cflags libpq jansson libconfuse libcurl libcrypto 2>/dev/null) ||
    includes=-I$(pg_config --includedir 2>/dev/null || echo /usr/include/postgresql)
echo "LIB_CFLAGS := $includes"
library LIBPQ libpq -lpq
library JANSSON jansson -ljansson
library CONFUSE libconfuse -lconfuse
library CRYPTO libcrypto -lcrypto
library CURL libcurl -lcurl
library PCRE2 libpcre2-8 -lpcre2-8
library CARES libcares -lcares
library SECCOMP libseccomp -lseccomp
library CMOCKA cmocka -lcmocka
echo "JQ := -ljq"
echo "FCGI := -lfcgi"
