"""Agents as child processes, and none left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from doubles.command import command, read_until
from nodnod_agent.console import local_cluster as fleet_module
from nodnod_agent.console.local_cluster import LocalCluster, free_addresses, name_of
from nodnod_client.sync import SyncClient

SCRIPT = Path(__file__).parent.parent / "doubles" / "fake_agent.py"
FAKE = (sys.executable, str(SCRIPT))
FIRST_PORT = 10000 + os.getpid() * 101 % 10000
"""Of our own, so that suites that run at the same time do not take each other's ports."""

PATIENCE = 30.0


@pytest.fixture
def listener() -> Iterator[Callable[[int], None]]:
    sockets: list[socket.socket] = []

    def listen(port: int) -> None:
        server = socket.create_server(("127.0.0.1", port))
        sockets.append(server)

    yield listen
    for server in sockets:
        server.close()


def wait_for_log(member: fleet_module.LocalAgent, line: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while line not in member.log():
        assert member.end == "", f"{member.end}: {member.log()}"
        assert time.monotonic() < deadline, member.log()
        time.sleep(0.01)


def test_free_addresses_leave_out_ports_in_use(listener: Callable[[int], None]) -> None:
    before = [address.port for address in free_addresses(3, FIRST_PORT)]
    listener(before[1])
    after = [address.port for address in free_addresses(3, FIRST_PORT)]
    assert after[0] == before[0]
    assert before[1] not in after
    assert len(set(after)) == 3


def test_too_few_free_ports_are_an_error() -> None:
    with pytest.raises(OSError, match="no 3 free ports from 65535 on"):
        free_addresses(3, 65535)


def test_every_agent_has_a_name_of_its_own() -> None:
    assert len({name_of(index) for index in range(100)}) == 100


def test_a_fleet_is_agents_that_know_each_other(tmp_path: Path) -> None:
    addresses = free_addresses(2, FIRST_PORT)
    with LocalCluster(addresses, tmp_path, FAKE) as fleet:
        for member in fleet.members:
            wait_for_log(member, "listening")
            with SyncClient(str(member.address)) as client:
                answer = client.stat_all()
            assert answer.host == member.name
            assert set(answer.nodes) == {f"node at {address}" for address in addresses}
            assert member.end == ""


def test_leaving_ends_all_even_the_deaf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_module, "PATIENCE", 0.2)
    with LocalCluster(free_addresses(2, FIRST_PORT), tmp_path, (*FAKE, "--deaf")) as fleet:
        for member in fleet.members:
            wait_for_log(member, "listening")
    assert [member.end for member in fleet.members] == ["signal SIGKILL"] * 2


def test_leaving_by_an_error_ends_all(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        LocalCluster(free_addresses(2, FIRST_PORT), tmp_path, FAKE) as fleet,
    ):
        raise KeyboardInterrupt
    assert all(member.end for member in fleet.members)


def test_the_end_of_an_agent_is_told_in_words(tmp_path: Path) -> None:
    with LocalCluster(free_addresses(1, FIRST_PORT), tmp_path, (*FAKE, "--dies")) as fleet:
        (member,) = fleet.members
        member.process.wait(20)
        assert member.end == "exit status 4"
        assert member.log() == "no such disk\n"


def test_a_command_that_does_not_exist_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), LocalCluster(free_addresses(1), tmp_path, ("/nowhere",)):
        pass


def test_agents_do_not_see_our_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODNOD_NAME", "ours")
    show = (
        sys.executable,
        "-c",
        "import os; print(sorted(k for k in os.environ if 'NODNOD' in k))",
    )
    with LocalCluster(free_addresses(1, FIRST_PORT), tmp_path, show) as fleet:
        fleet.members[0].process.wait(20)
        assert fleet.members[0].log() == "[]\n"


# The leash


def leashed(body: str) -> AbstractContextManager[subprocess.Popen[str]]:
    code = (
        "import signal, time; from nodnod_agent.console.parent_watchdog import hold;"
        f"{body}; hold(0, patience=0.05); print('held', flush=True); time.sleep(60)"
    )
    return command(["-c", code], stdin=subprocess.PIPE)


@pytest.mark.parametrize(
    ("body", "end"),
    [
        ("pass", signal.SIGTERM),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", signal.SIGKILL),
    ],
)
def test_a_leashed_process_ends_with_its_stdin(body: str, end: signal.Signals) -> None:
    with leashed(body) as process:
        read_until(process, "held")
        assert process.stdin is not None
        process.stdin.write("still here\n")
        process.stdin.flush()
        assert process.poll() is None
        process.stdin.close()
        assert process.wait() == -end


def test_real_agents_do_not_outlive_a_starter_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path;"
        "from nodnod_agent.console.local_cluster import LocalCluster, free_addresses;"
        f"fleet = LocalCluster(free_addresses(2, {FIRST_PORT}), Path(sys.argv[1])).__enter__();"
        "print(*[member.process.pid for member in fleet.members], flush=True); time.sleep(60)"
    )
    with command(["-c", code, str(tmp_path)]) as starter:
        assert starter.stdout is not None
        children = [psutil.Process(int(pid)) for pid in starter.stdout.readline().split()]
        assert len(children) == 2
        starter.kill()
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert len(gone) == 2, f"still there: {alive}"
