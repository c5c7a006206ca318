"""The link between two agents: slow, one-way, cut in pieces, repeating itself, or dead.

cartman reaches kenny through a proxy that can do harm; kenny reaches cartman directly.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest

from bench.harness.agents import Agent, Agents, whole
from bench.harness.processes import free_ports
from bench.harness.proxy import Direction, Harm, Proxy, again, cut_off, garbled, halved, lost, stale
from bench.harness.threaded import Threaded
from eventually import SLACK, eventually
from invariants.harness import FaultHarness
from live.asking import ask, errors
from nodnod_agent.core.membership.keepalive import SILENCE

MESSAGES = 30
"""Messages that are to go over a bad link, at least."""


def proxy_to_a_free_port(stack: ExitStack) -> Threaded[Proxy]:
    """A proxy to a port where an agent can listen, on a thread of its own."""
    (port,) = free_ports(1)
    return stack.enter_context(Threaded(Proxy(f"127.0.0.1:{port}")))


def begin(agents: Agents, name: str, proxy: Threaded[Proxy], hub: str) -> Agent:
    """Start an agent behind a proxy, whose address it advertises."""
    flags = ["--advertise", proxy.address]
    return agents.begin(name, listen=proxy.server.target, nodes=[hub], flags=flags)


@pytest.fixture(scope="module")
def shared_proxy() -> Iterator[Threaded[Proxy]]:
    with ExitStack() as stack:
        yield proxy_to_a_free_port(stack)


@pytest.fixture
async def bearable(
    harness: FaultHarness, shared_agents: Agents, shared_proxy: Threaded[Proxy]
) -> AsyncIterator[tuple[Agent, Threaded[Proxy]]]:
    """cartman and the proxy to kenny, whose connections must survive; kyle uses it too."""
    names = ("cartman", "kenny", "kyle")
    if not shared_agents.started:
        hub = f"127.0.0.1:{free_ports(1)[0]}"
        begin(shared_agents, "kenny", shared_proxy, hub).listening()
        shared_agents.start("cartman", listen=hub, nodes=[shared_proxy.address])
        shared_agents.start("kyle", nodes=[hub])
    kenny, cartman, kyle = shared_agents.started
    for agent in shared_agents.started:
        await whole(agent, *names)
    await harness.watch(cartman, kyle, harmed=[kenny])
    lost = cartman.log().count("Lost connection")
    yield cartman, shared_proxy
    shared_proxy.server.mend()
    await whole(cartman, *names)
    assert cartman.log().count("Lost connection") == lost


@pytest.fixture
async def fragile(harness: FaultHarness) -> AsyncIterator[tuple[Agent, Threaded[Proxy]]]:
    """cartman and the proxy to kenny, to which a test may do anything."""
    with ExitStack() as stack:
        proxy = proxy_to_a_free_port(stack)
        hub = f"127.0.0.1:{free_ports(1)[0]}"
        kenny = begin(harness, "kenny", proxy, hub)
        cartman = harness.begin("cartman", listen=hub, nodes=[proxy.address])
        for agent in (kenny, cartman):
            agent.listening()
        await whole(cartman, "cartman", "kenny")
        await harness.watch(cartman, harmed=[kenny])
        yield cartman, proxy
        proxy.server.mend()
        await whole(cartman, "cartman", "kenny")


async def busy(*directions: Direction) -> None:
    """Wait until enough messages have gone in these directions; the watchers ask all the time."""
    due = [(direction, direction.reads + MESSAGES) for direction in directions]
    await eventually(lambda: all(direction.reads >= least for direction, least in due))


async def error_of_kenny(agent: Agent, within: float = 0.5) -> str:
    return errors(await ask(agent, {"type": 1, "timeout": within}))["kenny"]


# Connections survive.


BEARABLE: dict[str, Callable[[], Harm]] = {
    "in pieces": lambda: halved,
    "everything twice": lambda: again,
    "everything again later": lambda: stale(9),
}


@pytest.mark.parametrize("harm", BEARABLE.values(), ids=BEARABLE.keys())
async def test_a_link_that_splits_or_repeats_messages_changes_no_answer(
    bearable: tuple[Agent, Threaded[Proxy]], harm: Callable[[], Harm]
) -> None:
    cartman, proxy = bearable

    proxy.server.there.harm, proxy.server.back.harm = harm(), harm()
    await busy(proxy.server.there, proxy.server.back)

    assert await error_of_kenny(cartman) == ""


async def test_over_a_slow_link_answers_are_late_and_never_mixed_up(
    bearable: tuple[Agent, Threaded[Proxy]],
) -> None:
    cartman, proxy = bearable

    proxy.server.there.delay = proxy.server.back.delay = 0.4
    await busy(proxy.server.there, proxy.server.back)

    assert await error_of_kenny(cartman, 0.4) == "no answer within 0.4 s"
    assert await error_of_kenny(cartman, 0.8 + 2 * SLACK) == ""


# Connections do not survive.


async def test_a_link_that_splits_the_handshake_connects(
    fragile: tuple[Agent, Threaded[Proxy]],
) -> None:
    cartman, proxy = fragile
    opened = proxy.server.opened

    proxy.server.there.harm = proxy.server.back.harm = halved
    proxy.run(proxy.server.reset())

    await whole(cartman, "cartman", "kenny")
    assert proxy.server.opened > opened


@pytest.mark.parametrize("direction", ["there", "back"])
async def test_a_link_with_garbled_frames_is_cut_and_dialed_again(
    fragile: tuple[Agent, Threaded[Proxy]], direction: str
) -> None:
    cartman, proxy = fragile
    opened = proxy.server.opened

    getattr(proxy.server, direction).harm = garbled

    await eventually(lambda: proxy.server.opened >= opened + 2)
    await eventually(lambda: "Lost connection with node: [kenny" in cartman.log())


async def test_a_handshake_that_comes_twice_makes_no_lasting_link(
    fragile: tuple[Agent, Threaded[Proxy]],
) -> None:
    cartman, proxy = fragile
    opened = proxy.server.opened

    proxy.server.there.harm = again
    proxy.run(proxy.server.reset())
    await eventually(lambda: proxy.server.opened >= opened + 2)

    assert (await error_of_kenny(cartman)).startswith("down: ")


async def test_requests_in_flight_when_their_link_is_reset_are_answered_at_once(
    fragile: tuple[Agent, Threaded[Proxy]],
) -> None:
    cartman, proxy = fragile

    for _ in range(2):
        proxy.server.back.delay = 5.0
        await busy(proxy.server.there)
        proxy.run(proxy.server.reset())
        proxy.server.mend()
        await whole(cartman, "cartman", "kenny")

    await eventually(lambda: "Reason: connection reset by peer" in cartman.log())


async def test_a_dead_link_is_given_up_though_its_agent_is_up_for_others(
    harness: FaultHarness,
) -> None:
    names = ("deaf", "mute", "gone", "twofold")
    with ExitStack() as stack:
        proxies = {name: proxy_to_a_free_port(stack) for name in names}
        hub = f"127.0.0.1:{free_ports(1)[0]}"
        harmed = {name: begin(harness, name, proxies[name], hub) for name in names[:3]}
        # Of its two addresses, stan is configured with one and learns the other.
        listen = proxies["twofold"].server.target
        harmed["twofold"] = harness.begin("twofold", listen=listen, nodes=[hub])
        for agent in harmed.values():
            agent.listening()
        stan = harness.start(
            "stan", listen=hub, nodes=[proxy.address for proxy in proxies.values()]
        )
        wendy = harness.start("wendy", nodes=[hub])
        for agent in (stan, wendy):
            await whole(agent, "stan", "wendy", *names)
        also_at = {harmed["twofold"]: proxies["twofold"].address}
        await harness.watch(stan, wendy, harmed=[*harmed.values()], also_at=also_at)

        proxies["deaf"].server.there.harm = lost
        proxies["mute"].server.back.harm = cut_off()
        for name in ("gone", "twofold"):
            proxies[name].server.there.harm = proxies[name].server.back.harm = lost
        seen: dict[str, str] = {}

        async def given_up() -> bool:
            nonlocal seen
            seen = errors(await ask(stan, {"type": 1, "timeout": 0.5}))
            down = [seen[name].startswith("down: no sign of life") for name in names[:3]]
            return all(down) and seen["twofold"] == ""

        await eventually(given_up, within=2 * SILENCE + 3 * SLACK, why=lambda: seen)
        for proxy in proxies.values():
            proxy.server.mend()
            proxy.run(proxy.server.reset())
        for agent in (stan, wendy):
            await whole(agent, "stan", "wendy", *names)
        await eventually(lambda: stan.log().count("no sign of life") == len(proxies))
