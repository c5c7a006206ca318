#!/usr/bin/env bash
# psutil 7.2.2 on Linux: swap_memory().sin and .sout count each page of the kernel's as 4096 bytes. `pswpin`
# and `pswpout` of /proc/vmstat are in pages of the machine, which are of 16 or 64 KiB on many an arm64 or
# ppc64le: there the two are 4 or 16 times too small. psutil knows the right size, and uses it for the memory
# of processes.
#
# Valid input: /proc/meminfo and /proc/vmstat of a machine that has swapped in 1000 pages and out 2000, and
# /proc/PID/statm of a process with 10 resident pages, by the documented PROCFS_PATH. A page of 64 KiB is set
# in psutil's own constant, where it keeps what getpagesize(3) says.
# Output:
#     pages of 65536 bytes: 10 resident are 655360 bytes
#     swapped in: 4096000 bytes for 1000 pages, out: 8192000 bytes for 2000
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check psutil==7.2.2

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import os
import sys
from pathlib import Path

import psutil
import psutil._pslinux

me = psutil.Process()
procfs = Path(sys.argv[1]) / "proc"
(procfs / str(os.getpid())).mkdir(parents=True)
(procfs / str(os.getpid()) / "statm").write_text("100 10 5 1 0 20 0\n")
(procfs / "meminfo").write_text("SwapTotal: 2097152 kB\nSwapFree: 1048576 kB\n")
(procfs / "vmstat").write_text("pswpin 1000\npswpout 2000\n")
psutil.PROCFS_PATH = me._proc._procfs_path = str(procfs)
psutil._pslinux.PAGESIZE = 65536

resident = me.memory_info().rss
swap = psutil.swap_memory()
print(f"pages of 65536 bytes: 10 resident are {resident} bytes")
print(f"swapped in: {swap.sin} bytes for 1000 pages, out: {swap.sout} bytes for 2000")
sys.exit((resident, swap.sin, swap.sout) != (655360, 4096000, 8192000))
PYTHON
