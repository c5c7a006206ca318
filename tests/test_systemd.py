"""The messages to systemd, with a fake socket and with real ones."""

import errno
import logging
import os
import socket
from pathlib import Path

import pytest

from doubles.systemd import FED, PID, WATCHDOG, NotifierHarness
from nodnod_agent.core.membership.roster import Roster
from nodnod_agent.core.membership.table import MembershipTable
from nodnod_agent.systemd import (
    CHECK_INTERVAL,
    MAX_UNSENT,
    RETRY_DELAY,
    NotifySocket,
    SystemdNotifier,
    node_counts,
)
from nodnod_client.address import Address
from nodnod_client.messages import MemberEntry
from simulation.clock import FakeClock

FULL = BlockingIOError(errno.EAGAIN, "full")


@pytest.fixture
def systemd() -> NotifierHarness:
    harness = NotifierHarness()
    harness.ready()
    return harness


@pytest.fixture
def watched() -> NotifierHarness:
    harness = NotifierHarness(**WATCHDOG)
    harness.ready()
    return harness


def test_nothing_is_sent_before_the_agent_is_ready() -> None:
    systemd = NotifierHarness(**WATCHDOG)

    systemd.run(60)
    with systemd.notifier.reloading():
        pass
    assert systemd.messages == []
    systemd.notifier.ready()

    assert systemd.messages == ["READY=1\nSTATUS=fine", *FED]


def test_without_systemd_nothing_is_sent() -> None:
    systemd = NotifierHarness(path="", **WATCHDOG)

    systemd.ready()
    with systemd.notifier.reloading():
        pass
    systemd.run(60)
    systemd.notifier.stopping()
    systemd.notifier.close()

    assert systemd.socket.address == ""
    assert systemd.messages == []


@pytest.mark.parametrize("path", ["notify", "vsock:2:1234", " "])
def test_an_unsupported_address_is_logged(path: str, caplog: pytest.LogCaptureFixture) -> None:
    systemd = NotifierHarness(path=path)
    systemd.ready()

    assert systemd.socket.address == ""
    assert f"NOTIFY_SOCKET: expected a path or @name, got {path!r}" in caplog.messages


# Status.


def test_the_status_is_sent_again_only_when_it_changes(systemd: NotifierHarness) -> None:
    systemd.run(5)
    assert systemd.messages == []

    systemd.status = "worse"
    systemd.run(5)

    assert systemd.messages == ["STATUS=worse"]


def test_the_status_counts_all_nodes_and_those_that_are_down() -> None:
    own = MemberEntry("kyle", "127.0.0.1:7070", "1", 1)
    roster = Roster(MembershipTable(own, lambda: 0.0))
    assert node_counts(roster) == "nodes: 1, down: 0"

    roster.add(Address("127.0.0.1", 7071), configured=True)

    assert node_counts(roster) == "nodes: 2, down: 1"


# Watchdog.


@pytest.mark.parametrize("pid", [{"WATCHDOG_PID": str(PID)}, {"WATCHDOG_PID": ""}, {}])
def test_the_watchdog_is_fed_twice_per_timeout(pid: dict[str, str]) -> None:
    systemd = NotifierHarness(WATCHDOG_USEC="30000000", **pid)
    systemd.ready()

    systemd.run(14)
    assert systemd.messages == []
    systemd.run(1)
    assert systemd.messages == FED
    systemd.run(15)
    assert systemd.messages == FED


