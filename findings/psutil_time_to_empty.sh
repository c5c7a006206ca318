#!/usr/bin/env bash
# psutil 7.2.2 (Linux) takes the kernel's `time_to_empty_now` for minutes. It is in seconds, as all times
# of power supplies (Documentation/power/power_supply_class.rst). So a battery that reports no energy or
# charge, but one hour until it is empty, has 60 hours left.
#
# Valid input: the files of such a battery under a folder in place of /sys/class/power_supply.
# Output:
#     time_to_empty_now: 3600 s, secsleft: 216000 s
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check psutil==7.2.2

battery=$folder/power_supply/BAT0
mkdir -p "$battery"
echo Battery >"$battery/type"
echo Discharging >"$battery/status"
echo 50 >"$battery/capacity"
echo 3600 >"$battery/time_to_empty_now"

"$folder/venv/bin/python" - "$folder/power_supply" <<'PYTHON'
import sys

import psutil
import psutil._pslinux

psutil._pslinux.POWER_SUPPLY_PATH = sys.argv[1]
left = psutil.sensors_battery().secsleft
print(f"time_to_empty_now: 3600 s, secsleft: {left} s")
sys.exit(left != 216000)
PYTHON
