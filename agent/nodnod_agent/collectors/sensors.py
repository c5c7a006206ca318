"""The ``sensors`` section: temperatures, fans and battery; by psutil where there is no /sys."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from glob import glob
from typing import Any, NamedTuple

import psutil

from nodnod_agent.collectors.battery import read_battery
from nodnod_agent.collectors.kernel_files import text
from nodnod_agent.collectors.plausible import celsius, within
from nodnod_agent.collectors.sysfs import read_number, read_word
from nodnod_client.sections import Battery, Fan, Sensors, Temperature

_UNMEASURED_FAN = 65535
"""Revolutions per minute, or a register with all bits set."""

_MONTH = 30 * 86400


class TemperatureReading(NamedTuple):
    """Degrees Celsius, as psutil has them; ``label`` may be empty."""

    label: str
    current: float
    critical: float | None


class FanReading(NamedTuple):
    """Revolutions per minute, as psutil has them; ``label`` may be empty."""

    label: str
    current: float


class SensorReadings(NamedTuple):
    """The readings by chip, and a battery or None: of /sys, or the named tuples of psutil."""

    temperatures: Mapping[str, Sequence[Any]]
    fans: Mapping[str, Sequence[Any]]
    battery: Any


def compute(readings: SensorReadings) -> Sensors | None:
    """The section, without what cannot be true; None for a machine without sensors."""
    temperatures = [
        Temperature(_name(chip, one.label), one.current, celsius(one.critical or None))
        for chip, sensors in readings.temperatures.items()
        for one in sensors
        if celsius(one.current) is not None
    ]
    fans = [
        Fan(_name(chip, one.label), one.current)
        for chip, sensors in readings.fans.items()
        for one in sensors
        if within(0, one.current, _UNMEASURED_FAN - 1) is not None
    ]
    battery = _battery(readings.battery) if readings.battery is not None else None
    if not temperatures and not fans and battery is None:
        return None
    return Sensors(temperatures, fans, battery)


def _battery(battery: Any) -> Battery | None:
    if within(0, battery.percent, 100) is None:
        return None
    return Battery(
        percent=round(battery.percent, 1),
        plugged_in=battery.power_plugged,
        # Negative numbers of psutil mean unknown or unlimited.
        seconds_left=within(0, battery.secsleft, _MONTH),
    )


def _name(chip: str, label: str) -> str:
    return text(f"{chip} {label}" if label else chip)


class SensorsCollector:
    """Reads the sensors of /sys; psutil on other systems."""

    def __init__(self, source: Callable[[], SensorReadings] | None = None) -> None:
        self._source = source or (sys_sensors if sys.platform == "linux" else psutil_sensors)

    def read(self, now: float) -> Sensors | None:
        """The current section."""
        return compute(self._source())

    def reset(self) -> None:
        """Nothing is kept between two readings."""


def sys_sensors(root: str = "/sys") -> SensorReadings:
    """The sensors of Linux; one that cannot be read is left out.

    See the kernel's hwmon/sysfs-interface, driver-api/thermal/sysfs-api and ABI/testing.
    """
    temperatures: dict[str, list[TemperatureReading]] = {}
    fans: dict[str, list[FanReading]] = {}
    for directory in _chips(root):
        chip = read_word(f"{directory}/name") or os.path.basename(directory)
        for kind, sensor in _inputs(directory):
            value = read_number(f"{sensor}_input")
            if value is None or read_number(f"{sensor}_fault"):
                continue
            label = read_word(f"{sensor}_label")
            if kind == "fan":
                fans.setdefault(chip, []).append(FanReading(label, value))
            elif celsius(value / 1000) is not None:
                critical = _degrees(read_number(f"{sensor}_crit"))
                reading = TemperatureReading(label, value / 1000, critical)
                temperatures.setdefault(chip, []).append(reading)
    # Impossible temperatures are left out here, so that thermal zones stand in for them.
    return SensorReadings(
        temperatures or _thermal_zones(root), fans, read_battery(f"{root}/class/power_supply")
    )


def _chips(root: str) -> list[str]:
    found = glob(f"{root}/class/hwmon/hwmon*")
    names = {os.path.basename(path) for path in found}
    # Some kernels do not list the sensors of the processor under /sys/class.
    found += [
        path
        for path in glob(f"{root}/devices/platform/coretemp.*/hwmon/hwmon*")
        if os.path.basename(path) not in names
    ]
    return sorted(found, key=_in_order)


def _inputs(directory: str) -> Iterator[tuple[str, str]]:
    """The kind (``temp``, ``fan``) and the path without ``_input`` of each sensor of a chip."""
    # Old drivers have the files one level below.
    for place in (directory, f"{directory}/device"):
        found = [
            path.removesuffix("_input")
            for kind in ("temp", "fan")
            for path in glob(f"{place}/{kind}[0-9]*_input")
        ]
        if found:
            for path in sorted(found, key=_in_order):
                yield os.path.basename(path).rstrip("0123456789"), path
            return


def _thermal_zones(root: str) -> dict[str, list[TemperatureReading]]:
    """The thermal zones of a machine without other temperatures."""
    zones: dict[str, list[TemperatureReading]] = {}
    for zone in sorted(glob(f"{root}/class/thermal/thermal_zone*"), key=_in_order):
        value = read_number(f"{zone}/temp")
        if value is None:
            continue
        trips = {
            read_word(path): read_number(path.removesuffix("type") + "temp")
            for path in glob(f"{zone}/trip_point_*_type")
        }
        name = read_word(f"{zone}/type") or os.path.basename(zone)
        reading = TemperatureReading("", value / 1000, _degrees(trips.get("critical")))
        zones.setdefault(name, []).append(reading)
    return zones


def _degrees(thousandths: int | None) -> float | None:
    return None if thousandths is None else thousandths / 1000


def _in_order(path: str) -> list[int | str]:
    """Sorts ``temp10`` behind ``temp9``."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path)]


def psutil_sensors() -> SensorReadings:
    """The readings of psutil, which lacks some of the functions on some systems."""
    return SensorReadings(
        temperatures=getattr(psutil, "sensors_temperatures", dict)(),
        fans=getattr(psutil, "sensors_fans", dict)(),
        battery=getattr(psutil, "sensors_battery", lambda: None)(),
    )
