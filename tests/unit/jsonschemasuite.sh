#!/usr/bin/env bash
# Runs the schema validator over the required tests of the JSON-Schema-Test-Suite, draft-07 and 2020-12. The suite comes
# with the source of the PyPI package jsonschema (both MIT), pinned by version and checksum, into a cache directory ($1,
# default build/cache); later runs need no network. What is not expected to pass is in jsonschemasuite_exceptions.txt,
# by name. Last line: N passed, N failed.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=$(realpath -m "${1:-build/cache}")
package=jsonschema version=4.26.0
sha256=0c26707e2efad8aa1bfc5b7ce170f3fccc2e4918ff85989ba9ffa9facb2be326
suite=$cache/$package-$version-suite
runner=${DLO_BUILD:-build}/jsonschema_suite

die() { echo "jsonschemasuite: $*" >&2; exit 1; }

# pip looks at the checksum before it does anything with the file.
fetch() {
    local pip=build/venv/bin/pip
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    if [ ! -x $pip ]; then
        python3 -m venv "$work/venv" || die "python3-venv is needed to fetch $package $version"
        pip=$work/venv/bin/pip
    fi
    echo "$package==$version --hash=sha256:$sha256" >"$work/pinned.txt"
    $pip download --quiet --disable-pip-version-check --no-deps --no-binary "$package" --require-hashes \
        -r "$work/pinned.txt" -d "$work" || die "cannot fetch $package $version"
    tar -xzf "$work/$package-$version.tar.gz" -C "$work"
    rm -rf "$suite"
    mv "$work/$package-$version/json" "$suite"
}

[ -d "$suite" ] || fetch
mkdir -p "$(dirname "$runner")"
# shellcheck disable=SC2046 # flags
${CC:-cc} -std=c11 -D_GNU_SOURCE -O1 -g -I. -o "$runner" tests/unit/jsonschema_suite.c common/json_*.c common/arena.c \
    common/uri_reference.c $(pkg-config --cflags --libs jansson libpcre2-8)
"$runner" "$suite" tests/unit/jsonschemasuite_exceptions.txt
