#!/bin/sh
# Every external symbol that x.c defines is x or begins with x_ (main excepted): its name says where to find it.
# Looks at the release objects, so `make` must have run.
set -u
bad=0
for source in common/*.c fcgi/*.c worker/*.c cli/*.c; do
    object=build/obj/${source%.c}.o
    [ -e "$object" ] || continue
    noun=$(basename "$source" .c)
    strays=$(nm --extern-only --defined-only --format=posix "$object" | cut -d' ' -f1 | grep -vE "^(main|${noun}|${noun}_.*)\$")
    for symbol in $strays; do
        echo "$source: '$symbol' does not begin with '${noun}_'" >&2
        bad=1
    done
done
exit $bad
