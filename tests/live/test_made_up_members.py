"""An agent among the others that lies: about members without number, about others, about us."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from time import monotonic, time
from typing import Any

from bench.harness.agents import Agent, Agents, whole
from bench.harness.usage import rss
from doubles.v1_client import V1Client
from eventually import eventually
from live.asking import ask, errors
from live.raw import RawClient, frame
from live.views import all_see, members

MOST = 4096
"""Members that an agent knows besides itself."""

OFFER = "Sec-WebSocket-Protocol: nodnod.2"


class Liar:
    """Says that it is an agent, and then anything."""

    def __init__(self, client: RawClient) -> None:
        self._client = client
        self.own = entry(0, name="liar", address="127.0.0.1:1", instance="i-liar")

    async def say(self, *entries: dict[str, Any]) -> dict[str, Any]:
        """Tell of these; the answer."""
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
        "name": f"made-up-{number}",
        "address": f"127.{2 + (number >> 16)}.{number >> 8 & 255}.{number & 255}:9",
        "instance": f"i{number}",
        "incarnation": int(1000 * (time() if incarnation is None else incarnation)),
    }
    return {**fields, **more}


def complaints(agent: Agent) -> list[str]:
    return [line for line in agent.messages() if line.startswith("Refused a member ")]


@asynccontextmanager
async def slowest_answer(agent: Agent) -> AsyncIterator[Callable[[], float]]:
    """Have a client ask all the time; tells how long the slowest answer took."""
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


async def test_members_without_number_take_no_more_than_their_room_and_keep_nobody_out(
    agents: Agents,
) -> None:
    kenny, kyle = await agents.cluster("kenny", "kyle")
    resident = rss(kenny.pid)
    began = monotonic()

    async with liar(kenny) as stranger, slowest_answer(kenny) as slowest:
        number = 1
        while len(await members(kenny)) < 1000:
            await stranger.say(*map(entry, range(number, number + 1500)))
            number += 1500
            await asyncio.sleep(0.5)  # no more than two long ones a second are read
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
    dialled_in_vain = kenny.log().count("Could not connect to node: 127.")
    assert 5 < dialled_in_vain <= 10 * (monotonic() - began + 1)


async def test_a_list_longer_than_a_message_may_be_ends_the_connection_and_nothing_else(
    agents: Agents,
) -> None:
    kenny, kyle = await agents.cluster("kenny", "kyle")

    async with liar(kenny) as stranger:
        await stranger.send(*map(entry, range(100_000)))
        assert await stranger.close_code() == 1009

    await whole(kenny, "kenny", "kyle")
    await whole(kyle, "kenny", "kyle")


async def test_what_cannot_be_is_refused_with_its_reason_once_a_minute(agents: Agents) -> None:
    kenny, kyle = await agents.cluster("kenny", "kyle")
    nonsense: Iterable[dict[str, Any]] = (
        entry(1, address="nonsense:70:70"),
        entry(2, address="127.0.0.1:99999"),
        entry(3, time() + 10 * 365 * 86400),
        entry(4, address=kenny.address),
        {"name": 7},
    )

    async with liar(kenny) as stranger:
        for _ in range(3):
            for one in nonsense:
                await stranger.say(one)
            await asyncio.sleep(1)  # no more than twenty a second are borne

    (line,) = complaints(kenny)
    assert line.startswith("Refused a member that 127.0.0.1:1 told of: not an IPv6 address")
    assert [name for name in errors(await ask(kenny, {"type": 1})) if name != "liar"] == [
        "kenny",
        "kyle",
    ]
    await whole_but_liar(kyle)


async def whole_but_liar(agent: Agent) -> None:
    async def look() -> bool:
        nodes = errors(await ask(agent, {"type": 1, "timeout": 0.5}))
        return nodes["kenny"] == nodes["kyle"] == ""

    await eventually(look)


async def test_a_thousand_requests_a_second_are_cut_off(agents: Agents) -> None:
    kenny, _ = await agents.cluster("kenny", "kyle")

    async with liar(kenny) as stranger, slowest_answer(kenny) as slowest:
        for _ in range(1000):
            try:
                await stranger.send(entry(1))
            except ConnectionError:
                break
        assert await stranger.close_code() in (1008, 1006)
        assert slowest() < 2


async def test_nobody_is_believed_who_says_that_another_left(agents: Agents) -> None:
    kenny, kyle, stan = await agents.cluster("kenny", "kyle", "stan")
    instance = (await members(kenny))[kyle.address]["instance"]
    gone = entry(9, time() + 10, name="kyle", address=kyle.address, instance=instance)
    gone |= {"state": "left", "since": time()}

    async with liar(kenny) as stranger, liar(stan) as onlooker:
        await stranger.say(gone)
        assert errors(await ask(kenny, {"type": 1}))["kyle"] == ""

        async def refuted() -> bool:
            await asyncio.sleep(0.2)  # it gives a few lists a second, no more
            told = (await onlooker.say()).get("members", [])
            words = [one for one in told if one["address"] == kyle.address]
            return any(word["incarnation"] > gone["incarnation"] for word in words)

        await eventually(refuted)

    for agent in (kenny, stan):
        assert errors(await ask(agent, {"type": 1}))["kyle"] == ""
        assert "Node left: [kyle" not in agent.log()
        assert "Lost connection" not in agent.log()
    # And when it fails, that is seen as what it is.
    kyle.kill()
    await eventually(lambda: f"Lost connection with node: [kyle : {kyle.address}]" in stan.log())


async def test_another_process_is_not_believed_to_be_where_one_answers_us(agents: Agents) -> None:
    kenny, kyle, stan = await agents.cluster("kenny", "kyle", "stan")

    async with liar(kenny) as stranger:
        thief = entry(9, time() + 100, name="thief", address=kyle.address)
        await stranger.say(thief)

    async def looked() -> bool:
        said = kyle.messages()
        return any("thief claims" in line and "our own address" in line for line in said)

    await eventually(looked)
    await all_see([stan], kenny="up", kyle="up", liar="down", stan="up")
    assert "Lost connection" not in kenny.log() + stan.log()
