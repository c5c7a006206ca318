"""Peers that answer wrong: each spoils its own entry, and no other.

stan asks two honest peers, one of each version, and many that are named after their lies.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import pytest

from bench.harness.agents import Agent, whole
from bench.harness.threaded import Threaded
from eventually import eventually
from invariants.harness import MEGABYTE, FaultHarness
from invariants.peers import Lie, OldPeer, Peer, Say, honest
from live.asking import ask, errors
from nodnod_agent.core.membership.gossip import JOIN

QUESTIONS = 12
"""Questions that each liar must answer at least, or lose its link; the watchers ask all the time."""

PACE = 0.2
"""Seconds from one burst of questions to the next where there are many liars."""

LONG_PACE = 0.5
"""The same where their lies are long: the machine must send and read them in between."""

LONG_DEADLINE = 3.0
"""Seconds in which any machine reads a long lie."""

GROWTH = 48 * MEGABYTE
"""Bytes of some messages of the limit for peers, 4 MiB, as bytes, text and object."""


class Case(NamedTuple):
    """A lie, and the error that the agent then has for the liar."""

    lie: Lie
    error: str
    stamped: bool = True
    """Whether the answer still has the time at which it was sent."""


@asynccontextmanager
async def liars(
    harness: FaultHarness,
    lies: Mapping[str, Case],
    *kinds: type[Peer] | type[OldPeer],
    pace: float = PACE,
) -> AsyncIterator[tuple[Agent, list[Any]]]:
    """stan and its liars, one of each kind for each lie; they are honest at first."""
    async with AsyncExitStack() as stack:
        # On threads of their own: long lies must not delay honest answers.
        good = [
            stack.enter_context(Threaded[Peer | OldPeer](peer)).server
            for peer in (Peer("kyle", 2), OldPeer("kenny", 3))
        ]
        numbered = enumerate(((name, kind) for kind in kinds for name in lies), 4)
        bad = [kind(f"{name}, {kind.__name__}", mark) for mark, (name, kind) in numbered]
        for peer in bad:
            await stack.enter_async_context(peer)
        stan = harness.start("stan", nodes=[peer.address for peer in (*good, *bad)])
        names = ["stan", *(peer.name for peer in (*good, *bad))]
        await whole(stan, *names)
        cases = [lies[peer.name.rpartition(", ")[0]] for peer in bad]
        await harness.watch(
            stan,
            unwatched=[peer.node() for peer in good],
            harmed=[peer.node(stamped=one.stamped) for peer, one in zip(bad, cases, strict=True)],
            growth=GROWTH,
            pace=pace,
        )
        for peer, one in zip(bad, cases, strict=True):
            peer.lie = one.lie
        try:
            yield stan, bad
            for peer in bad:
                peer.lie = honest
                if any(one.lie is never for one in cases):
                    # An answer that a version-1 peer once kept back is missing for ever.
                    await peer.drop()
            await whole(stan, *names)
        finally:
            await harness.judge()  # while the peers still run


async def detected(
    stan: Agent, peers: Iterable[Any], expected: dict[str, str], *, deadline: float = 0.5
) -> None:
    """Wait until each peer has lied enough, and stan, asked with this deadline, has these errors.

    It is asked more than once: on a busy machine a lie may also be late.
    """
    before = {peer: len(peer.requests) for peer in peers}
    opened = {peer: peer.opened for peer in peers}

    def enough() -> bool:
        return all(
            len(peer.requests) >= before[peer] + QUESTIONS or peer.opened > opened[peer]
            for peer in peers
        )

    await eventually(enough, within=30)
    wrong: dict[str, str] = {}

    async def as_expected() -> bool:
        nonlocal wrong
        seen = errors(await ask(stan, {"type": 1, "timeout": deadline}))
        wrong = {
            name: seen[name] for name in expected if not re.fullmatch(expected[name], seen[name])
        }
        return not wrong

    await eventually(as_expected, within=30, why=lambda: wrong)


def changed(answer: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An answer with other fields in its node."""
    nodes = {name: {**node, **fields} for name, node in answer["nodes"].items()}
    return {**answer, "nodes": nodes}


