"""The history of a real agent over its restarts, and on disks that are full or read-only."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import pytest

from bench.harness.agents import Agent, Agents
from collectors import private_mounts
from eventually import eventually
from live.asking import ask

INTERVAL = 0.25
FILE = "history-cartman"
POINTS = 8


@pytest.fixture
def directory() -> Iterator[Path]:
    """In memory if possible: a busy disk may take longer for a write than the end of an agent may."""
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with TemporaryDirectory(dir=memory) as path:
        yield Path(path)


def begin(agents: Agents, directory: Path, **options: Any) -> Agent:
    settings = {"interval": INTERVAL, "state": {"directory": str(directory)}}
    return agents.start("cartman", settings=settings, **options)


async def past(agent: Agent) -> dict[str, Any]:
    node = (await ask(agent, {"history": 600}))["nodes"]["cartman"]
    history: dict[str, Any] = node["history"]
    return history


async def filled(agent: Agent) -> dict[str, Any]:
    """The history, once it has some points."""

    async def look() -> bool:
        return len((await past(agent))["cpuUsed"]) >= POINTS

    await eventually(look)
    return await past(agent)


def warnings(agent: Agent) -> list[str]:
    lines = agent.log().splitlines()
    return [line.partition(" WARNING ")[2] for line in lines if " WARNING " in line]


async def test_an_agent_that_was_restarted_still_has_its_past_and_a_hole(
    agents: Agents, directory: Path
) -> None:
    cartman = begin(agents, directory)
    before = await filled(cartman)
    assert await cartman.stopped() == 0
    ended = monotonic()
    assert (directory / FILE).stat().st_mode & 0o777 == 0o600

    await eventually(lambda: monotonic() - ended > 4 * INTERVAL)  # the hole that is tested
    await cartman.restart()

    after = await past(cartman)
    count = len(before["memoryUsedPercent"])
    assert after["memoryUsedPercent"][:count] == before["memoryUsedPercent"]
    assert after["every"] == before["every"]
    assert None in after["cpuUsed"][count:]
    assert after["cpuUsed"][-1] is not None
    newest = after["end"] - before["end"]
    assert newest == pytest.approx((len(after["cpuUsed"]) - count) * INTERVAL, abs=3 * INTERVAL)
    assert warnings(cartman) == []


async def test_an_agent_that_was_killed_or_finds_half_a_file_starts_all_the_same(
    agents: Agents, directory: Path
) -> None:
    cartman = begin(agents, directory)
    await filled(cartman)
    await cartman.stopped()
    whole = (directory / FILE).read_bytes()
    (directory / FILE).write_bytes(whole[: len(whole) // 2])
    await cartman.restart()

    assert len(warnings(cartman)) == 1
    assert "which is set aside as history-cartman.bad: it is cut off" in warnings(cartman)[0]

    cartman.signal(signal.SIGKILL)
    await cartman.exited()
    assert not (directory / FILE).exists()
    (directory / FILE).write_bytes(whole)
    await cartman.restart()
    assert len((await past(cartman))["cpuUsed"]) >= POINTS


ON_A_DISK = """
import os, sys
sys.path.insert(0, sys.argv[1])
from collectors.private_mounts import enter, mount
enter()
mount("tmpfs", sys.argv[2], "tmpfs", int(sys.argv[3]), sys.argv[4])
if sys.argv[4]:
    with open(f"{sys.argv[2]}/full", "wb") as file:
        file.write(bytes(4096))
os.execv(sys.argv[5], sys.argv[5:])
"""
READ_ONLY = 1


@pytest.mark.parametrize(
    ("flags", "options", "why"),
    [(0, "size=4k", "No space left on device"), (READ_ONLY, "", "Read-only file system")],
    ids=["full", "read-only"],
)
async def test_a_disk_that_takes_nothing_is_one_warning_and_delays_neither_start_nor_end(
    agents: Agents, tmp_path: Path, flags: int, options: str, why: str
) -> None:
    private_mounts.run("pass")  # skips the test where there can be no mounts
    disk = tmp_path / "disk"
    disk.mkdir()
    tests = str(Path(__file__).parent.parent)
    prefix = [sys.executable, "-c", ON_A_DISK, tests, str(disk), str(flags), options]
    cartman = begin(agents, disk, prefix=prefix)
    await filled(cartman)

    assert await cartman.stopped(within=2) == 0

    expected = f"Cannot keep the history in {disk / FILE}: {why}"
    assert warnings(cartman) == [expected]
    assert "Traceback" not in cartman.log()
