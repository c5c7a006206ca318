"""A node that comes to other ports, as containers do: what those see who join later."""

import signal

from bench.harness.agents import Agent, Agents, whole
from bench.harness.processes import free_ports
from eventually import eventually
from live.asking import ask, errors
from live.views import all_see


async def move(agent: Agent) -> None:
    """Kill it, and start it at another port."""
    agent.kill()
    agent.listen = f"127.0.0.1:{free_ports(1)[0]}"
    agent.start()
    agent.listening()


async def test_a_node_that_moves_again_and_again_and_is_then_stopped_is_no_ghost_for_a_newcomer(
    agents: Agents,
) -> None:
    cartman = agents.start("cartman")
    seed = ["--join", cartman.address]
    kenny = agents.start("kenny", flags=seed)
    await whole(cartman, "cartman", "kenny")
    for _ in range(2):
        await move(kenny)
        await whole(cartman, "cartman", "kenny")

    kyle = agents.start("kyle", flags=seed)
    await all_see([cartman, kenny, kyle], cartman="up", kenny="up", kyle="up")

    kenny.signal(signal.SIGTERM)
    await kenny.exited()
    stan = agents.start("stan", flags=seed)
    await whole(stan, "cartman", "kyle", "stan")
    await whole(cartman, "cartman", "kyle", "stan")
    assert "kenny" not in errors(await ask(stan, {"type": 1}))


async def test_two_that_exchange_their_ports_have_each_its_own_name(agents: Agents) -> None:
    cartman = agents.start("cartman")
    seed = ["--join", cartman.address]
    kenny, kyle = (agents.start(name, flags=seed) for name in ("kenny", "kyle"))
    await whole(cartman, "cartman", "kenny", "kyle")

    kenny.kill()
    kyle.kill()
    kenny.listen, kyle.listen = kyle.address, kenny.address
    kyle.start()
    kyle.listening()
    await eventually(lambda: f"Connected to node: [kyle : {kyle.address}]" in cartman.messages())
    kenny.start()
    kenny.listening()

    await all_see([cartman, kenny, kyle], cartman="up", kenny="up", kyle="up")
    assert "Two nodes have the name" not in cartman.log()


async def test_a_dead_node_that_a_reload_removes_is_gone_by_whatever_name(agents: Agents) -> None:
    kenny = agents.start("kenny")
    cartman = agents.start("cartman", nodes=[f"localhost:{kenny.port}"])
    await all_see([cartman], cartman="up", kenny="up")
    await whole(kenny, "cartman", "kenny")
    kenny.kill()
    await all_see([cartman], cartman="up", kenny="down")

    cartman.configure(nodes=[])
    cartman.signal(signal.SIGHUP)

    await all_see([cartman], cartman="up")
