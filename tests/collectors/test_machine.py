import logging
import os
import sys
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest

from nodnod_agent.collectors.kernel_files import KernelFile
from nodnod_agent.collectors.machine import Collectors, Machine, open_collectors
from nodnod_agent.collectors.moment import Moment, moment
from nodnod_agent.collectors.processes import NotReady
from nodnod_client.sections import (
    EXPENSIVE,
    SECTIONS,
    SHAPES,
    Cpu,
    DiskIo,
    Filesystem,
    Load,
    Memory,
    NetworkIo,
    Pressure,
    Stall,
)

NOW = Moment(10.0, 20.0, 1700000000.0)
DISK = Filesystem("/", "/dev/sda", "ext4", 200, 50, 150, 1.0, counted=True)
SECTION_VALUES = {
    "cpu": Cpu(12.5, 10, 2.5, 0, 0, [12.5], None),
    "memory": Memory(1000, 250, 750, 0, 0, 0, 0),
    "load": Load(0.5, 0.4, 0.3),
    "filesystems": [DISK],
    "network": {"eth0": NetworkIo(10, 20, 1, 0, 0), "docker0": NetworkIo(7, 7, 1, 0, 0)},
    "diskio": {
        "sda": DiskIo(10, 20, 1, 1, 5),
        "sdb": DiskIo(20, 20, 1, 1, 5),
        "dm-0": DiskIo(9, 9, 1, 1, 5),
    },
    "pressure": Pressure(Stall(25.0, 0.0), None, Stall(0.0, 0.0)),
}


class FakeCollector:
    """Returns the same value at every reading, or raises it."""

    def __init__(self, value: Any = None) -> None:
        self.value = value
        self.times: list[float] = []

    def read(self, now: float) -> Any:
        self.times.append(now)
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    def refresh(self) -> None:
        pass

    def uplinks(self) -> list[str]:
        return ["eth0"]

    def stacked(self) -> list[str]:
        return ["dm-0"]

    def reset(self) -> None:
        self.read(0.0)


def fakes(**values: Any) -> Collectors:
    values = SECTION_VALUES | values
    return Collectors(*(FakeCollector(values.get(name)) for name in Collectors._fields))  # type: ignore[arg-type]


def machine(**values: Any) -> Machine:
    return Machine(fakes(**values))


def test_a_sample_has_the_numbers_the_sections_and_the_series() -> None:
    sample = machine().sample(NOW)
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
        "readBytes": 30,
        "writeBytes": 40,
        "cpuPressure": 25.0,
        "ioPressure": 0.0,
        "cpuUser": 10,
        "cpuSystem": 2.5,
        "cpuIowait": 0,
        "cpuSteal": 0,
    }
    assert sample.sections["load"] == b'{"load1":0.5,"load5":0.4,"load15":0.3}'


def test_a_section_that_the_machine_lacks_is_null() -> None:
    sample = machine(pressure=None, diskio=None).sample(NOW)
    assert sample.sections["pressure"] == sample.sections["diskio"] == b"null"


def test_a_section_that_raises_is_an_error_beside_the_other_sections() -> None:
    sample = machine(diskio=OSError(5, "Input/output error")).sample(NOW)
    error = msgspec.json.decode(sample.sections.pop("diskio"))
    assert error == {"error": "OSError: [Errno 5] Input/output error"}
    assert sample.sections == {
        name: encoded
        for name, encoded in machine().sample(NOW).sections.items()
        if name != "diskio"
    }
    assert sample.error == "", "the numbers of the node are complete"


def test_the_failure_of_a_required_section_is_an_error_of_the_node() -> None:
    sample = machine(memory=ValueError("no MemTotal")).sample(NOW)
    assert sample.error == "memory: ValueError: no MemTotal"
    assert (sample.memory_total, sample.cpu_used) == (0, 12.5)
    assert "memoryUsedPercent" not in sample.series


def test_a_counted_disk_that_never_answered_is_an_error_of_the_node() -> None:
    stuck = Filesystem("/data", "/dev/sdb", "xfs", 0, 0, 0, None, True, stuck_since=1.0)
    sample = machine(filesystems=[DISK, stuck]).sample(NOW)
    assert (sample.error, sample.disk_total) == ("disk: /data does not answer", 200)


