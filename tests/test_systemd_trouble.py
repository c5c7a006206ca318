"""A manager that does not listen, and real sockets."""

import errno
import logging
import os
import socket
from pathlib import Path

import pytest

from doubles.systemd import FED, WATCHED, Manager, Run
from nodnod_agent.systemd import RETRY, UNSENT, SystemdNotifier
from simulation.clock import FakeClock

# -- a manager that does not listen ----------------------------------------------------------------


def test_what_the_manager_has_no_room_for_is_said_later_in_its_order() -> None:
    run = Run()
    run.sample()
    run.manager.trouble = BlockingIOError(errno.EAGAIN, "full")
    run.supervisor.ready()
    run.status = "worse"
    run.live(3)
    assert run.take == []

    run.manager.trouble = None
    run.clock.advance(RETRY)

    assert run.take == ["READY=1\nSTATUS=fine", "STATUS=worse"]


def test_what_waits_for_room_is_bounded_and_the_newest_stays() -> None:
    run = Run()
    run.ready()
    run.manager.trouble = BlockingIOError(errno.EAGAIN, "full")
    for number in range(100):
        run.status = str(number)
        run.sample()

    run.manager.trouble = None
    run.clock.advance(RETRY)

    said = run.take
    assert (len(said), said[-1]) == (UNSENT, "STATUS=99")


def test_a_watchdog_that_cannot_be_fed_is_not_fed_twice_later() -> None:
    run = Run(**WATCHED)
    run.ready()
    run.manager.trouble = BlockingIOError(errno.EAGAIN, "full")
    run.live(60)

    run.manager.trouble = None
    run.clock.advance(RETRY)

    assert run.take == FED


def test_a_manager_that_is_gone_is_complained_of_once_and_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = Run(**WATCHED)
    run.ready()
    run.manager.trouble = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    run.live(60)
    assert caplog.messages == ["Cannot tell the service manager: Connection refused"]
    assert caplog.records[0].levelno == logging.WARNING

    run.manager.trouble = None
    run.live(15)
    assert run.take == FED


def test_a_socket_that_cannot_be_made_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def none_left(address: str) -> Manager:
        raise OSError(errno.EMFILE, "Too many open files")

    supervisor = SystemdNotifier(
        {"NOTIFY_SOCKET": "/run/notify"}, FakeClock(), str, interval=1.0, mouth=none_left
    )

    supervisor.ready()
    assert caplog.messages == ["Cannot tell the service manager: Too many open files"]


# -- real sockets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_messages_arrive_at_a_real_socket(kind: str, tmp_path: Path) -> None:
    name = f"@nodnod-{os.getpid()}" if kind == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0"))
        manager.settimeout(10)
        supervisor = SystemdNotifier(
            {"NOTIFY_SOCKET": name}, FakeClock(), lambda: "é", interval=1.0
        )

        supervisor.ready()

        assert manager.recv(4096) == "READY=1\nSTATUS=é".encode()
        supervisor.close()


def test_a_real_socket_that_nobody_reads_is_waited_for_by_nobody(tmp_path: Path) -> None:
    clock, path, said = FakeClock(), str(tmp_path / "notify"), 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(10)
        supervisor = SystemdNotifier(
            {"NOTIFY_SOCKET": path}, clock, lambda: str(said), interval=1.0
        )
        supervisor.ready()

        for said in range(1, 10_000):
            supervisor.sampled(float(said))
        seen = ""
        while seen != f"STATUS={said}":
            seen = manager.recv(4096).decode()
            clock.advance(RETRY)

        supervisor.close()
