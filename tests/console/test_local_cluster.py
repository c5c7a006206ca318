"""Agents as child processes, of which none is left behind."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from doubles.command import command, read_until
from eventually import eventually
from nodnod_agent.console import local_cluster as module
from nodnod_agent.console.local_cluster import free_addresses, local_cluster, name_of

FAKE = (sys.executable, str(Path(__file__).parent.parent / "doubles" / "fake_agent.py"))
FIRST_PORT = 10000 + os.getpid() * 101 % 10000
"""Differs between processes, so that suites that run at the same time use different ports."""


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


async def test_agents_that_ignore_sigterm_are_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_TIMEOUT", 0.2)
    with local_cluster(free_addresses(2, FIRST_PORT), tmp_path, (*FAKE, "--deaf")) as agents:
        await eventually(lambda: all(agent.log() == "listening\n" for agent in agents))
        assert [agent.end for agent in agents] == ["", ""]
    assert [agent.end for agent in agents] == ["signal SIGKILL"] * 2


def test_agents_do_not_inherit_our_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODNOD_NAME", "ours")
    code = "import os; print(sorted(k for k in os.environ if 'NODNOD' in k))"
    show = (sys.executable, "-c", code)
    with local_cluster(free_addresses(1, FIRST_PORT), tmp_path, show) as (agent,):
        agent.process.wait(20)
        assert (agent.end, agent.log()) == ("exit status 0", "[]\n")


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
