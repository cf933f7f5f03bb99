#!/bin/sh
# Looks over every shell script, where shellcheck is installed. Parts that are only sourced are read with the script that does.
set -u
if ! command -v shellcheck >/dev/null; then
    echo "shellcheck is not here: scripts not looked at"
    exit 0
fi
scripts=$(grep -rlE --exclude-dir=node_modules --exclude-dir=build '^#!(/usr/bin/env |/bin/)(ba)?sh' conf tests .ci)
# shellcheck disable=SC2086 # one argument a script
shellcheck -S warning -x -P SCRIPTDIR $scripts