@pytest.mark.parametrize(
    "watchdog",
    [
        {},
        {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"},
        *({"WATCHDOG_USEC": text} for text in ("", "0", "-5", "soon", "٣")),
    ],
)
def test_an_absent_invalid_or_foreign_watchdog_is_not_fed(watchdog: dict[str, str]) -> None:
    systemd = NotifierHarness(**watchdog)
    systemd.ready()

    systemd.run(120)

    assert systemd.messages == []


def test_without_samples_the_watchdog_is_not_fed_and_the_reason_is_logged_until_the_next_one(
    watched: NotifierHarness, caplog: pytest.LogCaptureFixture
) -> None:
    watched.clock.advance(61.0)

    # At 15 s the newest sample is not yet old enough.
    assert watched.messages == [
        "WATCHDOG=1",
        "STATUS=no sample of this machine for 30 s",
        "STATUS=no sample of this machine for 45 s",
        "STATUS=no sample of this machine for 60 s",
    ]
    assert caplog.messages == [
        "No sample of this machine for 30 s; the watchdog will end the agent"
    ]
    watched.sample()
    assert watched.messages == ["WATCHDOG=1", "STATUS=fine"]


def test_a_repeated_sample_does_not_feed_the_watchdog(watched: NotifierHarness) -> None:
    for _ in range(60):
        watched.clock.advance(1.0)
        watched.notifier.sampled(float(watched.samples))

    assert watched.messages.count("WATCHDOG=1") == 1


def test_a_long_sample_interval_is_not_a_silence() -> None:
    systemd = NotifierHarness(interval=60.0, **WATCHDOG)
    systemd.ready()

    systemd.clock.advance(59.0)
    systemd.sample()
    systemd.clock.advance(59.0)

    assert systemd.messages == FED * 7


def test_without_a_watchdog_a_silence_is_reported_too(
    systemd: NotifierHarness, caplog: pytest.LogCaptureFixture
) -> None:
    systemd.clock.advance(2 * CHECK_INTERVAL)

    assert systemd.messages == ["STATUS=no sample of this machine for 20 s"]
    assert caplog.messages == ["No sample of this machine for 20 s"]


# Reload and stop.


def test_a_reload_has_a_start_with_a_timestamp_and_an_end(systemd: NotifierHarness) -> None:
    systemd.monotonic = 12_345_678

    with systemd.notifier.reloading():
        start = "RELOADING=1\nMONOTONIC_USEC=12345\nSTATUS=reading the settings again"
        assert systemd.messages == [start]
        systemd.status = "other"

    assert systemd.messages == ["READY=1\nSTATUS=other"]


def test_a_reload_that_fails_has_an_end_too(systemd: NotifierHarness) -> None:
    with pytest.raises(ZeroDivisionError), systemd.notifier.reloading():
        raise ZeroDivisionError

    assert systemd.messages[-1] == "READY=1\nSTATUS=fine"


def test_nothing_is_sent_after_the_agent_reports_that_it_stops(watched: NotifierHarness) -> None:
    watched.notifier.stopping()
    assert watched.messages == ["STOPPING=1\nSTATUS=stopping"]

    watched.status = "gone"
    watched.run(60)
    with watched.notifier.reloading():
        pass
    watched.notifier.close()
    assert watched.messages == []
    assert watched.socket.closed


# A socket without room, or without a reader.


def test_messages_without_room_are_dropped_at_the_end_even_before_the_agent_is_ready() -> None:
    systemd = NotifierHarness()
    systemd.socket.error = FULL
    systemd.notifier.stopping()

    systemd.notifier.close()
    systemd.socket.error = None
    systemd.run(3)

    assert systemd.messages == []


def test_messages_without_room_are_sent_later_in_order() -> None:
    systemd = NotifierHarness()
    systemd.sample()
    systemd.socket.error = FULL
    systemd.notifier.ready()
    systemd.status = "worse"
    systemd.run(3)
    assert systemd.messages == []

    systemd.socket.error = None
    systemd.clock.advance(RETRY_DELAY)

    assert systemd.messages == ["READY=1\nSTATUS=fine", "STATUS=worse"]


def test_queued_messages_are_bounded_and_the_newest_is_kept(systemd: NotifierHarness) -> None:
    systemd.socket.error = FULL
    for number in range(100):
        systemd.status = str(number)
        systemd.sample()

    systemd.socket.error = None
    systemd.clock.advance(RETRY_DELAY)

    messages = systemd.messages
    assert (len(messages), messages[-1]) == (MAX_UNSENT, "STATUS=99")


def test_a_watchdog_message_is_not_queued_twice(watched: NotifierHarness) -> None:
    watched.socket.error = FULL
    watched.run(60)

    watched.socket.error = None
    watched.clock.advance(RETRY_DELAY)

    assert watched.messages == FED


def test_a_refused_message_is_logged_once_and_sending_goes_on(
    watched: NotifierHarness, caplog: pytest.LogCaptureFixture
) -> None:
    watched.socket.error = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    watched.run(60)
    assert caplog.messages == ["Cannot notify the service manager: Connection refused"]
    assert caplog.records[0].levelno == logging.WARNING

    watched.socket.error = None
    watched.run(15)
    assert watched.messages == FED


def test_a_socket_that_cannot_be_created_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail(address: str) -> NotifySocket:
        raise OSError(errno.EMFILE, "Too many open files")

    notifier = SystemdNotifier(
        {"NOTIFY_SOCKET": "/run/notify"}, FakeClock(), str, interval=1.0, connect=fail
    )

    notifier.ready()
    assert caplog.messages == ["Cannot notify the service manager: Too many open files"]


# Real sockets.


@pytest.mark.parametrize("name", ["{directory}/notify", "@nodnod-{pid}"])
def test_messages_arrive_at_a_real_socket(name: str, tmp_path: Path) -> None:
    name = name.format(directory=tmp_path, pid=os.getpid())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(name.replace("@", "\0"))
        systemd.settimeout(10)
        notifier = SystemdNotifier({"NOTIFY_SOCKET": name}, FakeClock(), lambda: "é", interval=1.0)

        notifier.ready()

        assert systemd.recv(4096) == "READY=1\nSTATUS=é".encode()
        notifier.close()


def test_sending_never_waits_for_the_reader_of_a_real_socket(tmp_path: Path) -> None:
    clock, path, status = FakeClock(), str(tmp_path / "notify"), 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        systemd.settimeout(10)
        notifier = SystemdNotifier(
            {"NOTIFY_SOCKET": path}, clock, lambda: str(status), interval=1.0
        )
        notifier.ready()

        for status in range(1, 10_000):
            notifier.sampled(float(status))
        message = ""
        while message != f"STATUS={status}":
            message = systemd.recv(4096).decode()
            clock.advance(RETRY_DELAY)

        notifier.close()
