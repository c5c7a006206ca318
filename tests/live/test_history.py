"""The history of every node, from real agents; also across a time in which one was frozen."""

import asyncio
import signal
import socket
from itertools import groupby
from time import monotonic, time
from typing import Any

import pytest

from bench.harness.agents import Agent, Agents, whole
from doubles.v1_client import V1Client
from eventually import eventually
from live.asking import ask

NAMES = ("cartman", "kenny")
INTERVAL = 0.5
SERIES = {"cpuUsed", "memoryUsedPercent", "diskUsedPercent", "recvBytes", "sentBytes", "load1"}
SERIES |= {"cpuUser", "cpuSystem"}
OPTIONAL = {"readBytes", "writeBytes", "cpuPressure", "memoryPressure", "ioPressure"}
OPTIONAL |= {"cpuIowait", "cpuSteal"}
"""Those that a machine may lack."""

FROZEN = 5.0


@pytest.fixture
async def cartman(shared_agents: Agents) -> Agent:
    """One of two agents."""
    if not shared_agents.started:
        await shared_agents.cluster(*NAMES, settings={"interval": INTERVAL})
    return shared_agents.started[0]


@pytest.fixture
def kenny(cartman: Agent, shared_agents: Agents) -> Agent:
    return shared_agents.started[1]


async def histories(agent: Agent, seconds: float = 600, **fields: Any) -> dict[str, Any]:
    """The history of every node that has one."""
    answer = await ask(agent, {"type": 1, "history": seconds, **fields})
    nodes = answer["nodes"]
    return {name: node["history"] for name, node in nodes.items() if "history" in node}


async def points(agent: Agent, count: int) -> None:
    """Wait until every node has at least so many points."""

    async def look() -> bool:
        past = await histories(agent)
        return len(past) == len(NAMES) and all(len(p["cpuUsed"]) >= count for p in past.values())

    await eventually(look)


async def test_every_node_has_a_history_from_before_the_request(cartman: Agent) -> None:
    await points(cartman, 3)

    for past in (await histories(cartman)).values():
        assert past["every"] == INTERVAL
        assert past["end"] == pytest.approx(time(), abs=2)
        assert SERIES <= set(past) - {"every", "end"} <= SERIES | OPTIONAL
        lengths = {len(past[name]) for name in SERIES}
        assert len(lengths) == 1
        assert all(value is None or 0 <= value <= 100 for value in past["cpuUsed"])
        assert past["memoryUsedPercent"][-1] > 0


async def test_every_node_has_the_history_that_ended_at_a_moment(cartman: Agent) -> None:
    await points(cartman, 10)
    moment = (await histories(cartman))["cartman"]["end"] - 2

    then = await histories(cartman, until=moment)

    assert then["cartman"]["until"] == moment // 1
    assert then.keys() == set(NAMES)
    for past in then.values():
        assert past["until"] == pytest.approx(moment, abs=1.2)
        assert past["until"] - 2 * INTERVAL < past["end"] <= past["until"]
        assert len(past["cpuUsed"]) >= 1
    assert [past["cpuUsed"] for past in (await histories(cartman, until=1)).values()] == [[], []]


async def test_a_time_in_which_an_agent_was_frozen_is_one_hole_and_its_rates_are_right(
    cartman: Agent, kenny: Agent
) -> None:
    began, before_all = monotonic(), loopback_bytes()
    async with V1Client(kenny.address) as client:
        # Twice for each sample, so that none is missed.
        await client.send({"detail": ["network"], "every": INTERVAL / 2, "id": 1})
        await client.receive(3)

        kenny.signal(signal.SIGSTOP)
        sent = await send_evenly(FROZEN)
        kenny.signal(signal.SIGCONT)

        answers = await client.receive(4, within=10)
        spent, after_all = monotonic() - began, loopback_bytes()

    nodes = [answer["nodes"]["kenny"] for answer in answers]
    rates = [node["detail"]["network"]["lo"]["recvBytes"] for node in nodes]
    # The sample after the hole counts what came in it, over all of its time.
    most = (after_all - before_all) / FROZEN
    assert [rate for rate in rates if sent / spent <= rate <= most]
    assert all(0 <= node["cpuUsed"] <= 100 for node in nodes)

    await whole(cartman, *NAMES)
    past = (await histories(cartman))["kenny"]
    for name in SERIES:
        gaps = [len(list(run)) for is_gap, run in groupby(past[name], _is_gap) if is_gap]
        # A busy machine may make short ones.
        holes = [gap * INTERVAL for gap in gaps if gap * INTERVAL > FROZEN / 2]
        assert len(holes) == 1
        assert FROZEN - 2 * INTERVAL <= holes[0] <= spent


async def send_evenly(seconds: float) -> int:
    """Send a known number of bytes over loopback, evenly over so many seconds."""
    packet = bytes(60_000)
    with (
        socket.socket(type=socket.SOCK_DGRAM) as receiver,
        socket.socket(type=socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        for _ in range(100):
            for _ in range(5):
                sender.sendto(packet, receiver.getsockname())
            await asyncio.sleep(seconds / 100)  # the time is what is tested
    return 100 * 5 * len(packet)


def loopback_bytes() -> int:
    """Bytes received over loopback since the machine was started."""
    with open("/proc/net/dev") as table:
        (line,) = (line for line in table if line.strip().startswith("lo:"))
    return int(line.split(":")[1].split()[0])


def _is_gap(value: float | None) -> bool:
    return value is None
