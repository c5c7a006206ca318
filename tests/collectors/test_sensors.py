from typing import NamedTuple

import psutil
import pytest

from nodnod_agent.collectors.sensors import (
    SensorReadings,
    SensorsCollector,
    compute,
    psutil_sensors,
)
from nodnod_client.sections import Battery, Fan, Sensors, Temperature


class Thermometer(NamedTuple):
    """The named tuple of psutil."""

    label: str
    current: float | None
    high: float | None
    critical: float | None


class FanSpeed(NamedTuple):
    label: str
    current: int


class PowerSource(NamedTuple):
    percent: float
    secsleft: int | None
    power_plugged: bool | None


LAPTOP = SensorReadings(
    temperatures={
        "coretemp": [Thermometer("Package id 0", 52.0, 100.0, 100.0)],
        "acpitz": [Thermometer("", 48.5, 0.0, 0.0), Thermometer("broken", None, None, None)],
    },
    fans={"thinkpad": [FanSpeed("", 2903)]},
    battery=PowerSource(81.2345, 7260, False),
)


def test_a_laptop_has_temperatures_a_fan_and_a_battery() -> None:
    assert compute(LAPTOP) == Sensors(
        [Temperature("coretemp Package id 0", 52.0, 100.0), Temperature("acpitz", 48.5)],
        [Fan("thinkpad", 2903)],
        Battery(81.2, False, 7260),
    )


@pytest.mark.parametrize(
    ("reported", "left"),
    [
        (psutil.POWER_TIME_UNKNOWN, None),
        (psutil.POWER_TIME_UNLIMITED, None),
        (None, None),
        (-1, None),
        (0, 0),
    ],
)
def test_the_time_left_of_a_battery_may_be_unknown(reported: int | None, left: int | None) -> None:
    section = compute(SensorReadings({}, {}, PowerSource(0, reported, True)))
    assert section == Sensors([], [], Battery(0, True, left))


def test_a_machine_without_sensors_has_no_section() -> None:
    assert compute(SensorReadings({}, {}, None)) is None
    assert SensorsCollector(lambda: SensorReadings({}, {}, None)).read(0.0) is None


def test_functions_that_psutil_lacks_on_a_system_are_skipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("sensors_temperatures", "sensors_fans", "sensors_battery"):
        monkeypatch.delattr(psutil, name, raising=False)
    assert psutil_sensors() == SensorReadings({}, {}, None)
