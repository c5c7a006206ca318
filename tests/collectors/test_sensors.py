import os
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from nodnod_agent.collectors.sensors import (
    SensorReadings,
    SensorsCollector,
    compute,
    psutil_sensors,
    sys_sensors,
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
        (10**9, None),
    ],
)
def test_the_time_left_of_a_battery_may_be_unknown(reported: int | None, left: int | None) -> None:
    section = compute(SensorReadings({}, {}, PowerSource(0, reported, True)))
    assert section == Sensors([], [], Battery(0, True, left))


def hot(current: float, critical: float | None = None) -> Sensors | None:
    """The section of a machine with one sensor."""
    return compute(SensorReadings({"x": [Thermometer("", current, None, critical)]}, {}, None))


@pytest.mark.parametrize("critical", [65261.85, 250.1, -273.15, -50.1, 0.0, float("nan")])
def test_a_limit_that_no_hardware_has_is_unknown(critical: float) -> None:
    assert hot(40.0, critical) == Sensors([Temperature("x", 40.0)], [], None)


@pytest.mark.parametrize("temperature", [-50.0, 250.0])
def test_limits_and_readings_that_hardware_may_have_are_kept(temperature: float) -> None:
    assert hot(temperature, temperature) == Sensors(
        [Temperature("x", temperature, temperature)], [], None
    )


@pytest.mark.parametrize("current", [-128.0, 255.5, 65261.85, float("nan")])
def test_a_temperature_that_no_machine_has_is_left_out(current: float) -> None:
    assert hot(current) is None


@pytest.mark.parametrize("rpm", [-1, 65535])
def test_a_speed_that_no_fan_has_is_left_out(rpm: int) -> None:
    assert compute(SensorReadings({}, {"x": [FanSpeed("", rpm)]}, None)) is None


def test_a_charge_that_no_battery_has_is_left_out() -> None:
    assert compute(SensorReadings({}, {}, PowerSource(104, None, False))) is None


# What Linux has, as files.

NVME = {"name": "nvme", "temp1_input": 38850, "temp1_crit": 84850, "temp1_label": "Composite"}
BOARD = {
    "name": "nct6798",
    "temp2_input": -128000,
    "temp10_input": 31000,
    "temp9_input": 30000,
    "fan1_input": 812,
    "fan2_input": 0,
    "fan2_label": "CPU",
}


def files(root: Path, directory: str, contents: dict[str, object]) -> None:
    """Write a file for each value; a folder for one that cannot be read."""
    (root / directory).mkdir(parents=True)
    for name, value in contents.items():
        path = root / directory / name
        if value is OSError:
            path.mkdir()
        else:
            path.write_bytes(value if isinstance(value, bytes) else f"{value}\n".encode())


def section(root: Path) -> Sensors:
    section = compute(sys_sensors(str(root)))
    assert section is not None
    return section


def test_the_sensors_of_each_chip_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    files(tmp_path, "class/hwmon/hwmon10", NVME)
    files(tmp_path, "class/hwmon/hwmon9", BOARD)
    assert section(tmp_path) == Sensors(
        [
            Temperature("nct6798", 30),
            Temperature("nct6798", 31),
            Temperature("nvme Composite", 38.85, 84.85),
        ],
        [Fan("nct6798", 812), Fan("nct6798 CPU", 0)],
        None,
    )


@pytest.mark.parametrize(
    "broken",
    [
        {"temp2_input": OSError},
        {"temp2_input": "N/A"},
        {"temp2_input": 40000, "temp2_fault": 1},
        {"fan7_input": OSError},
        {"fan7_input": ""},
    ],
)
def test_a_sensor_that_cannot_be_read_is_left_out_alone(
    tmp_path: Path, broken: dict[str, object]
) -> None:
    files(tmp_path, "class/hwmon/hwmon0", NVME | broken)
    files(tmp_path, "class/hwmon/hwmon1", {"name": "fan", "fan1_input": 900})
    assert section(tmp_path) == Sensors(
        [Temperature("nvme Composite", 38.85, 84.85)], [Fan("fan", 900)], None
    )


