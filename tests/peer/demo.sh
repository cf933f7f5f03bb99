#!/bin/sh
# demo.sh [--seconds N] [--rate N] [--recover-after N]: what `make demo` runs. Needs a running
# office (make run or make up) and build/peer; everything else is in demo.py beside it.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
python=$(command -v python3) || { echo "demo: python3 is needed" >&2; exit 1; }
[ -x "${PEER:-$root/build/peer}" ] || { echo "demo: build/peer is missing (make build/peer)" >&2; exit 1; }
cd "$root"
exec "$python" tests/peer/demo.py "$@"
