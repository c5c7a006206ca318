"""The battery of the machine, from Linux' /sys/class/power_supply.

Batteries of mice, keyboards and headsets are there too: they have the scope ``Device``.
"""

import os
from typing import NamedTuple

from nodnod_agent.collectors.plausible import within
from nodnod_agent.collectors.sysfs import read_number, read_word

_CHARGES = (
    ("energy_now", "energy_full", "power_now"),
    ("charge_now", "charge_full", "current_now"),
)
"""What is left, of what, and what is drawn: in µWh and µW, or in µAh and µA."""

_PLUGGED = {"charging": True, "full": True, "discharging": False}


class BatteryReading(NamedTuple):
    """Percent, seconds left, and whether it is connected to power; None if unknown."""

    percent: float
    secsleft: float | None
    power_plugged: bool | None


def read_battery(root: str) -> BatteryReading | None:
    """The first battery of the machine that can be read."""
    try:
        supplies = [f"{root}/{name}" for name in sorted(os.listdir(root))]
    except OSError:  # a kernel without power supplies
        return None
    own = [path for path in supplies if read_word(f"{path}/scope").lower() != "device"]
    online = [
        number
        for path in own
        if read_word(f"{path}/type").lower() == "mains"
        and (number := read_number(f"{path}/online")) is not None
    ]
    on_mains = any(online) if online else None
    return next((found for path in own if (found := _battery(path, on_mains)) is not None), None)


def _battery(path: str, on_mains: bool | None) -> BatteryReading | None:
    kind = read_word(f"{path}/type") or os.path.basename(path).rstrip("0123456789")
    if kind.lower() not in ("battery", "bat") or read_number(f"{path}/present") == 0:
        return None
    percent: float | None = None
    seconds: int | None = None
    for now_file, full_file, rate_file in _CHARGES:
        now, full, rate = (
            read_number(f"{path}/{file}") for file in (now_file, full_file, rate_file)
        )
        if percent is None and now is not None and full is not None and 0 <= now <= full != 0:
            percent = 100 * now / full
        if seconds is None and now is not None and rate:
            seconds = int(3600 * now / abs(rate))  # some drivers have a sign
    if percent is None:
        percent = within(0, read_number(f"{path}/capacity"), 100)
    if percent is None:
        return None
    if seconds is None:
        seconds = read_number(f"{path}/time_to_empty_now")
    plugged = on_mains
    if plugged is None:
        plugged = _PLUGGED.get(read_word(f"{path}/status").lower())
    return BatteryReading(percent, None if plugged else seconds, plugged)
