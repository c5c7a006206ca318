"""The soak itself, for some seconds: it ends well and leaves no process behind."""

import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from doubles.command import command, read_until
from eventually import eventually

SCRIPT = Path(__file__).parents[2] / "bench" / "soak.py"
AGENTS = 4


def soak(seconds: float, *flags: str) -> AbstractContextManager[subprocess.Popen[str]]:
    size = ("--seed", "5", "--agents", str(AGENTS))
    return command([str(SCRIPT), "--seconds", str(seconds), *size, *flags])


def children(process: subprocess.Popen[str]) -> list[psutil.Process]:
    found = psutil.Process(process.pid).children(recursive=True)
    assert len(found) == AGENTS
    return found


def test_a_short_soak_ends_with_its_verdict() -> None:
    with soak(1.1, "--push") as process:
        out, err = process.communicate()
    lines = out.splitlines()
    assert (process.returncode, err) == (0, ""), out
    assert "wrong 0" in lines
    assert lines[-1] == "verdict: well"
    assert f"seed 5, push, {AGENTS} agents, 1 faults" in out


def test_ctrl_c_ends_it_with_the_verdict_so_far_and_no_process_left() -> None:
    with soak(60) as process:
        read_until(process, "all agree")
        agents = children(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, err) == (0, ""), out
    assert out.splitlines()[-1] == "verdict: well, so far"
    assert [agent for agent in agents if agent.is_running()] == []


@pytest.mark.skipif(sys.platform != "linux", reason="a death signal is Linux's alone")
async def test_no_agent_outlives_a_killed_soak_not_even_a_frozen_one() -> None:
    with soak(60) as process:
        read_until(process, "all agree")
        agents = children(process)
        agents[0].suspend()
        # The kernel wakes those that have stopped when their parent ends, not those about to stop.
        await eventually(lambda: agents[0].status() == psutil.STATUS_STOPPED)
        process.kill()
    _, alive = psutil.wait_procs(agents, timeout=10)
    assert alive == []


@pytest.mark.parametrize("flags", [["--agents", "3"], ["--seconds", "0"]])
def test_an_impossible_soak_is_refused(flags: list[str]) -> None:
    with command([str(SCRIPT), *flags]) as process:
        process.communicate()
    assert process.returncode == 2
