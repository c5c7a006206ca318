import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nodnod_agent.collectors.battery import BatteryReading, read_battery

Supply = dict[str, object]
Read = Callable[..., BatteryReading | None]

# A ThinkPad that runs on its battery, and a mouse that is connected to it.
BAT0: Supply = {
    "type": "Battery",
    "status": "Discharging",
    "present": 1,
    "energy_now": 20_000_000,
    "energy_full": 50_000_000,
    "power_now": 10_000_000,
    "capacity": 39,
}
AC: Supply = {"type": "Mains", "online": 0}
MOUSE: Supply = {"type": "Battery", "scope": "Device", "status": "Discharging", "capacity": 5}


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """The battery among supplies: a file for each property, or a folder for one that cannot be read."""

    def read(**supplies: Supply) -> BatteryReading | None:
        for name, properties in supplies.items():
            directory = tmp_path / name
            directory.mkdir()
            for file, value in properties.items():
                if value is OSError:
                    (directory / file).mkdir()
                else:
                    (directory / file).write_text(f"{value}\n")
        found = read_battery(str(tmp_path))
        shutil.rmtree(tmp_path)
        return found

    return read


def test_a_laptop_without_mains_has_two_hours_left(read: Read) -> None:
    assert read(AC=AC, BAT0=BAT0) == BatteryReading(40.0, 7200, power_plugged=False)


def test_a_battery_that_counts_charge_is_read_as_one_that_counts_energy(read: Read) -> None:
    names = {"energy_now": "charge_now", "energy_full": "charge_full", "power_now": "current_now"}
    charge = {names.get(name, name): value for name, value in BAT0.items()}
    charge["current_now"] = -10_000_000
    assert read(BAT0=charge) == BatteryReading(40.0, 7200, power_plugged=False)


def test_a_battery_without_counters_has_a_capacity_and_a_time(read: Read) -> None:
    battery: Supply = {"type": "Battery", "capacity": 39, "time_to_empty_now": 3600}
    assert read(BAT0=battery) == BatteryReading(39, 3600, power_plugged=None)


def test_on_mains_no_time_is_left(read: Read) -> None:
    assert read(ADP1=AC | {"online": 1}, BAT0=BAT0) == BatteryReading(40.0, None, True)


@pytest.mark.parametrize(
    ("status", "plugged"),
    [("Charging", True), ("Full", True), ("Discharging", False), ("Unknown", None)],
)
def test_without_a_mains_adapter_the_status_tells_whether_it_is_plugged_in(
    read: Read, status: str, plugged: bool | None
) -> None:
    found = read(BAT0=BAT0 | {"status": status})
    assert found is not None
    assert found.power_plugged is plugged


def test_the_battery_of_a_mouse_is_not_that_of_the_machine(read: Read) -> None:
    assert read(hidpp_battery_0=MOUSE, AC=AC) is None


def test_a_battery_is_found_behind_that_of_a_mouse(read: Read) -> None:
    own = BAT0 | {"scope": "System"}
    assert read(**{"a-mouse-battery": MOUSE, "macsmc-battery": own}) == BatteryReading(
        40.0, 7200, power_plugged=False
    )


@pytest.mark.parametrize(
    "broken",
    [
        {"energy_full": OSError},
        {"energy_full": 0},
        {"energy_now": 51_000_000},  # charged beyond what the battery believes to hold
        {"energy_now": -1},
        {"energy_now": "n/a"},
    ],
)
def test_a_counter_that_cannot_be_true_is_passed_over_for_the_capacity(
    read: Read, broken: Supply
) -> None:
    found = read(BAT0=BAT0 | broken)
    assert found is not None
    assert found.percent == 39


@pytest.mark.parametrize(
    "broken",
    [
        {"present": 0},
        {"energy_now": OSError, "capacity": OSError},
        {"energy_now": 0, "energy_full": 0, "capacity": 255},
    ],
)
def test_a_battery_without_a_charge_is_passed_over_for_the_next(read: Read, broken: Supply) -> None:
    assert read(BAT0=BAT0 | broken, BAT1=BAT0) == BatteryReading(40.0, 7200, power_plugged=False)


def test_a_battery_whose_type_cannot_be_read_is_known_by_its_name(read: Read) -> None:
    assert read(BAT0=BAT0 | {"type": OSError}, usb=AC | {"type": OSError}) is not None


def test_a_kernel_without_power_supplies_has_no_battery(tmp_path: Path) -> None:
    assert read_battery(str(tmp_path / "none")) is None
    assert read_battery(str(tmp_path)) is None
