"""What the survivors of three real agents tell of one that was killed."""

import json
import signal
from time import time
from typing import Any

from websockets.asyncio.client import connect

from bench.harness.agents import Agent, Agents
from doubles.v2_server import VERSION_2
from eventually import eventually
from live.asking import ask

UNTOLD = 13.0
"""Seconds before its death of which nobody has heard, at most."""


async def keeps(agent: Agent, name: str) -> bool:
    """Whether an agent keeps the past of a node, which it tells other agents."""
    uri, headers = f"ws://{agent.address}/", {"NodNod-Instance": "another", "NodNod-Name": "clyde"}
    async with connect(uri, additional_headers=headers, subprotocols=[VERSION_2]) as peer:
        await peer.send(json.dumps({"type": 0, "id": 1, "kept": {name: 3600}}))
        answer = json.loads(await peer.recv())
    return name in answer["kept"]


async def kept(agent: Agent, name: str) -> dict[str, Any] | None:
    """The past of a dead node, as an agent answers about it alone."""
    answer = await ask(agent, {"type": 1, "nodes": [name], "history": 3600})
    node = answer["nodes"][name]
    history: dict[str, Any] | None = node.get("history")
    return history if node["error"].startswith("down: ") else None


async def test_every_survivor_shows_the_past_of_a_killed_agent(agents: Agents) -> None:
    cartman, stan, kenny = await agents.cluster("cartman", "stan", "kenny")

    async def heard() -> bool:
        """Whether both survivors have heard kenny's past: as agents, they may be asked for it."""
        return all([await keeps(one, "kenny") for one in (cartman, stan)])

    await eventually(heard, within=20)
    kenny.signal(signal.SIGKILL)
    died = time()

    for survivor in (cartman, stan):

        async def shown(survivor: Agent = survivor) -> bool:
            return await kept(survivor, "kenny") is not None

        await eventually(shown)
        past = await kept(survivor, "kenny")
        assert past is not None
        assert past["keptBy"] in ("cartman", "stan")
        assert past["every"] == 10
        assert died - UNTOLD < past["end"] <= died
        assert past["memoryUsedPercent"][-1] > 0