@pytest.mark.parametrize(
    ("broken", "row"),
    [
        ({"temp1_crit": OSError}, Temperature("nvme Composite", 38.85)),
        ({"temp1_crit": 65261850}, Temperature("nvme Composite", 38.85)),
        ({"temp1_label": OSError}, Temperature("nvme", 38.85, 84.85)),
        ({"temp1_label": b"Comp\xffsite\n"}, Temperature("nvme Comp\ufffdsite", 38.85, 84.85)),
        ({"name": OSError}, Temperature("hwmon0 Composite", 38.85, 84.85)),
        ({"temp1_fault": 0}, Temperature("nvme Composite", 38.85, 84.85)),
    ],
)
def test_a_broken_file_beside_a_sensor_costs_no_more_than_itself(
    tmp_path: Path, broken: dict[str, object], row: Temperature
) -> None:
    files(tmp_path, "class/hwmon/hwmon0", NVME | broken)
    assert section(tmp_path).temperatures == [row]


def test_the_files_of_old_drivers_are_one_level_below(tmp_path: Path) -> None:
    files(tmp_path, "class/hwmon/hwmon0/device", {"temp1_input": 45000, "fan1_input": 700})
    (tmp_path / "class/hwmon/hwmon0/name").write_text("w83627\n")
    assert section(tmp_path) == Sensors([Temperature("w83627", 45)], [Fan("w83627", 700)], None)


def test_the_sensors_of_the_processor_are_found_outside_the_class_once(tmp_path: Path) -> None:
    core = {"name": "coretemp", "temp2_input": 50000, "temp2_label": "Core 0"}
    files(tmp_path, "devices/platform/coretemp.0/hwmon/hwmon3", core)
    expected = [Temperature("coretemp Core 0", 50)]
    assert section(tmp_path).temperatures == expected
    (tmp_path / "class/hwmon").mkdir(parents=True)
    os.symlink(
        tmp_path / "devices/platform/coretemp.0/hwmon/hwmon3", tmp_path / "class/hwmon/hwmon3"
    )
    assert section(tmp_path).temperatures == expected


ZONE = {
    "type": "cpu-thermal",
    "temp": 47000,
    "trip_point_0_type": "passive",
    "trip_point_0_temp": 70000,
    "trip_point_1_type": "critical",
    "trip_point_1_temp": 90000,
}


def test_a_machine_without_other_temperatures_has_those_of_its_thermal_zones(
    tmp_path: Path,
) -> None:
    files(tmp_path, "class/thermal/thermal_zone0", ZONE)
    files(tmp_path, "class/thermal/thermal_zone1", ZONE | {"temp": OSError})
    files(tmp_path, "class/thermal/thermal_zone2", {"temp": 30000, "trip_point_0_type": OSError})
    assert section(tmp_path).temperatures == [
        Temperature("cpu-thermal", 47, 90),
        Temperature("thermal_zone2", 30),
    ]
    files(tmp_path, "class/hwmon/hwmon0", NVME)
    assert section(tmp_path).temperatures == [Temperature("nvme Composite", 38.85, 84.85)]


def test_thermal_zones_stand_in_for_temperatures_that_cannot_be_true(tmp_path: Path) -> None:
    files(tmp_path, "class/thermal/thermal_zone0", ZONE)
    files(tmp_path, "class/hwmon/hwmon0", NVME | {"temp1_input": 65261850})
    assert section(tmp_path).temperatures == [Temperature("cpu-thermal", 47, 90)]


def test_without_power_supplies_the_temperatures_stand(tmp_path: Path) -> None:
    files(tmp_path, "class/hwmon/hwmon0", NVME)
    assert section(tmp_path).battery is None
    files(tmp_path, "class/power_supply/BAT0", {"type": "Battery", "capacity": 81})
    assert section(tmp_path).battery == Battery(81, None, None)
    assert len(section(tmp_path).temperatures) == 1


def test_a_machine_without_anything_in_sys_has_no_section(tmp_path: Path) -> None:
    assert compute(sys_sensors(str(tmp_path))) is None


def test_a_machine_without_sensors_has_no_section() -> None:
    assert compute(SensorReadings({}, {}, None)) is None
    assert SensorsCollector(lambda: SensorReadings({}, {}, None)).read(0.0) is None


def test_functions_that_psutil_lacks_on_a_system_are_skipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("sensors_temperatures", "sensors_fans", "sensors_battery"):
        monkeypatch.delattr(psutil, name, raising=False)
    assert psutil_sensors() == SensorReadings({}, {}, None)