def of(name: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer of another node."""
    (node,) = answer["nodes"].values()
    return {**answer, "nodes": {name: {**node, "name": name}}}


def repeated(times: int, **fields: Any) -> Lie:
    """Answer so many times; the last answer has these fields."""

    async def lie(say: Say, answer: dict[str, Any]) -> None:
        for _ in range(times - 1):
            await say(answer)
        await say(changed(answer, **fields))

    return lie


async def late(say: Say, answer: dict[str, Any]) -> None:
    await asyncio.sleep(0.8)
    await say(answer)


async def never(say: Say, answer: dict[str, Any]) -> None:
    pass


def instead(change: Callable[[dict[str, Any]], dict[str, Any] | str | bytes]) -> Lie:
    """Say something else than the answer."""

    async def lie(say: Say, answer: dict[str, Any]) -> None:
        await say(change(answer))

    return lie


def for_two_nodes(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "nodes": answer["nodes"] | of("kyle", answer)["nodes"]}


def padded(size: int) -> Lie:
    """Answer with so many bytes more in the node."""
    # Not as an object, which would take long to encode.
    padding = "x" * size
    return instead(lambda a: json.dumps(changed(a, padding="-")).replace('"-"', f'"{padding}"'))


def a_field_twice(answer: dict[str, Any]) -> str:
    return json.dumps(answer).replace('"error"', '"error": "", "error"')


def with_field(field: str, value: str) -> Lie:
    """Answer with another value of a field, if it was asked for."""
    return instead(lambda a: re.sub(rf'"{field}": [^,]*', f'"{field}": {value}', json.dumps(a)))


def with_id(change: Any) -> Lie:
    """Answer with another id than that of the question."""
    return instead(lambda answer: {**answer, "id": change(answer["id"])})


def without_id(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "id"}


SILENT = "no answer within .*"
LOST = r"down: .*|no answer within .*"
BAD = "bad answer: .*"

OF_BOTH = {
    "late": Case(late, SILENT),
    "for another node": Case(
        instead(lambda a: of("kyle", a)), "bad answer: it is about node 'kyle'"
    ),
    "for us": Case(instead(lambda a: of("stan", a)), "bad answer: it is about node 'stan'"),
    "for two nodes": Case(instead(for_two_nodes), "bad answer: expected one node, got 2"),
    "for no node": Case(
        instead(lambda a: {**a, "nodes": {}}), "bad answer: expected one node, got 0"
    ),
    "as another host": Case(instead(lambda a: {**a, "host": "kyle"}), ""),
    "no JSON": Case(instead(lambda a: "{]"), BAD),
    "no object": Case(instead(lambda a: "[0]"), BAD),
    "too deep": Case(instead(lambda a: "[" * 100_000), BAD),
    "a long error": Case(instead(lambda a: {**a, "nodes": {}, "error": "x" * 10_000}), "x{200}"),
    "NaN": Case(with_field("cpuUsed", "NaN"), BAD),
    "infinity": Case(with_field("cpuUsed", "Infinity"), BAD),
    "a number too large": Case(with_field("cpuUsed", "1e999"), BAD),
    "a negative number": Case(with_field("cpuUsed", "-1"), BAD),
    "words": Case(with_field("cpuUsed", '"much"'), BAD),
    "null": Case(with_field("cpuUsed", "null"), BAD),
    "an integer too large": Case(with_field("memoryUsed", str(2**70)), BAD),
    "a field twice": Case(instead(a_field_twice), ""),
}

OF_VERSION_2 = OF_BOTH | {
    "twice": Case(repeated(2), ""),
    "twice and differently": Case(repeated(2, cpuUsed=99.0, memoryTotal=99, diskTotal=99), ""),
    "ten times": Case(repeated(10), ""),
    "with the last one's id": Case(with_id(lambda id_: id_ - 1), ".*", stamped=False),
    "with the next one's id": Case(with_id(lambda id_: id_ + 1), ".*", stamped=False),
    "with the id of a join": Case(with_id(lambda id_: JOIN), SILENT),
    "with a word for an id": Case(with_id(str), SILENT),
    "with half an id": Case(with_id(lambda id_: id_ + 0.5), ".*"),
    "with a list for an id": Case(with_id(lambda id_: [id_]), BAD),
    "without id": Case(instead(without_id), SILENT),
}

OF_VERSION_1 = OF_BOTH | {
    # An answer too many is taken for the answer to the next question: nothing tells it apart.
    "twice": Case(repeated(2), "", stamped=False),
    "ten times": Case(repeated(10), "", stamped=False),
}

CUT = {
    "with 5 MB": Case(padded(5 * MEGABYTE), LOST),
    "with 1 MB": Case(padded(MEGABYTE), "bad answer: a node object of more than 16384 bytes"),
    "bytes for text": Case(instead(lambda a: json.dumps(a).encode()), LOST),
    "never": Case(never, SILENT),
}
"""Lies that a link does not survive, or hardly."""


@pytest.mark.parametrize(("kind", "lies"), [(Peer, OF_VERSION_2), (OldPeer, OF_VERSION_1)])
async def test_peers_that_lie_spoil_their_own_entries_only(
    harness: FaultHarness, kind: type[Peer] | type[OldPeer], lies: dict[str, Case]
) -> None:
    async with liars(harness, lies, kind) as (stan, bad):
        expected = {peer.name: lies[peer.name.rpartition(", ")[0]].error for peer in bad}
        await detected(stan, bad, expected)


@pytest.mark.parametrize(("lie", "error", "stamped"), CUT.values(), ids=CUT.keys())
async def test_peers_that_break_their_links_are_believed_again_over_the_next(
    harness: FaultHarness, lie: Lie, error: str, stamped: bool
) -> None:
    lies = {"liar": Case(lie, error, stamped)}
    async with liars(harness, lies, Peer, OldPeer, pace=LONG_PACE) as (stan, bad):
        await detected(stan, bad, {peer.name: error for peer in bad}, deadline=LONG_DEADLINE)
