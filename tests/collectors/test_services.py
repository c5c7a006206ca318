"""The services of systemd: units in trouble over a bus, and numbers from control groups."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from doubles.fake_bus import FakeBus, Unit
from nodnod_agent.collectors import services
from nodnod_agent.collectors.processes import NotReady
from nodnod_agent.collectors.service_groups import GroupUse, ServiceGroups
from nodnod_agent.collectors.services import TOP, ServicesCollector, service_uses
from nodnod_agent.collectors.systemd_units import MAX_PROBLEMS, SLOW_START
from nodnod_client.sections import ServiceProblem, Services, ServiceUse

WHEN = 1.7e9


def unit(
    name: str, active: str = "active", sub: str = "running", *, since: float = WHEN, **more: Any
) -> Unit:
    stamp = ("t", int(since * 1e6))
    known = {
        "InactiveEnterTimestamp": stamp,
        "InactiveExitTimestamp": stamp,
        "Result": ("s", "exit-code"),
        "NRestarts": ("u", 0),
        "ExecMainCode": ("i", 1),
        "ExecMainStatus": ("i", 1),
    }
    return name, active, sub, {key: one for key, one in (known | more).items() if one}


def failed(name: str, **more: Any) -> Unit:
    return unit(name, "failed", "failed", **more)


class FakeGroups:
    """Control groups that each use ten CPU seconds more at every reading."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.readings = 0

    def read(self) -> dict[str, GroupUse]:
        self.readings += 1
        return {
            name: GroupUse(10.0 * place * self.readings, 100 - place)
            for place, name in enumerate(self.names)
        }


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeBus]:
    with FakeBus(monkeypatch, tmp_path) as bus:
        yield bus


@pytest.fixture
def collector() -> Iterator[ServicesCollector]:
    groups = FakeGroups("a.service", "b.service")
    collector = ServicesCollector(
        booted=lambda: True,
        find_groups=lambda: groups,  # type: ignore[arg-type,return-value]
    )
    assert isinstance(collector.read(100.0), NotReady)
    yield collector
    collector.reset()


def read(collector: ServicesCollector, now: float = 110.0) -> Services:
    section = collector.read(now)
    assert isinstance(section, Services)
    return section


def test_a_failed_unit_has_its_result_and_the_last_exit_status(
    bus: FakeBus, collector: ServicesCollector
) -> None:
    bus.units = [unit("fine.service"), failed("web.service", NRestarts=("u", 5))]

    section = read(collector)

    row = ServiceProblem("web.service", "failed", WHEN, "exit-code", 5, 1, None)
    assert (section.count, section.failed, section.problems) == (2, 1, [row])
    assert section.error is UNSET


@pytest.mark.parametrize(
    ("code", "status", "ended"),
    [(1, 3, (3, None)), (2, 9, (None, 9)), (3, 11, (None, 11)), (0, 0, (None, None))],
)
def test_a_main_process_ends_by_itself_or_by_a_signal_or_never_was(
    bus: FakeBus,
    collector: ServicesCollector,
    code: int,
    status: int,
    ended: tuple[int | None, int | None],
) -> None:
    bus.units = [failed("x.service", ExecMainCode=("i", code), ExecMainStatus=("i", status))]
    (row,) = read(collector).problems
    assert (row.exit_status, row.signal) == ended


@pytest.mark.parametrize("sub", ["auto-restart", "auto-restart-queued"])
def test_a_unit_that_waits_for_its_restart_is_listed_at_once(
    bus: FakeBus, collector: ServicesCollector, sub: str
) -> None:
    bus.units = [unit("loop.service", "activating", sub, since=time.time(), NRestarts=("u", 77))]
    (row,) = read(collector).problems
    assert (row.state, row.restarts) == (sub, 77)


def test_a_unit_that_starts_is_listed_once_it_takes_long(
    bus: FakeBus, collector: ServicesCollector
) -> None:
    now = time.time()
    bus.units = [
        unit("slow.service", "activating", "start-pre", since=now - SLOW_START - 5),
        unit("soon.service", "activating", "start", since=now),
    ]
    section = read(collector)
    assert [(row.name, row.state) for row in section.problems] == [("slow.service", "start-pre")]
    assert section.failed == 0


def test_a_unit_that_never_was_in_the_state_has_no_time(
    bus: FakeBus, collector: ServicesCollector
) -> None:
    bus.units = [failed("x.service", since=0)]
    assert read(collector).problems[0].since is None


def test_a_unit_that_goes_meanwhile_is_an_error_of_its_own_row(
    bus: FakeBus, collector: ServicesCollector
) -> None:
    bus.units = [failed("gone.service", Result=None), failed("web.service")]

    gone, web = read(collector).problems

    assert gone.error == "org.freedesktop.DBus.Error.UnknownObject: Unknown object '/unit/0'."
    assert (gone.name, gone.state, gone.since) == ("gone.service", "failed", None)
    assert web.error is UNSET


def test_a_unit_that_stays_as_it_is_is_described_once(
    bus: FakeBus, collector: ServicesCollector
) -> None:
    bus.units = [failed("web.service")]
    first = read(collector, 110.0)
    bus.calls.clear()
    assert read(collector, 111.0).problems == first.problems
    assert [body[1] for method, body in bus.calls if method == "Get"] == ["InactiveEnterTimestamp"]

    bus.units = [failed("web.service", since=WHEN + 60, Result=("s", "timeout"))]
    (row,) = read(collector, 112.0).problems
    assert (row.since, row.result) == (WHEN + 60, "timeout")
    bus.units = []
    assert read(collector, 113.0).problems == []


