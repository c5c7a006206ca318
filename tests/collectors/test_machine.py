import logging
from typing import Any

import msgspec
import pytest

from nodnod_agent.collectors.machine import Collectors, Machine, Moment, collectors_here, moment
from nodnod_agent.collectors.on_demand import LATER
from nodnod_client.messages import SECTIONS
from nodnod_client.sections import SHAPES, Cpu, Filesystem, Load, Memory, NetworkIo

CPU = Cpu(12.5, 10, 2.5, 0, 0, [12.5], None)
MEMORY = Memory(1000, 250, 750, 0, 0, 0, 0)
DISK = Filesystem("/", "/dev/sda", "ext4", 200, 50, 150, 1.0, counted=True)
NET = {"eth0": NetworkIo(10, 20, 1, 0, 0), "docker0": NetworkIo(7, 7, 1, 0, 0)}


class Fixed:
    """A reading that gives the same every time, or raises it."""

    def __init__(self, value: Any = None) -> None:
        self.value = value
        self.forgotten = 0
        self.moments: list[float] = []

    def read(self, now: float) -> Any:
        self.moments.append(now)
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    def refresh(self) -> None:
        pass

    def hardware(self) -> list[str]:
        return ["eth0"]

    def forget(self) -> None:
        self.forgotten += 1
        if isinstance(self.value, Exception):
            raise self.value


def machine(**values: Any) -> Machine:
    fixed = {
        "cpu": CPU,
        "memory": MEMORY,
        "load": Load(0.5, 0.4, 0.3),
        "filesystems": [DISK],
        "network": NET,
    } | values
    names = [name for name in Collectors._fields if name != "costly"]
    costly = {name: Fixed(fixed.get(name)) for name in ("processes", "sensors", "gpu")}
    return Machine(Collectors(*(Fixed(fixed.get(name)) for name in names), costly))  # type: ignore[arg-type]


NOW = Moment(10.0, 20.0, 1700000000.0)


def test_a_sample_carries_the_numbers_the_sections_and_the_series() -> None:
    sample = machine().take(NOW)
    assert (sample.time, sample.clock, sample.error) == (1700000000.0, 20.0, "")
    assert (sample.cpu_used, sample.memory_total, sample.memory_used) == (12.5, 1000, 250)
    assert (sample.disk_total, sample.disk_used) == (200, 50)
    assert sample.series == {
        "cpuUsed": 12.5,
        "memoryUsedPercent": 25.0,
        "diskUsedPercent": 25.0,
        "recvBytes": 10,
        "sentBytes": 20,
        "load1": 0.5,
    }
    assert sample.sections["load"] == b'{"load1":0.5,"load5":0.4,"load15":0.3}'


def test_a_section_that_the_machine_lacks_is_null_and_no_error() -> None:
    sample = machine().take(NOW)
    assert sample.sections["pressure"] == sample.sections["diskio"] == b"null"
    assert sample.error == ""


def test_a_section_that_raises_is_an_error_alone_and_the_rest_stand() -> None:
    sample = machine(diskio=OSError(5, "Input/output error")).take(NOW)
    error = msgspec.json.decode(sample.sections.pop("diskio"))
    assert error == {"error": "OSError: [Errno 5] Input/output error"}
    assert sample.sections == {
        name: encoded for name, encoded in machine().take(NOW).sections.items() if name != "diskio"
    }
    assert sample.error == "", "the node's own numbers are whole"


def test_a_failure_that_costs_one_of_the_nodes_numbers_is_named() -> None:
    sample = machine(memory=ValueError("no MemTotal")).take(NOW)
    assert sample.error == "memory: ValueError: no MemTotal"
    assert (sample.memory_total, sample.cpu_used) == (0, 12.5)
    assert "memoryUsedPercent" not in sample.series


def test_a_counted_disk_that_never_answered_is_named() -> None:
    stuck = Filesystem("/data", "/dev/sdb", "xfs", 0, 0, 0, None, True, stuck_since=1.0)
    sample = machine(filesystems=[DISK, stuck]).take(NOW)
    assert (sample.error, sample.disk_total) == ("disk: /data does not answer", 200)


def test_what_has_no_value_yet_is_not_in_the_series() -> None:
    sample = machine(network={}, filesystems=[], load=None).take(NOW)
    assert sample.series.keys() == {"cpuUsed", "memoryUsedPercent"}


def test_an_endless_error_text_is_cut() -> None:
    sample = machine(load=ValueError("x" * 10_000)).take(NOW)
    assert len(sample.sections["load"]) < 250


def test_failures_are_counted_and_logged_once_until_they_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    here = machine(load=ValueError("odd"))
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            here.take(NOW)
        here._readings.load.value = None  # type: ignore[attr-defined]
        here.take(NOW)
    assert here.timings()["load"].failures == 3
    assert here.timings()["cpu"].failures == 0
    assert [record.message for record in caplog.records] == [
        "cannot read the load section: ValueError: odd",
        "the load section can be read again",
    ]


def test_costly_sections_are_taken_only_when_named() -> None:
    here = machine(processes={"count": 1})
    assert "processes" not in here.take(NOW).sections
    assert here.take_costly(["processes", "gpu"], 1.0) == {
        "processes": b'{"count":1}',
        "gpu": b"null",
    }


def test_a_costly_section_that_needs_a_second_look_is_missing_from_the_first() -> None:
    assert machine(processes=LATER).take_costly(["processes", "sensors"], 1.0) == {
        "sensors": b"null"
    }


def test_a_costly_section_that_cannot_be_let_go_of_harms_nothing() -> None:
    here = machine(gpu=RuntimeError("driver gone"))
    here.forget("gpu")
    assert here.timings().keys() == {*Collectors._fields, "processes", "sensors", "gpu"} - {
        "costly"
    }


def test_this_machine_gives_every_section_in_its_shape() -> None:
    here = Machine(collectors_here("1.2.3"))
    sections = dict(here.take(moment()).sections)
    sections |= here.take_costly(SHAPES.keys() - sections.keys(), 1.0)
    sections |= here.take_costly(["processes"], 2.0)
    here.stop()
    assert sections.keys() == SHAPES.keys()
    for name, shape in SHAPES.items():
        value = msgspec.json.decode(sections[name])
        assert value is None or "error" not in value, (name, value)
        msgspec.convert(value, shape | None)


def test_the_wall_clock_jumping_by_an_hour_changes_no_rate() -> None:
    here = machine()
    here.take(Moment(10.0, 20.0, 1700000000.0))
    sample = here.take(Moment(11.0, 21.0, 1700003601.0))
    assert here._readings.network.moments == [10.0, 11.0]  # type: ignore[attr-defined]
    assert (sample.clock, sample.time) == (21.0, 1700003601.0)


def test_the_clock_of_a_moment_is_at_least_the_monotonic_one() -> None:
    now = moment()
    assert now.clock >= now.mono - 0.1


def test_the_shapes_are_those_of_the_sections_that_a_request_may_name() -> None:
    assert SHAPES.keys() == SECTIONS
