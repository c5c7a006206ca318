"""``nodnod demo``: starts, shows, and leaves nothing behind."""

import contextlib
import fcntl
import os
import pty
import re
import signal
import subprocess
import sys
import termios
from pathlib import Path

import psutil
import pytest

SCRIPT = Path(__file__).parent.parent / "doubles" / "fake_agent.py"


def start(
    count: int, *flags: str, terminal: int | None = None, real: bool = False
) -> subprocess.Popen[str]:
    """Run the demo with light agents, or with the real ones."""
    agents = "" if real else f", [sys.executable, {str(SCRIPT)!r}, *{flags!r}]"
    code = (
        "import sys; from nodnod_agent.console import demo, main;"
        "demo.PLAIN_EVERY = 0.2;"
        f"demo.run = lambda args: demo.demonstrate({count}{agents});"
        "demo.COMMAND = demo.COMMAND._replace(run=demo.run);"
        "main.COMMANDS = (demo.COMMAND,);"
        "sys.exit(main.main(['demo']))"
    )
    options: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if terminal is not None:
        # A session whose terminal this is: to close it is to hang up.
        options = {
            "stdin": terminal,
            "stdout": terminal,
            "stderr": terminal,
            "start_new_session": True,
            "preexec_fn": lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        }
    return subprocess.Popen([sys.executable, "-c", code], text=True, **options)  # type: ignore[call-overload, no-any-return]


def agents_of(text: str) -> list[psutil.Process]:
    processes = []
    for pid in re.findall(r"process (\d+)", text):
        with contextlib.suppress(psutil.NoSuchProcess):
            processes.append(psutil.Process(int(pid)))
    return processes


def read_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout is not None
    text = ""
    while words not in text:
        line = process.stdout.readline()
        assert line, f"ended early: {text}"
        text += line
    return text


def assert_all_gone(processes: list[psutil.Process]) -> None:
    gone, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive
    assert gone


def test_real_agents_see_each_other_and_end_with_the_demo() -> None:
    process = start(2, real=True)
    text = read_until(process, "answered by")
    agents = agents_of(text)
    assert len(agents) == 2
    assert "All see all." in text
    assert re.search(r"^cartman .*%", text, re.MULTILINE)
    assert re.search(r"^kenny .*%", text, re.MULTILINE)
    assert "2 nodes · answered by kenny" in text
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert err == ""
    assert_all_gone(agents)


def test_the_hints_say_how_to_ask(tmp_path: Path) -> None:
    process = start(2)
    text = read_until(process, "Ctrl-C")
    address = re.findall(r"cartman +(\S+)", text)[0]
    assert f"stat --server {address} --watch 1" in text
    assert f"examples/dial.py --server {address}" in text
    assert f"ws://{address}/" in text
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_process_is_left_whatever_ends_the_demo(stop: signal.Signals) -> None:
    process = start(2, real=stop is signal.SIGKILL)
    agents = agents_of(read_until(process, "Ctrl-C"))
    assert len(agents) == 2
    process.send_signal(stop)
    process.communicate(timeout=20)
    assert process.returncode == (0 if stop is not signal.SIGKILL else -signal.SIGKILL)
    assert_all_gone(agents)


def test_an_agent_that_does_not_start_ends_the_demo_and_shows_its_log() -> None:
    process = start(2, "--dies")
    _, err = process.communicate(timeout=20)
    assert process.returncode == 3
    assert "did not start: exit status 4" in err
    assert err.count("no such disk") >= 1
    assert "Traceback" not in err


def test_the_demo_goes_on_when_an_agent_is_killed() -> None:
    process = start(2)
    text = read_until(process, "answered by")
    first = agents_of(text)[0]
    first.kill()
    assert process.stderr is not None
    assert process.stderr.readline() == "nodnod: kenny has ended: signal SIGKILL\n"
    assert "answered by cartman" in read_until(process, "answered by")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_without_agents_there_is_nothing_left_to_show() -> None:
    process = start(1)
    text = read_until(process, "answered by")
    agents_of(text)[0].kill()
    _, err = process.communicate(timeout=20)
    assert process.returncode == 3
    assert "no agent is left" in err


# On a terminal


def read_terminal(master: int, words: bytes) -> str:
    seen = b""
    while words not in seen:
        seen += os.read(master, 4096)
    return seen.decode(errors="replace")


def test_on_a_terminal_the_table_is_redrawn_in_place() -> None:
    master, slave = pty.openpty()
    process = start(2, terminal=slave)
    os.close(slave)
    text = read_terminal(master, b"answered by")
    assert "node at 127.0.0.1" in text
    again = read_terminal(master, b"answered by")
    assert "\x1b[1A" in again  # up, over what stands there
    os.write(master, b"\x03")
    assert process.wait(20) == 0
    rest = os.read(master, 4096).decode(errors="replace")
    assert "\x1b[?25h" in rest  # the cursor is back
    os.close(master)
    assert_all_gone(agents_of(text)) if agents_of(text) else None


def test_a_terminal_that_hangs_up_ends_all() -> None:
    master, slave = pty.openpty()
    process = start(2, terminal=slave)
    os.close(slave)
    text = read_terminal(master, b"answered by")
    agents = agents_of(text)
    assert len(agents) == 2
    os.close(master)
    assert process.wait(20) == 0
    assert_all_gone(agents)