def test_all_failed_units_are_counted_and_some_described(
    bus: FakeBus, collector: ServicesCollector
) -> None:
    late = unit("a.service", "activating", "auto-restart")
    bus.units = [late, *(failed(f"{n:03}\x1b[2J.service") for n in range(300))]
    section = read(collector)
    assert (section.count, section.failed) == (301, 300)
    assert [row.name for row in section.problems] == [
        f"{n:03}\x1b[2J.service" for n in range(MAX_PROBLEMS)
    ]


def test_the_connection_is_kept_until_nobody_asks(
    bus: FakeBus, collector: ServicesCollector
) -> None:
    for now in (110.0, 111.0, 112.0):
        read(collector, now)
    assert bus.connections == 1
    everything = [body for method, body in bus.calls if body and body[0] == []]
    assert len(everything) == 1, "all units are counted more rarely"

    collector.reset()
    collector.read(120.0)
    read(collector, 121.0)
    assert bus.connections == 2


def test_a_connection_that_ends_is_an_error_once(
    bus: FakeBus, collector: ServicesCollector
) -> None:
    read(collector)
    bus.drop()
    assert str(read(collector, 111.0).error).startswith("systemd: ")
    assert read(collector, 112.0).error is UNSET


# Something else than a bus. The numbers of the control groups stand alone.


def alone(section: Services) -> str:
    """The error of a section without units."""
    assert (section.count, section.failed, section.problems) == (None, None, [])
    assert [row.name for row in section.by_cpu] == ["b.service", "a.service"]
    return str(section.error)


@pytest.mark.parametrize("greeting", [b"", b"OK 00\r\n"])
def test_a_silent_bus_is_not_waited_for_and_not_asked_again_at_once(
    bus: FakeBus,
    collector: ServicesCollector,
    monkeypatch: pytest.MonkeyPatch,
    greeting: bytes,
) -> None:
    monkeypatch.setattr(services, "DEADLINE", 0.05)
    bus.greeting, bus.silent = greeting, True

    errors = {alone(read(collector, now)) for now in (110.0, 111.0)}
    assert errors == {"systemd: no answer within 0.05 s; asked again after 5 s"}
    assert bus.connections == 1

    bus.greeting, bus.silent = b"OK 00\r\n", False
    monkeypatch.setattr(services, "DEADLINE", 10.0)
    assert read(collector, 111.0 + services.RETRY).error is UNSET


def test_no_bus_at_all_is_said(
    collector: ServicesCollector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    assert alone(read(collector)) == "systemd: [Errno 2] No such file or directory"


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n<html>", "no D-Bus"),
        (b"REJECTED EXTERNAL\r\n", "no D-Bus"),
        (b"x" * 10_000, "no D-Bus"),
    ],
)
def test_what_is_no_bus_is_named(
    bus: FakeBus, collector: ServicesCollector, greeting: bytes, words: str
) -> None:
    bus.greeting = greeting
    assert words in alone(read(collector))


@pytest.mark.parametrize("broken", [b"<html>" * 100, b"l\x02\x01\x01" + b"\xff" * 12])
def test_a_broken_message_is_an_error(
    bus: FakeBus,
    collector: ServicesCollector,
    broken: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(services, "DEADLINE", 0.5)
    bus.alter = lambda _: broken
    assert alone(read(collector)).startswith("systemd: ")


def test_without_control_groups_the_units_stand_alone(bus: FakeBus) -> None:
    def find_groups() -> ServiceGroups:
        raise PermissionError(13, "Permission denied")

    bus.units = [failed("x.service")]
    collector = ServicesCollector(booted=lambda: True, find_groups=find_groups)
    collector.read(100.0)
    section = read(collector)
    collector.reset()
    assert (section.failed, section.by_cpu, section.by_memory) == (1, [], [])
    assert section.error == "control groups: [Errno 13] Permission denied"


def test_a_machine_without_systemd_has_no_section() -> None:
    collector = ServicesCollector(booted=lambda: False)
    assert collector.read(100.0) is None
    collector.reset()


def test_an_agent_that_is_not_asked_for_services_does_not_load_the_library() -> None:
    code = "import sys, nodnod_agent.daemon, nodnod_agent.collectors.machine as machine; "
    code += "machine.open_collectors(); print('jeepney' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


# What the services use.


def test_cpu_is_percent_of_one_core_and_unknown_for_a_new_service() -> None:
    before = {"a": GroupUse(10.0, 1), "b": GroupUse(50.0, 1), "c": GroupUse(None, 1)}
    after = {"a": GroupUse(15.0, 2), "b": GroupUse(1.0, 3), "c": GroupUse(2.0, 4)}
    after["d"] = GroupUse(99.0, None)
    assert service_uses(before, after, 2.0) == [
        ServiceUse("a", 250.0, 2),
        ServiceUse("b", 0.0, 3),  # restarted
        ServiceUse("c", None, 4),
        ServiceUse("d", None, None),
    ]


def test_the_top_ten_services_are_sorted_by_each_number(bus: FakeBus) -> None:
    groups = FakeGroups(*map(str, range(30)))
    collector = ServicesCollector(
        booted=lambda: True,
        find_groups=lambda: groups,  # type: ignore[arg-type,return-value]
    )
    collector.read(100.0)
    section = read(collector)
    collector.reset()
    assert [row.name for row in section.by_cpu] == [str(n) for n in range(29, 29 - TOP, -1)]
    assert [row.name for row in section.by_memory] == [str(n) for n in range(TOP)]
    assert section.by_cpu[0] == ServiceUse("29", 2900.0, 71)
