"""``nodnod demo``: starts, shows, and leaves nothing behind."""

import contextlib
import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from doubles.command import command, read_until

FIRST_PORT = 20000 + os.getpid() * 101 % 10000
"""Of our own, so that suites that run at the same time do not take each other's ports."""

SCRIPT = Path(__file__).parent.parent / "doubles" / "fake_agent.py"


def start(
    count: int, *flags: str, terminal: int | None = None, real: bool = False
) -> AbstractContextManager[subprocess.Popen[str]]:
    """Run the demo with light agents, or with the real ones."""
    agents = "demo.AGENT" if real else f"[sys.executable, {str(SCRIPT)!r}, *{flags!r}]"
    code = (
        "import sys; from nodnod_agent.console import demo, main;"
        "demo.PLAIN_INTERVAL = 0.2;"
        f"run = lambda args: demo.demonstrate({count}, {agents}, {FIRST_PORT});"
        "main.COMMANDS = (demo.COMMAND._replace(run=run),);"
        "sys.exit(main.main(['demo']))"
    )
    if terminal is None:
        return command(["-c", code])
    # A session whose terminal this is: to close it is to hang up.
    owning = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    return command(
        ["-c", owning + code],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )


def agents_of(text: str) -> list[psutil.Process]:
    processes = []
    for pid in re.findall(r"process (\d+)", text):
        with contextlib.suppress(psutil.NoSuchProcess):
            processes.append(psutil.Process(int(pid)))
    return processes


def assert_all_gone(processes: list[psutil.Process]) -> None:
    gone, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive
    assert gone


def test_real_agents_see_each_other_and_end_with_the_demo() -> None:
    with start(2, real=True) as process:
        text = read_until(process, "answered by")
        agents = agents_of(text)
        assert len(agents) == 2
        assert "All agents see each other." in text
        assert re.search(r"^cartman .*%", text, re.MULTILINE)
        assert re.search(r"^kenny .*%", text, re.MULTILINE)
        assert "2 nodes · answered by kenny" in text
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        assert process.returncode == 0
        assert err == ""
    assert_all_gone(agents)


def test_the_hints_say_how_to_ask() -> None:
    with start(2) as process:
        text = read_until(process, "Ctrl-C")
        address = re.findall(r"cartman +(\S+)", text)[0]
        assert f"stat --server {address} --watch 1" in text
        assert f"examples/dial.py --server {address}" in text
        assert f"ws://{address}/" in text
        process.send_signal(signal.SIGTERM)
        process.communicate()
        assert process.returncode == 0


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_process_is_left_whatever_ends_the_demo(stop: signal.Signals) -> None:
    with start(2, real=stop is signal.SIGKILL) as process:
        agents = agents_of(read_until(process, "Ctrl-C"))
        assert len(agents) == 2
        process.send_signal(stop)
        process.communicate()
        assert process.returncode == (0 if stop is not signal.SIGKILL else -signal.SIGKILL)
    assert_all_gone(agents)


def test_an_agent_that_does_not_start_ends_the_demo_and_shows_its_log() -> None:
    with start(2, "--dies") as process:
        _, err = process.communicate()
        assert process.returncode == 3
    assert "did not start: exit status 4" in err
    assert "no such disk" in err
    assert "Traceback" not in err


def test_the_demo_goes_on_when_an_agent_is_killed() -> None:
    with start(2) as process:
        text = read_until(process, "answered by")
        agents_of(text)[0].kill()
        assert process.stderr is not None
        assert process.stderr.readline() == "nodnod: kenny has ended: signal SIGKILL\n"
        assert "answered by cartman" in read_until(process, "answered by cartman")
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.returncode == 0


def test_the_demo_ends_when_no_agent_is_left() -> None:
    with start(1) as process:
        text = read_until(process, "answered by")
        agents_of(text)[0].kill()
        _, err = process.communicate()
        assert process.returncode == 3
    assert "all agents have ended" in err


# On a terminal


def read_terminal(master: int, words: bytes) -> str:
    seen = b""
    while words not in seen:
        seen += os.read(master, 4096)
    return seen.decode(errors="replace")


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    master, slave = pty.openpty()
    yield master, slave  # the slave is closed by the test, so that the end of the demo is seen
    with contextlib.suppress(OSError):
        os.close(master)


def test_on_a_terminal_the_table_is_redrawn_in_place(terminal: tuple[int, int]) -> None:
    master, slave = terminal
    with start(2, terminal=slave) as process:
        os.close(slave)
        text = read_terminal(master, b"answered by")
        assert "node at 127.0.0.1" in text
        again = read_terminal(master, b"answered by")
        assert "\x1b[1A" in again  # up, over what stands there
        os.write(master, b"\x03")
        assert process.wait() == 0
        assert "\x1b[?25h" in read_terminal(master, b"\x1b[?25h")  # the cursor is back


def test_a_terminal_that_hangs_up_ends_all(terminal: tuple[int, int]) -> None:
    master, slave = terminal
    with start(2, terminal=slave) as process:
        os.close(slave)
        agents = agents_of(read_terminal(master, b"answered by"))
        assert len(agents) == 2
        os.close(master)
        assert process.wait() == 0
    assert_all_gone(agents)
