#!/usr/bin/env bash
# Runs the paths of redaction rules over the official compliance test suite of JSONPath (RFC 9535). The suite (BSD-2) comes
# with the npm package jsonpath-rfc9535, pinned by version and checksum, into a cache directory ($1, default build/cache);
# later runs need no network. Last line: N passed, N failed.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=$(realpath -m "${1:-build/cache}")
package=jsonpath-rfc9535 version=1.3.0
sha512=de3147c9aee8678e5a0f1208771fbfcd00116a11d7c4548c58191c05495d7d7a4b4bd5425c32724cab77e6441f1172ea8742b7231c3ff71167bdc0d2b5ac61ed
suite=$cache/$package-$version-cts.json
runner=${DLO_BUILD:-build}/jsonpath_suite

. tests/unit/npm_package.sh

fetch() {
    npm_package "$package" "$version" "$sha512" "$cache"
    mv "$work/package/src/__tests__/jsonpath-compliance-test-suite/cts.json" "$suite"
}

[ -e "$suite" ] || fetch
mkdir -p "$(dirname "$runner")"
# shellcheck disable=SC2046 # flags
${CC:-cc} -std=c11 -D_GNU_SOURCE -O1 -g -I. -o "$runner" tests/unit/jsonpath_suite.c common/json_path*.c \
    common/json_scan.c common/redact*.c common/buf.c $(pkg-config --cflags --libs jansson)
"$runner" "$suite"
