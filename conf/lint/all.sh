#!/bin/sh
# Every check of conf/lint, each run even if one before it failed.
set -u
cd "$(dirname "$0")/../.." || exit 1
failed=""
for check in layers symbols banned sql format scripts openapi; do
    echo "lint: $check"
    sh "conf/lint/$check.sh" || failed="$failed $check"
done
[ -z "$failed" ] || { echo "lint failed:$failed" >&2; exit 1; }
echo "lint: all well"
