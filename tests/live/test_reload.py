"""SIGHUP: the configuration is read again, and nodes and clients that stay notice nothing."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.harness.agents import Agent, Agents, whole
from bench.harness.processes import free_ports
from doubles.v1_client import V1Client
from eventually import eventually
from live.asking import reload
from live.views import all_see
from nodnod_client.client import Client

RESTART_NEEDED = "Setting limits.streams has changed: that needs a restart"


@asynccontextmanager
async def undisturbed(agent: Agent) -> AsyncIterator[None]:
    """A client stays connected meanwhile, and the agent loses no link."""
    async with V1Client(agent.address) as client:
        await client.ask(0)
        yield
        await client.ask(0)
    assert "Lost connection" not in agent.log()


async def reload_nodes(agent: Agent, added: int, removed: int, *nodes: str, **more: object) -> None:
    """Configure these nodes: so many are added and removed."""
    agent.configure(nodes=nodes, **more)
    line = f"Configuration reloaded: nodes added: {added}, removed: {removed}"
    assert line in await reload(agent)


async def test_an_added_node_is_dialed(agents: Agents) -> None:
    cartman, kenny = await agents.cluster("cartman", "kenny")
    kyle = agents.start("kyle")

    async with undisturbed(cartman):
        await reload_nodes(cartman, 1, 0, cartman.listen, kenny.listen, kyle.address)
        await all_see([cartman, kenny, kyle], cartman="up", kenny="up", kyle="up")


async def test_a_removed_address_is_gone_whether_a_node_was_there_or_not(agents: Agents) -> None:
    kenny = agents.start("kenny")
    unused, by_name = f"127.0.0.1:{free_ports(1)[0]}", f"localhost:{kenny.port}"
    cartman = agents.start("cartman", nodes=[unused, by_name])
    await eventually(lambda: f"Could not connect to node: {unused}" in cartman.log())

    await reload_nodes(cartman, 0, 1, by_name)
    await all_see([cartman], cartman="up", kenny="up")
    await whole(kenny, "cartman", "kenny")
    kenny.kill()
    await all_see([cartman], cartman="up", kenny="down")
    await reload_nodes(cartman, 0, 1)

    await all_see([cartman], cartman="up")


async def test_a_node_that_moved_and_is_down_stays_in_answers_while_its_address_changes(
    agents: Agents,
) -> None:
    cartman, kenny, stan = await agents.cluster("cartman", "kenny", "stan")
    kenny.kill()
    kenny.listen = f"127.0.0.1:{free_ports(1)[0]}"
    await kenny.restart()
    await whole(cartman, "cartman", "kenny", "stan")
    kenny.kill()
    await all_see([cartman], left=["kenny"], cartman="up", kenny="down", stan="up")

    stan.signal(signal.SIGSTOP)
    async with Client(cartman.address) as client:
        under_way = asyncio.create_task(client.stat_all(deadline=4.0))
        await asyncio.create_task(client.stat())  # sent behind it
        await reload_nodes(cartman, 1, 1, cartman.listen, kenny.listen, stan.listen)
        stan.signal(signal.SIGCONT)
        answers = await under_way, await client.stat_all()

    for answer in answers:
        assert sorted(answer.nodes) == ["cartman", "kenny", "stan"]
        assert answer.nodes["kenny"].error.startswith("down: ")


async def test_a_broken_file_changes_nothing_and_the_log_says_why(agents: Agents) -> None:
    cartman, kenny = await agents.cluster("cartman", "kenny")
    refusal = f"Configuration not reloaded, nothing is changed: {cartman.config}: "

    async with undisturbed(cartman):
        cartman.config.write_text('{"nods": []}')
        assert f"{refusal}unknown key" in await reload(cartman)
        cartman.config.unlink()
        assert f"{refusal}no such file" in await reload(cartman)
        await whole(cartman, "cartman", "kenny")

    await reload_nodes(cartman, 0, 0, cartman.listen, kenny.listen)


async def test_a_setting_that_needs_a_restart_is_named_while_it_differs(agents: Agents) -> None:
    cartman = agents.start("cartman")

    for count in (1, 2):
        await reload_nodes(cartman, 0, 0, limits={"streams": 2})
        await eventually(
            lambda count=count: cartman.messages().count(RESTART_NEEDED) == count  # type: ignore[misc]
        )
    await reload_nodes(cartman, 0, 0)
    await cartman.stopped()

    assert cartman.messages().count(RESTART_NEEDED) == 2


async def test_other_rules_of_alerts_are_in_force_at_once(agents: Agents) -> None:
    cartman = agents.start("cartman")
    rule = {"name": "in use", "metric": "memoryUsedPercent", "above": 0}

    await reload_nodes(cartman, 0, 0, alerts={"rules": [rule]})
    await eventually(lambda: "Alert in use, warning: memory is" in cartman.log())
    cartman.configure(alerts={"rules": [rule | {"clear": 1}]})
    assert "alerts.rules[0].clear: expected at most 0" in await reload(cartman)
    await reload_nodes(cartman, 0, 0)

    await eventually(lambda: "the rule in use is no longer in force here" in cartman.log())
    assert "needs a restart" not in cartman.log()
