"""The ``sensors`` section: temperatures, fans, battery; as psutil finds them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import psutil

from nodnod_agent.collectors.kernel_files import text
from nodnod_client.sections import Battery, Fan, Sensors, Temperature


class Sensed(NamedTuple):
    """What psutil gives: chips with their sensors (its named tuples), and a battery or None."""

    temperatures: Mapping[str, Sequence[Any]]
    fans: Mapping[str, Sequence[Any]]
    battery: Any


def compute(sensed: Sensed) -> Sensors | None:
    """The section; None for a machine that senses nothing."""
    temperatures = [
        Temperature(_name(chip, one.label), one.current, one.critical or None)
        for chip, sensors in sensed.temperatures.items()
        for one in sensors
        if one.current is not None
    ]
    fans = [
        Fan(_name(chip, one.label), one.current)
        for chip, sensors in sensed.fans.items()
        for one in sensors
    ]
    battery = _battery(sensed.battery) if sensed.battery is not None else None
    if not temperatures and not fans and battery is None:
        return None
    return Sensors(temperatures, fans, battery)


def _battery(battery: Any) -> Battery:
    left = battery.secsleft
    return Battery(
        percent=round(battery.percent, 1),
        plugged_in=battery.power_plugged,
        # psutil says "unknown" and "unlimited" with negative numbers.
        seconds_left=left if left is not None and left >= 0 else None,
    )


def _name(chip: str, label: str) -> str:
    return text(f"{chip} {label}" if label else chip)


class SensorsCollector:
    """Asks psutil for what it knows on this system."""

    def __init__(self, source: Callable[[], Sensed] | None = None) -> None:
        self._source = source or psutil_sensors

    def read(self, now: float) -> Sensors | None:
        """The section as it is now."""
        return compute(self._source())

    def forget(self) -> None:
        """There is nothing to forget."""


def psutil_sensors() -> Sensed:
    """What psutil senses; it lacks some of the functions on some systems."""
    return Sensed(
        temperatures=getattr(psutil, "sensors_temperatures", dict)(),
        fans=getattr(psutil, "sensors_fans", dict)(),
        battery=getattr(psutil, "sensors_battery", lambda: None)(),
    )
