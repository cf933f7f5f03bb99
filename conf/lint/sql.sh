#!/bin/sh
# A statement's file begins with its name and says its parameters, its locks and who calls it. (That the name is the
# file's, that there is one statement, and that no $n is left out is checked when it is embedded.)
set -u
bad=0

says() {
    if ! echo "$header" | grep -qi -- "$1"; then
        echo "$file: its header does not say '$1'" >&2
        return 1
    fi
}

for file in common/sql/*.sql fcgi/sql/*.sql worker/sql/*.sql cli/sql/*.sql; do
    [ -e "$file" ] || continue
    header=$(sed -n '/^--/!q; p' "$file")
    says 'lock' && says 'called by' || bad=1
    if grep -v '^--' "$file" | grep -q '\$[1-9]'; then says '\$1' || bad=1; fi
done
exit $bad
