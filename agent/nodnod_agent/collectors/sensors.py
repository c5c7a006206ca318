"""The ``sensors`` section: temperatures, fans and battery, by psutil."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import psutil

from nodnod_agent.collectors.kernel_files import text
from nodnod_client.sections import Battery, Fan, Sensors, Temperature


class SensorReadings(NamedTuple):
    """The results of psutil: sensors by chip (its named tuples), and a battery or None."""

    temperatures: Mapping[str, Sequence[Any]]
    fans: Mapping[str, Sequence[Any]]
    battery: Any


def compute(readings: SensorReadings) -> Sensors | None:
    """The section; None for a machine without sensors."""
    temperatures = [
        Temperature(_name(chip, one.label), one.current, one.critical or None)
        for chip, sensors in readings.temperatures.items()
        for one in sensors
        if one.current is not None
    ]
    fans = [
        Fan(_name(chip, one.label), one.current)
        for chip, sensors in readings.fans.items()
        for one in sensors
    ]
    battery = _battery(readings.battery) if readings.battery is not None else None
    if not temperatures and not fans and battery is None:
        return None
    return Sensors(temperatures, fans, battery)


def _battery(battery: Any) -> Battery:
    left = battery.secsleft
    return Battery(
        percent=round(battery.percent, 1),
        plugged_in=battery.power_plugged,
        # Negative numbers of psutil mean unknown or unlimited.
        seconds_left=left if left is not None and left >= 0 else None,
    )


def _name(chip: str, label: str) -> str:
    return text(f"{chip} {label}" if label else chip)


class SensorsCollector:
    """Reads the sensors with psutil."""

    def __init__(self, source: Callable[[], SensorReadings] | None = None) -> None:
        self._source = source or psutil_sensors

    def read(self, now: float) -> Sensors | None:
        """The current section."""
        return compute(self._source())

    def reset(self) -> None:
        """Nothing is kept between two readings."""


def psutil_sensors() -> SensorReadings:
    """The readings of psutil, which lacks some of the functions on some systems."""
    return SensorReadings(
        temperatures=getattr(psutil, "sensors_temperatures", dict)(),
        fans=getattr(psutil, "sensors_fans", dict)(),
        battery=getattr(psutil, "sensors_battery", lambda: None)(),
    )
