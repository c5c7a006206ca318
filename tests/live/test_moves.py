"""Nodes under several addresses, at new ones, or with one name: each node is listed once."""

import pytest

from bench.harness.agents import Agents, whole
from bench.harness.processes import free_ports
from live.asking import ask, errors
from live.views import all_see


@pytest.mark.parametrize(
    ("listen", "nodes"),
    [
        ("127.0.0.1:{}", ["127.0.0.1:{}", "localhost:{}"]),
        ("0.0.0.0:{}", ["127.0.0.1:{}", "127.0.0.2:{}", "localhost:{}"]),
        ("localhost:{}", ["localhost:{}", "127.0.0.1:{}"]),
        ("[::1]:{}", ["[::1]:{}"]),
        ("[::]:{}", ["[::1]:{}", "[::]:{}"]),
    ],
)
async def test_an_agent_that_is_configured_with_itself_is_listed_once(
    agents: Agents, listen: str, nodes: list[str]
) -> None:
    (port,) = free_ports(1)

    cartman = agents.start(
        "cartman", listen=listen.format(port), nodes=[node.format(port) for node in nodes]
    )

    await whole(cartman, "cartman")


async def test_a_node_that_is_configured_with_three_addresses_is_listed_once(
    agents: Agents,
) -> None:
    kenny = agents.start("kenny", listen="0.0.0.0:0")
    names = ["127.0.0.1", "127.0.0.2", "localhost"]

    cartman = agents.start("cartman", nodes=[f"{name}:{kenny.port}" for name in names])

    await whole(cartman, "cartman", "kenny")


async def test_a_node_that_moved_twice_and_is_stopped_is_unknown_to_a_new_agent(
    agents: Agents,
) -> None:
    cartman = agents.start("cartman")
    seed = ["--join", cartman.address]
    kenny = agents.start("kenny", flags=seed)
    await whole(cartman, "cartman", "kenny")
    for _ in range(2):
        kenny.kill()
        kenny.listen = f"127.0.0.1:{free_ports(1)[0]}"
        await kenny.restart()
        await whole(cartman, "cartman", "kenny")

    kyle = agents.start("kyle", flags=seed)
    await all_see([cartman, kenny, kyle], cartman="up", kenny="up", kyle="up")

    await kenny.stopped()
    stan = agents.start("stan", flags=seed)
    await whole(stan, "cartman", "kyle", "stan")
    await whole(cartman, "cartman", "kyle", "stan")
    assert "kenny" not in errors(await ask(stan, {"type": 1}))
