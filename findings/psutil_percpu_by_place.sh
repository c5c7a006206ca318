#!/usr/bin/env bash
# psutil 7.2.2 on Linux: cpu_percent(percpu=True) compares the lines of /proc/stat by their place, and not by
# the number of the CPU, which its result does not have either. If a CPU goes offline between two calls,
# each CPU behind it is compared with the past of its neighbour: a CPU that was 100 % busy is 0.0.
#
# Valid input: /proc/stat of four CPUs, and of the same machine a second later, cpu1 being offline; the
# other three were busy all the time. psutil reads it by its documented PROCFS_PATH.
# Output:
#     psutil 7.2.2
#     busy: cpu0 100 %, cpu2 100 %, cpu3 100 %
#     cpu_percent(percpu=True) -> [100.0, 0.0, 100.0]
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check psutil==7.2.2

cat >"$folder/look.py" <<'PYTHON'
import sys
from pathlib import Path

import psutil

procfs = Path(sys.argv[1])
psutil.PROCFS_PATH = str(procfs)


def stat(users: dict[int, int]) -> None:
    """Write /proc/stat: the user ticks of the CPUs that are online; each had 1000 idle ticks before."""
    lines = [f"cpu{number} {ticks} 0 0 1000 0 0 0 0 0 0" for number, ticks in users.items()]
    total = f"cpu  {sum(users.values())} 0 0 {1000 * len(users)} 0 0 0 0 0 0"
    (procfs / "stat").write_text("\n".join([total, *lines, "intr 0", "btime 1700000000", ""]))


stat({0: 100, 1: 5000, 2: 200, 3: 300})
psutil.cpu_percent(percpu=True)
stat({0: 200, 2: 300, 3: 400})
seen = psutil.cpu_percent(percpu=True)
print("psutil", psutil.__version__)
print("busy: cpu0 100 %, cpu2 100 %, cpu3 100 %")
print("cpu_percent(percpu=True) ->", seen)
sys.exit(seen != [100.0, 0.0, 100.0])
PYTHON
mkdir "$folder/proc"
"$folder/venv/bin/python" "$folder/look.py" "$folder/proc"
