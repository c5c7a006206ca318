"""Two nodes with one name: both are listed, whatever happens to either."""

from contextlib import AsyncExitStack

import pytest

from bench.harness.agents import Agent
from bench.harness.processes import free_ports
from eventually import eventually
from invariants.harness import FaultHarness
from invariants.peers import OldPeer, Peer
from live.asking import ask, errors
from live.views import all_see

Trio = tuple[Agent, Agent, Agent]


@pytest.fixture
async def trio(harness: FaultHarness) -> Trio:
    """seed, and two agents named kyle."""
    nodes = [f"127.0.0.1:{port}" for port in free_ports(2)]
    seed = harness.start("seed")
    one, two = (
        harness.begin("kyle", listen=node, label=label, flags=["--join", seed.address])
        for node, label in zip(nodes, ("one", "two"), strict=True)
    )
    for agent in (one, two):
        agent.listening()
    await all_see([one], **beside(two))
    await all_see([two], **beside(one))
    return seed, one, two


def beside(other: Agent, state: str = "up") -> dict[str, str]:
    """The view of one kyle, in which the other one has the longer name."""
    return {"kyle": "up", f"kyle@{other.address}": state, "seed": "up"}


async def test_two_nodes_with_one_name_are_both_listed_and_logged_also_after_one_dies(
    harness: FaultHarness, trio: Trio
) -> None:
    seed, one, two = trio
    await harness.watch(seed, one, harmed=[two])

    def warning(address: str) -> str:
        return f"Two nodes have the name kyle: the one at {address} is listed as kyle@{address}"

    await eventually(lambda: warning(two.address) in one.messages())
    await eventually(lambda: warning(one.address) in two.messages())

    def warned() -> list[bool]:
        return [warning(agent.address) in seed.messages() for agent in (one, two)]

    await eventually(lambda: any(warned()))
    assert not all(warned())

    two.kill()

    await all_see([one], **beside(two, "down"))
    wrong = [error for error in errors(await ask(seed, {"type": 1})).values() if error]
    assert len(wrong) == 1
    assert wrong[0].startswith("down: ")

    await two.restart()
    await all_see([one], **beside(two))
    await all_see([two], **beside(one))


async def test_nodes_of_both_versions_with_one_name_keep_their_own_numbers(
    harness: FaultHarness,
) -> None:
    async with AsyncExitStack() as stack:
        peers = [Peer("kyle", 2), OldPeer("kyle", 3), Peer("kyle", 4), OldPeer("kyle", 5)]
        for peer in peers:
            await stack.enter_async_context(peer)
        kyle = harness.start("kyle", nodes=[peer.address for peer in peers])
        expected = {"kyle": "", **{f"kyle@{peer.address}": "" for peer in peers}}

        async def complete() -> bool:
            return errors(await ask(kyle, {"type": 1})) == expected

        await eventually(complete)
        await harness.watch(kyle, unwatched=[peer.node() for peer in peers])

        nodes = (await ask(kyle, {"type": 1}))["nodes"]
        numbers = [nodes[f"kyle@{peer.address}"]["cpuUsed"] for peer in peers]
        assert numbers == [2.0, 3.0, 4.0, 5.0]
        await harness.judge()  # while the peers still run