def test_a_series_without_a_value_is_left_out() -> None:
    limited = Cpu(12.5, 10, 2.5, None, None, [], None)
    lacking = machine(cpu=limited, network={}, filesystems=[], load=None, diskio={}, pressure=None)
    sample = lacking.sample(NOW)
    assert sample.series.keys() == {"cpuUsed", "cpuUser", "cpuSystem", "memoryUsedPercent"}


def test_a_long_error_text_is_cut() -> None:
    sample = machine(load=ValueError("x" * 10_000)).sample(NOW)
    assert len(sample.sections["load"]) < 250


def test_failures_are_counted_and_logged_once_until_they_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    collectors = fakes(load=ValueError("odd"))
    here = Machine(collectors)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            here.sample(NOW)
        collectors.load.value = None  # type: ignore[attr-defined]
        here.sample(NOW)
    assert here.timings()["load"].failures == 3
    assert here.timings()["cpu"].failures == 0
    assert [record.message for record in caplog.records] == [
        "cannot read the load section: ValueError: odd",
        "the load section can be read again",
    ]


def test_expensive_sections_are_read_only_by_name() -> None:
    here = machine(processes={"count": 1})
    assert not here.sample(NOW).sections.keys() & EXPENSIVE
    sections = here.read_expensive(["processes", "gpu"], 1.0)
    assert sections == {"processes": b'{"count":1}', "gpu": b"null"}


def test_a_section_can_be_read_for_a_pattern() -> None:
    class Matching(FakeCollector):
        def read_matching(self, pattern: str, now: float) -> Any:
            return [pattern, now]

    collectors = fakes()._replace(processes=Matching({"count": 1}))  # type: ignore[arg-type]
    sections = Machine(collectors).read_expensive(["processes", "processes?match=x?"], 1.0)
    assert sections == {"processes": b'{"count":1}', "processes?match=x?": b'["x?",1.0]'}


def test_a_section_that_needs_a_second_reading_is_absent_after_the_first() -> None:
    here = machine(processes=NotReady())
    assert here.read_expensive(["processes", "sensors"], 1.0) == {"sensors": b"null"}


def test_a_section_that_cannot_be_reset_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    here = machine(gpu=RuntimeError("driver gone"))
    here.reset("gpu")
    assert "cannot release the gpu section: driver gone" in caplog.text
    assert here.timings().keys() == SECTIONS


@pytest.mark.parametrize("proc", [True, False])
@pytest.mark.filterwarnings("ignore::RuntimeWarning:psutil")
def test_this_machine_has_every_section_in_its_shape(
    monkeypatch: pytest.MonkeyPatch, proc: bool
) -> None:
    if not proc:  # as on a system where psutil is the only source
        monkeypatch.setattr(KernelFile, "__init__", Mock(side_effect=FileNotFoundError))
        exists = os.path.exists
        monkeypatch.setattr(os.path, "exists", lambda p: p != "/proc/self/stat" and exists(p))
    here = Machine(open_collectors("1.2.3"))
    sections = dict(here.sample(moment()).sections)
    sections |= here.read_expensive(EXPENSIVE, 1.0)
    sections |= here.read_expensive(["processes", "containers"], 2.0)
    here.stop()
    assert sections.keys() == SECTIONS
    for name, shape in SHAPES.items():
        value = msgspec.json.decode(sections[name])
        assert value is None or "error" not in value, (name, value)
        msgspec.convert(value, shape | None)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_limits_that_cannot_be_read_are_an_error_of_the_node_until_they_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here, read = Machine(open_collectors("1.2.3")), KernelFile.read

    def fail(file: KernelFile) -> bytes:
        if file._path.endswith("mountinfo"):
            raise OSError(5, "Input/output error")
        return read(file)

    monkeypatch.setattr(KernelFile, "read", fail)
    sample = here.sample(moment())
    here.stop()
    assert "cpu: OSError: [Errno 5]" in sample.error
    assert "memory: OSError: [Errno 5]" in sample.error
    monkeypatch.undo()
    assert here.sample(moment()).error == ""


def test_rates_use_the_monotonic_clock_and_not_the_wall_clock() -> None:
    collectors = fakes()
    here = Machine(collectors)
    here.sample(Moment(10.0, 20.0, 1700000000.0))
    sample = here.sample(Moment(11.0, 21.0, 1700003601.0))
    assert collectors.network.times == [10.0, 11.0]  # type: ignore[attr-defined]
    assert (sample.clock, sample.time) == (21.0, 1700003601.0)


def test_the_suspend_clock_is_not_behind_the_monotonic_one() -> None:
    now = moment()
    assert now.clock >= now.mono - 0.1
