#!/bin/sh
# cpu.sh PID...: the processor time in ms that these processes and all their descendants have used, with those of their
# children that have ended. Where several share a machine this compares, and a rate does not.
set -eu

[ $# -gt 0 ] || { echo "usage: cpu.sh PID..." >&2; exit 2; }
ticks=$(getconf CLK_TCK)
cat /proc/[0-9]*/stat 2>/dev/null | awk -v roots="$*" -v ticks="$ticks" '
    { pid = $1
      sub(/^.*\) /, "") # the name may hold anything
      parent[pid] = $2
      used[pid] = $12 + $13 + $14 + $15 }
    END { n = split(roots, list, " ")
          for (i = 1; i <= n; i++) root[list[i]] = 1
          for (pid in used) {
              for (p = pid; p > 1 && !(p in root); p = parent[p]);
              if (p in root) sum += used[pid]
          }
          printf "%d\n", sum * 1000 / ticks }'
