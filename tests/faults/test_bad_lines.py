"""The line between two agents: slow, one-way, cut in pieces, repeating itself, or dead.

cartman reaches kenny over a line that can be harmed; kenny reaches cartman over a good one.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest

from bench.harness.agents import Agent, Agents, whole
from bench.harness.processes import free_ports
from bench.harness.proxy import Harm, Proxy, again, cut_off, garbled, halved, lost, stale
from bench.harness.threaded import Threaded
from eventually import SLACK, eventually
from invariants.harness import FaultHarness
from live.asking import ask, errors
from nodnod_agent.core.membership.keepalive import SILENCE

MESSAGES = 30
"""Messages that are to go over a bad line, at least."""


def leading_to_a_new_agent(stack: ExitStack) -> Threaded[Proxy]:
    """A line to where an agent may listen, on a thread of its own."""
    (port,) = free_ports(1)
    return stack.enter_context(Threaded(Proxy(f"127.0.0.1:{port}")))


def begin(agents: Agents, name: str, line: Threaded[Proxy], hub: str) -> Agent:
    """Start an agent at the end of a line, over which others are told to come."""
    flags = ["--advertise", line.address]
    return agents.begin(name, listen=line.server.target, nodes=[hub], flags=flags)


@pytest.fixture(scope="module")
def shared_line() -> Iterator[Threaded[Proxy]]:
    with ExitStack() as stack:
        yield leading_to_a_new_agent(stack)


@pytest.fixture
async def bearable(
    ward: FaultHarness, shared_agents: Agents, shared_line: Threaded[Proxy]
) -> AsyncIterator[tuple[Agent, Threaded[Proxy]]]:
    """cartman and the line to kenny, which a test may harm, but not cut; kyle uses it too."""
    names = ("cartman", "kenny", "kyle")
    if not shared_agents.started:
        hub = f"127.0.0.1:{free_ports(1)[0]}"
        begin(shared_agents, "kenny", shared_line, hub).listening()
        shared_agents.start("cartman", listen=hub, nodes=[shared_line.address])
        shared_agents.start("kyle", nodes=[hub])
    kenny, cartman, kyle = shared_agents.started
    for agent in shared_agents.started:
        await whole(agent, *names)
    await ward.watch(cartman, kyle, harmed=[kenny])
    lost = cartman.log().count("Lost connection")
    yield cartman, shared_line
    shared_line.server.mend()
    await whole(cartman, *names)
    assert cartman.log().count("Lost connection") == lost


@pytest.fixture
async def fragile(ward: FaultHarness) -> AsyncIterator[tuple[Agent, Threaded[Proxy]]]:
    """cartman and the line to kenny, of which a test may make what it likes."""
    with ExitStack() as stack:
        line = leading_to_a_new_agent(stack)
        hub = f"127.0.0.1:{free_ports(1)[0]}"
        kenny = begin(ward, "kenny", line, hub)
        cartman = ward.begin("cartman", listen=hub, nodes=[line.address])
        for agent in (kenny, cartman):
            agent.listening()
        await whole(cartman, "cartman", "kenny")
        await ward.watch(cartman, harmed=[kenny])
        yield cartman, line
        line.server.mend()
        await whole(cartman, "cartman", "kenny")


async def busy(*ways: object) -> None:
    """Wait until so many messages have gone these ways; the watchers ask all the time."""
    due = [(way, way.reads + MESSAGES) for way in ways]
    await eventually(lambda: all(way.reads >= most for way, most in due))


async def error_of_kenny(agent: Agent, within: float = 0.5) -> str:
    return errors(await ask(agent, {"type": 1, "timeout": within}))["kenny"]


# That connections survive.


BEARABLE: dict[str, Callable[[], Harm]] = {
    "in pieces": lambda: halved,
    "everything twice": lambda: again,
    "everything again later": lambda: stale(9),
}


@pytest.mark.parametrize("harm", BEARABLE.values(), ids=BEARABLE.keys())
async def test_a_line_that_cuts_or_repeats_messages_changes_no_answer(
    bearable: tuple[Agent, Threaded[Proxy]], harm: Callable[[], Harm]
) -> None:
    cartman, line = bearable

    line.server.there.harm, line.server.back.harm = harm(), harm()
    await busy(line.server.there, line.server.back)

    assert await error_of_kenny(cartman) == ""


async def test_over_a_slow_line_answers_come_late_or_not_and_are_never_mixed_up(
    bearable: tuple[Agent, Threaded[Proxy]],
) -> None:
    cartman, line = bearable

    line.server.there.delay = line.server.back.delay = 0.4
    await busy(line.server.there, line.server.back)

    assert await error_of_kenny(cartman, 0.4) == "no answer within 0.4 s"
    assert await error_of_kenny(cartman, 0.8 + 2 * SLACK) == ""


# That connections do not survive.


async def test_a_line_that_cuts_the_handshake_in_pieces_connects_all_the_same(
    fragile: tuple[Agent, Threaded[Proxy]],
) -> None:
    cartman, line = fragile
    opened = line.server.opened

    line.server.there.harm = line.server.back.harm = halved
    line.run(line.server.reset())

    await whole(cartman, "cartman", "kenny")
    assert line.server.opened > opened


@pytest.mark.parametrize("way", ["there", "back"])
async def test_a_line_that_garbles_frames_is_cut_and_dialled_anew(
    fragile: tuple[Agent, Threaded[Proxy]], way: str
) -> None:
    cartman, line = fragile
    opened = line.server.opened

    getattr(line.server, way).harm = garbled

    await eventually(lambda: line.server.opened >= opened + 2)
    await eventually(lambda: "Lost connection with node: [kenny" in cartman.log())


async def test_a_handshake_that_comes_twice_makes_no_lasting_link(
    fragile: tuple[Agent, Threaded[Proxy]],
) -> None:
    cartman, line = fragile
    opened = line.server.opened

    line.server.there.harm = again
    line.run(line.server.reset())
    await eventually(lambda: line.server.opened >= opened + 2)

    assert (await error_of_kenny(cartman)).startswith("down: ")


async def test_requests_in_flight_when_their_line_is_reset_are_answered_at_once(
    fragile: tuple[Agent, Threaded[Proxy]],
) -> None:
    cartman, line = fragile

    for _ in range(2):
        line.server.back.delay = 5.0
        await busy(line.server.there)
        line.run(line.server.reset())
        line.server.mend()
        await whole(cartman, "cartman", "kenny")

    await eventually(lambda: "Reason: connection reset by peer" in cartman.log())


async def test_a_dead_line_is_given_up_though_its_agent_speaks_elsewhere(
    ward: FaultHarness,
) -> None:
    names = ("deaf", "mute", "gone", "twofold")
    with ExitStack() as stack:
        lines = {name: leading_to_a_new_agent(stack) for name in names}
        hub = f"127.0.0.1:{free_ports(1)[0]}"
        harmed = {name: begin(ward, name, lines[name], hub) for name in names[:3]}
        # Of its two addresses, stan is told of one, and learns of the other.
        listen = lines["twofold"].server.target
        harmed["twofold"] = ward.begin("twofold", listen=listen, nodes=[hub])
        for agent in harmed.values():
            agent.listening()
        stan = ward.start("stan", listen=hub, nodes=[line.address for line in lines.values()])
        wendy = ward.start("wendy", nodes=[hub])
        for agent in (stan, wendy):
            await whole(agent, "stan", "wendy", *names)
        also_at = {harmed["twofold"]: lines["twofold"].address}
        await ward.watch(stan, wendy, harmed=[*harmed.values()], also_at=also_at)

        lines["deaf"].server.there.harm = lost
        lines["mute"].server.back.harm = cut_off()
        for name in ("gone", "twofold"):
            lines[name].server.there.harm = lines[name].server.back.harm = lost
        seen: dict[str, str] = {}

        async def given_up() -> bool:
            nonlocal seen
            seen = errors(await ask(stan, {"type": 1, "timeout": 0.5}))
            down = [seen[name].startswith("down: no sign of life") for name in names[:3]]
            return all(down) and seen["twofold"] == ""

        await eventually(given_up, within=2 * SILENCE + 3 * SLACK, why=lambda: seen)
        for line in lines.values():
            line.server.mend()
            line.run(line.server.reset())
        for agent in (stan, wendy):
            await whole(agent, "stan", "wendy", *names)
        await eventually(lambda: stan.log().count("no sign of life") == len(lines))
