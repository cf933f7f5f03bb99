#!/bin/sh
# common/ includes nothing from fcgi/, worker/ or cli/, and those three do not include each other.
set -u
bad=0

# forbid DIRECTORY OTHER...: no file of DIRECTORY may include a header of the others, its generated SQL neither
forbid() {
    dir=$1
    shift
    for other in "$@"; do
        if grep -rnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[\"<](\.\./)*${other}(/|_sql\.h)" \
            --include='*.[ch]' "$dir"; then
            echo "layers: $dir/ must not include $other/" >&2
            bad=1
        fi
    done
}

forbid common fcgi worker cli tests
forbid fcgi worker cli tests
forbid worker fcgi cli tests
forbid cli fcgi worker tests
exit $bad
