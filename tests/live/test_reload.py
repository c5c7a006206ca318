"""SIGHUP: the configuration is read again, and nobody who stays notices."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.harness.agents import Agent, Agents, whole
from bench.harness.processes import free_ports
from doubles.v1_client import V1Client
from eventually import eventually
from live.asking import ask, errors
from live.views import all_see

RELOADED = "Configuration reloaded: nodes added: {}, removed: {}"


@asynccontextmanager
async def undisturbed(agent: Agent) -> AsyncIterator[V1Client]:
    """A client that is connected all the time; no link of the agent may be lost meanwhile."""
    lost = agent.log().count("Lost connection")
    async with V1Client(agent.address) as client:
        await client.ask(0)
        yield client
        await client.ask(0)
    assert agent.log().count("Lost connection") == lost


async def reload(agent: Agent, added: int, removed: int) -> None:
    """Have it read its file again, and wait until it has."""
    line = RELOADED.format(added, removed)
    before = agent.messages().count(line)
    agent.signal(signal.SIGHUP)
    await eventually(lambda: agent.messages().count(line) > before)


async def test_a_node_that_is_added_is_dialled_and_nobody_is_disturbed(agents: Agents) -> None:
    cartman, kenny = await agents.cluster("cartman", "kenny")
    kyle = agents.start("kyle")

    async with undisturbed(cartman):
        cartman.configure(nodes=[cartman.listen, kenny.listen, kyle.address])
        await reload(cartman, 1, 0)
        await all_see([cartman, kenny, kyle], cartman="up", kenny="up", kyle="up")


async def test_a_node_that_is_removed_while_it_is_up_stays_as_one_that_was_learnt_of(
    agents: Agents,
) -> None:
    cartman, _ = await agents.cluster("cartman", "kenny")

    async with undisturbed(cartman):
        cartman.configure(nodes=[])
        await reload(cartman, 0, 2)
        await whole(cartman, "cartman", "kenny")


async def test_a_node_that_is_removed_while_it_is_down_is_gone_until_it_shows_itself(
    agents: Agents,
) -> None:
    cartman, kenny, kyle = await agents.cluster("cartman", "kenny", "kyle")
    kenny.kill()
    await all_see([cartman, kyle], cartman="up", kenny="down", kyle="up")

    async with undisturbed(cartman):
        cartman.configure(nodes=[cartman.listen, kyle.listen])
        await reload(cartman, 0, 1)
        assert errors(await ask(cartman, {"type": 1})) == {"cartman": "", "kyle": ""}
        kenny.start()
        kenny.listening()
        await all_see([cartman, kenny, kyle], cartman="up", kenny="up", kyle="up")


async def test_an_address_where_nobody_ever_was_is_gone_once_it_is_removed(agents: Agents) -> None:
    nobody = f"127.0.0.1:{free_ports(1)[0]}"
    cartman = agents.start("cartman", nodes=[nobody])
    await eventually(lambda: f"Could not connect to node: {nobody}" in cartman.log())

    cartman.configure(nodes=[])
    await reload(cartman, 0, 1)

    assert errors(await ask(cartman, {"type": 1})) == {"cartman": ""}


async def test_a_broken_file_changes_nothing_and_says_so(agents: Agents) -> None:
    cartman, kenny = await agents.cluster("cartman", "kenny")
    refusal = f"Configuration not reloaded, nothing is changed: {cartman.config}: "

    async with undisturbed(cartman):
        for broken, why in {
            '{"nodes": [': "not JSON",
            '{"nodes": ["127.0.0.1:99999"]}': "port must be",
            '{"nods": []}': "unknown key",
        }.items():
            cartman.config.write_text(broken)
            cartman.signal(signal.SIGHUP)
            await eventually(
                lambda why=why: any(  # type: ignore[misc]
                    line.startswith(refusal) and why in line for line in cartman.messages()
                )
            )
        cartman.config.unlink()
        cartman.signal(signal.SIGHUP)
        await eventually(lambda: f"{refusal}no such file" in cartman.log())
        await whole(cartman, "cartman", "kenny")

    cartman.configure(nodes=[cartman.listen, kenny.listen])
    await reload(cartman, 0, 0)


async def test_what_needs_a_restart_is_named(agents: Agents) -> None:
    cartman = agents.start("cartman")

    cartman.configure(nodes=[], interval=2)
    await reload(cartman, 0, 0)

    await eventually(
        lambda: "Setting interval has changed: that needs a restart" in cartman.messages()
    )


async def test_what_needs_a_restart_is_judged_by_what_runs(agents: Agents) -> None:
    cartman = agents.start("cartman")
    line = "Setting interval has changed: that needs a restart"

    for count in (1, 2):
        cartman.configure(nodes=[], interval=2)
        await reload(cartman, 0, 0)
        await eventually(lambda count=count: cartman.messages().count(line) == count)  # type: ignore[misc]

    cartman.configure(nodes=[])
    await reload(cartman, 0, 0)
    cartman.signal(signal.SIGTERM)
    await cartman.exited()
    assert cartman.messages().count(line) == 2
