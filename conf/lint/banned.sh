#!/bin/sh
# The functions of banned.h, looked for without a compiler: also in code that is not built here.
set -u
names=$(sed -n 's/^#define \([a-z]*\)(\.\.\.).*/\1/p' conf/lint/banned.h | paste -sd'|')
if grep -rnE "(^|[^_[:alnum:]])(${names})[[:space:]]*\(" --include='*.[ch]' common fcgi worker cli tests |
    grep -vE '^[^:]+:[0-9]+:[[:space:]]*(/?\*|//)'; then
    echo "banned functions, see conf/lint/banned.h" >&2
    exit 1
fi
