"""Addresses that lead to oneself, or twice to the same node: never a node twice."""

import pytest

from bench.harness.agents import Agents, whole
from bench.harness.processes import free_ports
from eventually import eventually
from live.asking import ask, errors


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
async def test_an_agent_that_lists_itself_is_listed_once(
    agents: Agents, listen: str, nodes: list[str]
) -> None:
    (port,) = free_ports(1)

    cartman = agents.start(
        "cartman", listen=listen.format(port), nodes=[node.format(port) for node in nodes]
    )

    await whole(cartman, "cartman")


async def test_a_node_listed_under_two_addresses_is_listed_once(agents: Agents) -> None:
    kenny = agents.start("kenny", listen="0.0.0.0:0")
    names = ["127.0.0.1", "127.0.0.2", "localhost"]

    cartman = agents.start("cartman", nodes=[f"{name}:{kenny.port}" for name in names])

    await whole(cartman, "cartman", "kenny")


async def test_a_node_that_has_moved_to_another_address_is_listed_once(agents: Agents) -> None:
    nodes = [f"127.0.0.1:{port}" for port in free_ports(2)]
    kenny = agents.start("kenny", listen=nodes[0])
    cartman = agents.start("cartman", nodes=nodes)
    await eventually(lambda: f"Connected to node: [kenny : {nodes[0]}]" in cartman.messages())
    kenny.kill()

    agents.start("kenny", listen=nodes[1])

    await whole(cartman, "cartman", "kenny")


async def test_two_nodes_with_one_name_are_both_listed(agents: Agents) -> None:
    kennies = [agents.start("kenny"), agents.start("kenny")]
    one, two = (kenny.address for kenny in kennies)

    cartman = agents.start("cartman", nodes=[one, two])

    async def listed() -> bool:
        names = sorted(errors(await ask(cartman, {"type": 1})))
        return names in [["cartman", "kenny", f"kenny@{other}"] for other in (one, two)]

    await eventually(listed)


async def test_port_0_takes_a_free_port_and_logs_it(agents: Agents) -> None:
    cartman = agents.start("cartman", listen="127.0.0.1:0")

    assert errors(await ask(cartman, {})) == {"cartman": ""}
