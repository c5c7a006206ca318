"""A real agent on a machine with a mount that answers, then does not, then does again.

The mount is a FUSE file system in a mount table of its own. A separate process runs the agents,
serves the file system, asks the agents, and prints what it has seen.
"""

import json
from typing import Any

import pytest

from collectors import private_mounts
from eventually import SLACK

PROGRAM = """
import asyncio, json, os
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from time import monotonic, time

from doubles.v1_client import V1Client
from bench.harness.agents import Agents
from eventually import SLACK
from live.fuse import Fuse
from live.manager import Manager

REQUESTS = 200


async def main():
    fuse = Fuse()
    fuse.answer()
    directory = Path(mkdtemp())
    with Manager(directory, watchdog=0.5) as manager, Agents(directory) as agents:
        os.environ.update(manager.environment)
        cartman, kenny = await agents.cluster("cartman", "kenny", settings={"interval": 0.25})
        async with V1Client(cartman.address) as client, V1Client(cartman.address) as viewer:
            print(json.dumps(await look(fuse, manager, cartman, kenny, client, viewer)))


async def look(fuse, manager, cartman, kenny, client, viewer):
    "Ask the agents while the mount answers, while it does not, and after that."

    async def mine(fits, node="cartman"):
        "The first row of the mount that fits."
        while True:
            ((answer,), now) = await viewer.receive(within=15), time()
            rows = answer["nodes"][node]["detail"]["filesystems"]
            for row in rows:
                if row["mount"] == fuse.point and fits(row):
                    return row | {"seen": now, "rows": len(rows)}

    async def latency():
        "Of stats, median and most, and for comparison the median of members, asked in turn."
        stats, members = [], []
        for _ in range(REQUESTS):
            for type_, took in ((1, stats), (3, members)):
                asked = monotonic()
                await client.ask(type_)
                took.append(monotonic() - asked)
        return median(stats), max(stats), median(members)

    await viewer.send({"type": 1, "detail": ["filesystems"], "every": 0.25, "id": "s"})
    well = await mine(lambda row: True)
    quick = await latency()
    fuse.stop_answering()
    silent = time()
    stuck = await mine(lambda row: "stuckSince" in row)
    slow = await latency()
    threads = []
    for _ in range(6):
        await mine(lambda row: True)
        threads.append(threads_of(cartman))
    await mine(lambda row: "stuckSince" in row, "kenny")
    status = await kenny.stopped(within=2.0 + SLACK)
    manager.discard()
    fed = [await manager.until("WATCHDOG") for _ in range(8)]
    fuse.blocks = 2000
    fuse.answer()
    again = await mine(lambda row: "stuckSince" not in row and row["total"] != well["total"])
    return {
        "well": well, "quick": quick, "silent": silent, "stuck": stuck, "slow": slow,
        "threads": threads, "again": again, "after": threads_of(cartman), "exit": status,
        "watchdog": len(fed),
    }


def threads_of(agent):
    status = Path(f"/proc/{agent.pid}/status").read_text()
    return int(status.partition("Threads:")[2].split()[0])


asyncio.run(main())
"""


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """What one run of the program has seen, for all tests."""
    private_mounts.need_fuse()
    done = private_mounts.run(PROGRAM, timeout=60)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_a_mount_that_answers_is_listed_with_its_numbers(seen: dict[str, Any]) -> None:
    well = seen["well"]

    assert (well["total"], well["used"], well["free"]) == (4096 * 1000, 4096 * 500, 4096 * 500)
    assert (well["type"], well["inodesUsedPercent"], well["counted"]) == ("fuse", 25.0, False)
    assert "stuckSince" not in well


def test_a_stuck_mount_keeps_its_numbers_and_says_since_when(
    seen: dict[str, Any],
) -> None:
    well, stuck = seen["well"], seen["stuck"]

    assert seen["silent"] - 1 <= stuck["stuckSince"] <= stuck["seen"] - 2
    for field in ("total", "used", "free", "inodesUsedPercent", "rows"):
        assert stuck[field] == well[field]


def test_a_stuck_mount_delays_no_request(seen: dict[str, Any]) -> None:
    (before, _, members_before), (stuck, longest, members) = seen["quick"], seen["slow"]

    # Requests for members read no mount: they show how slow the machine is at the moment.
    assert stuck / members < 3 * before / members_before
    assert longest < 1.0 + SLACK


def test_a_stuck_mount_stops_no_watchdog_message(seen: dict[str, Any]) -> None:
    assert seen["watchdog"] == 8


def test_a_stuck_mount_holds_one_thread(seen: dict[str, Any]) -> None:
    assert len(set(seen["threads"])) == 1
    assert seen["after"] <= seen["threads"][0]


def test_a_mount_that_answers_again_has_new_numbers(seen: dict[str, Any]) -> None:
    assert seen["again"]["total"] == 4096 * 2000


def test_an_agent_with_a_stuck_mount_stops_within_two_seconds(seen: dict[str, Any]) -> None:
    assert seen["exit"] == 0
