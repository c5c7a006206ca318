"""Agents as child processes, of which none is left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from doubles.command import command, read_until
from nodnod_agent.console import local_cluster as module
from nodnod_agent.console.local_cluster import LocalAgent, free_addresses, local_cluster, name_of
from nodnod_client.sync import SyncClient

FAKE = (sys.executable, str(Path(__file__).parent.parent / "doubles" / "fake_agent.py"))
FIRST_PORT = 10000 + os.getpid() * 101 % 10000
"""Differs between processes, so that suites that run at the same time use different ports."""

PATIENCE = 30.0


def wait_for_log(agent: LocalAgent, line: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while line not in agent.log():
        assert agent.end == "", f"{agent.end}: {agent.log()}"
        assert time.monotonic() < deadline, agent.log()
        time.sleep(0.01)


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


def test_the_agents_of_a_local_cluster_know_each_other(tmp_path: Path) -> None:
    addresses = free_addresses(2, FIRST_PORT)
    with local_cluster(addresses, tmp_path, FAKE) as agents:
        for agent in agents:
            wait_for_log(agent, "listening")
            with SyncClient(str(agent.address)) as client:
                answer = client.stat_all()
            assert answer.host == agent.name
            assert set(answer.nodes) == {f"node at {address}" for address in addresses}
            assert agent.end == ""


def test_agents_that_ignore_sigterm_are_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_TIMEOUT", 0.2)
    with local_cluster(free_addresses(2, FIRST_PORT), tmp_path, (*FAKE, "--deaf")) as agents:
        for agent in agents:
            wait_for_log(agent, "listening")
    assert [agent.end for agent in agents] == ["signal SIGKILL"] * 2


def test_an_exception_ends_all_agents(tmp_path: Path) -> None:
    addresses = free_addresses(2, FIRST_PORT)
    with pytest.raises(KeyboardInterrupt), local_cluster(addresses, tmp_path, FAKE) as agents:
        raise KeyboardInterrupt
    assert all(agent.end for agent in agents)


def test_the_exit_status_and_the_log_of_an_agent_are_kept(tmp_path: Path) -> None:
    with local_cluster(free_addresses(1, FIRST_PORT), tmp_path, (*FAKE, "--dies")) as (agent,):
        agent.process.wait(20)
        assert agent.end == "exit status 4"
        assert agent.log() == "no such disk\n"


def test_a_command_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    addresses = free_addresses(1)
    with pytest.raises(FileNotFoundError), local_cluster(addresses, tmp_path, ("/nowhere",)):
        pass


def test_agents_do_not_inherit_our_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODNOD_NAME", "ours")
    code = "import os; print(sorted(k for k in os.environ if 'NODNOD' in k))"
    show = (sys.executable, "-c", code)
    with local_cluster(free_addresses(1, FIRST_PORT), tmp_path, show) as (agent,):
        agent.process.wait(20)
        assert agent.log() == "[]\n"


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


def test_real_agents_end_when_their_starter_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path;"
        "from nodnod_agent.console.local_cluster import free_addresses, local_cluster;"
        f"cluster = local_cluster(free_addresses(2, {FIRST_PORT}), Path(sys.argv[1]));"
        "agents = cluster.__enter__();"
        "print(*[agent.process.pid for agent in agents], flush=True); time.sleep(60)"
    )
    with command(["-c", code, str(tmp_path)]) as starter:
        assert starter.stdout is not None
        children = [psutil.Process(int(pid)) for pid in starter.stdout.readline().split()]
        assert len(children) == 2
        starter.kill()
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert len(gone) == 2, f"still running: {alive}"
