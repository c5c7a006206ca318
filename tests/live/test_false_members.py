"""A peer that lies about members: ever more of them, others, and the agent itself."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic, time
from typing import Any

from bench.harness.agents import Agent, Agents
from bench.harness.usage import rss
from doubles.v1_client import V1Client
from eventually import eventually
from live.asking import ask, errors
from live.raw import RawClient, frame
from live.views import all_see, members

MOST = 4096
"""Members that an agent keeps besides itself."""

OFFER = "Sec-WebSocket-Protocol: nodnod.2"


class Liar:
    """A peer that sends any entries of members."""

    def __init__(self, client: RawClient) -> None:
        self._client = client
        self.own = entry(0, name="liar", address="127.0.0.1:1", instance="i-liar")

    async def say(self, *entries: dict[str, Any]) -> dict[str, Any]:
        """Send these entries; gives the answer."""
        await self.send(*entries)
        return await self._client.answer()

    async def send(self, *entries: dict[str, Any]) -> None:
        request = {"type": 4, "id": 1, "member": self.own, "digest": "0", "members": entries}
        await self._client.send(frame(json.dumps(request)))

    async def close_code(self) -> int:
        return await self._client.close_code()


@asynccontextmanager
async def liar(agent: Agent) -> AsyncIterator[Liar]:
    async with RawClient(agent.port) as client:
        names = ("NodNod-Name: liar", "NodNod-Instance: i-liar", "NodNod-Address: 127.0.0.1:1")
        await client.shake(OFFER, *names)
        yield Liar(client)


def entry(number: int, incarnation: float | None = None, **more: object) -> dict[str, Any]:
    fields = {
        "name": f"false-{number}",
        "address": f"127.{2 + (number >> 16)}.{number >> 8 & 255}.{number & 255}:9",
        "instance": f"i{number}",
        "incarnation": int(1000 * (time() if incarnation is None else incarnation)),
    }
    return {**fields, **more}


@asynccontextmanager
async def slowest_answer(agent: Agent) -> AsyncIterator[Callable[[], float]]:
    """Have a client ask all the time; gives how long the slowest answer took."""
    slowest = 0.0

    async def keep_asking(client: V1Client) -> None:
        nonlocal slowest
        while True:
            began = monotonic()
            await client.ask(0)
            slowest = max(slowest, monotonic() - began)
            await asyncio.sleep(0.02)

    async with V1Client(agent.address) as client:
        task = asyncio.create_task(keep_asking(client))
        try:
            yield lambda: slowest
        finally:
            task.cancel()


async def test_any_number_of_false_members_is_bounded_and_keeps_no_agent_out(
    agents: Agents,
) -> None:
    kenny, kyle = await agents.cluster("kenny", "kyle")
    resident = rss(kenny.pid)
    began = monotonic()

    async with liar(kenny) as peer, slowest_answer(kenny) as slowest:
        number = 1
        while len(await members(kenny)) < 1000:
            await peer.say(*map(entry, range(number, number + 1500)))
            number += 1500
            await asyncio.sleep(0.5)  # an agent reads two long lists a second
        stan = agents.start("stan", flags=["--join", kenny.address])

        async def met() -> bool:
            view = await members(kenny)
            return any(row["name"] == "stan" and row["state"] == "up" for row in view.values())

        await eventually(met, within=10)
        assert slowest() < 2

    view = await members(kenny)
    assert len(view) <= 1 + MOST
    assert view[kyle.address]["state"] == view[stan.address]["state"] == "up"
    assert rss(kenny.pid) - resident < 64e6
    failed_dials = kenny.log().count("Could not connect to node: 127.")
    assert 5 < failed_dials <= 10 * (monotonic() - began + 1)


async def test_a_claim_that_another_node_left_is_refuted(agents: Agents) -> None:
    kenny, kyle, stan = await agents.cluster("kenny", "kyle", "stan")
    instance = (await members(kenny))[kyle.address]["instance"]
    gone = entry(9, time() + 10, name="kyle", address=kyle.address, instance=instance)
    gone |= {"state": "left", "since": time()}

    async with liar(kenny) as peer, liar(stan) as observer:
        await peer.say(gone)
        assert errors(await ask(kenny, {"type": 1}))["kyle"] == ""

        async def refuted() -> bool:
            await asyncio.sleep(0.2)  # an agent answers a few lists a second
            entries = (await observer.say()).get("members", [])
            own = [one for one in entries if one["address"] == kyle.address]
            return any(one["incarnation"] > gone["incarnation"] for one in own)

        await eventually(refuted)

    for agent in (kenny, stan):
        assert errors(await ask(agent, {"type": 1}))["kyle"] == ""
        assert "Node left: [kyle" not in agent.log()
        assert "Lost connection" not in agent.log()
    # A real failure of the node is seen afterwards.
    kyle.kill()
    await eventually(lambda: f"Lost connection with node: [kyle : {kyle.address}]" in stan.log())


async def test_a_claim_that_another_process_has_an_address_is_refuted(agents: Agents) -> None:
    kenny, kyle, stan = await agents.cluster("kenny", "kyle", "stan")

    async with liar(kenny) as peer:
        thief = entry(9, time() + 100, name="thief", address=kyle.address)
        await peer.say(thief)

    async def looked() -> bool:
        said = kyle.messages()
        return any("thief claims" in line and "our own address" in line for line in said)

    await eventually(looked)
    await all_see([stan], kenny="up", kyle="up", liar="down", stan="up")
    assert "Lost connection" not in kenny.log() + stan.log()
