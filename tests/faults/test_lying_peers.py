"""Peers that answer wrong: each spoils its own entry, and nobody else's.

stan asks two honest peers, one of each version, and many that are called after their lies.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import pytest

from bench.harness.agents import Agent, whole
from bench.harness.invariants.ground_truth import KnownNode
from doubles.v1_server import node_object
from doubles.v2_server import V2Server
from eventually import eventually
from invariants.harness import MEGABYTE, FaultHarness
from invariants.peers import Lie, OldPeer, Peer, Say, honest
from live.asking import ask, errors
from nodnod_agent.core.membership.gossip import JOIN

QUESTIONS = 12
"""That each liar is to lie to, at least, or be cut; the watchers ask all the time."""

PACE = 0.2
"""Seconds from one burst of questions to the next where there are many liars: each is asked each."""

LONG_PACE = 0.5
"""Seconds where they lie at length: a machine must tell and hear it all in between."""

LONG_DEADLINE = 3.0
"""Seconds in which what is told at length is heard on any machine."""

GROWTH = 48 * MEGABYTE
"""Bytes: some messages of a peer's limit, 4 MiB, as bytes, text and object."""


class Told(NamedTuple):
    """A lie, and what is then said of who tells it."""

    lie: Lie
    said: str
    stamped: bool = True
    """Whether it is still told when it answered."""


@asynccontextmanager
async def liars(
    ward: FaultHarness,
    lies: Mapping[str, Told],
    *kinds: type[Peer] | type[OldPeer],
    pace: float = PACE,
) -> AsyncIterator[tuple[Agent, list[Any]]]:
    """stan, and who lies to him, one of each kind for each lie; they are honest at first."""
    async with AsyncExitStack() as stack:
        good: list[Peer | OldPeer] = [Peer("kyle", 2), OldPeer("kenny", 3)]
        numbered = enumerate(((name, kind) for kind in kinds for name in lies), 4)
        bad = [kind(f"{name}, {kind.__name__}", mark) for mark, (name, kind) in numbered]
        for peer in (*good, *bad):
            await stack.enter_async_context(peer)
        stan = ward.start("stan", nodes=[peer.address for peer in (*good, *bad)])
        names = ["stan", *(peer.name for peer in (*good, *bad))]
        await whole(stan, *names)
        told = [lies[peer.name.rpartition(", ")[0]] for peer in bad]
        await ward.watch(
            stan,
            unwatched=[peer.node() for peer in good],
            harmed=[peer.node(stamped=one.stamped) for peer, one in zip(bad, told, strict=True)],
            growth=GROWTH,
            pace=pace,
        )
        for peer, one in zip(bad, told, strict=True):
            peer.lie = one.lie
        try:
            yield stan, bad
            for peer in bad:
                peer.lie = honest
                if any(one.lie is never for one in told):
                    # What a peer of version 1 has once kept back is missing for ever.
                    await peer.drop()
            await whole(stan, *names)
        finally:
            await ward.judge()  # while they are all there


async def seen_through(
    stan: Agent, peers: Iterable[Any], said: dict[str, str], *, deadline: float = 0.5
) -> None:
    """Wait until each peer has lied enough, and stan, asked with this deadline, says so of them.

    He is asked more than once, as on a busy machine a lie may be late besides.
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

    async def as_called() -> bool:
        nonlocal wrong
        seen = errors(await ask(stan, {"type": 1, "timeout": deadline}))
        wrong = {name: seen[name] for name in said if not re.fullmatch(said[name], seen[name])}
        return not wrong

    await eventually(as_called, within=30, why=lambda: wrong)


def changed(answer: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An answer with other fields in its node."""
    nodes = {name: {**node, **fields} for name, node in answer["nodes"].items()}
    return {**answer, "nodes": nodes}


def of(name: str, answer: dict[str, Any]) -> dict[str, Any]:
    """An answer that is another's."""
    (node,) = answer["nodes"].values()
    return {**answer, "nodes": {name: {**node, "name": name}}}


async def twice(say: Say, answer: dict[str, Any]) -> None:
    await say(answer)
    await say(answer)


async def twice_and_differently(say: Say, answer: dict[str, Any]) -> None:
    await say(answer)
    await say(changed(answer, cpuUsed=99.0, memoryTotal=99, diskTotal=99))


async def ten_times(say: Say, answer: dict[str, Any]) -> None:
    for _ in range(10):
        await say(answer)


async def late(say: Say, answer: dict[str, Any]) -> None:
    await asyncio.sleep(0.8)
    await say(answer)


async def never(say: Say, answer: dict[str, Any]) -> None:
    pass


async def for_another_node(say: Say, answer: dict[str, Any]) -> None:
    await say(of("kyle", answer))


async def for_us(say: Say, answer: dict[str, Any]) -> None:
    await say(of("stan", answer))


async def for_two_nodes(say: Say, answer: dict[str, Any]) -> None:
    await say({**answer, "nodes": answer["nodes"] | of("kyle", answer)["nodes"]})


async def for_no_node(say: Say, answer: dict[str, Any]) -> None:
    await say({**answer, "nodes": {}})


async def as_another_host(say: Say, answer: dict[str, Any]) -> None:
    await say({**answer, "host": "kyle"})


def padded(size: int) -> Lie:
    """Answers with so many bytes more in its node."""

    async def lie(say: Say, answer: dict[str, Any]) -> None:
        # Not by way of an object: that would take the time of all who are here.
        text = json.dumps(changed(answer, padding="-"))
        await say(text.replace('"-"', f'"{"x" * size}"'))

    return lie


async def a_field_twice(say: Say, answer: dict[str, Any]) -> None:
    await say(json.dumps(answer).replace('"error"', '"error": "", "error"'))


async def no_json(say: Say, answer: dict[str, Any]) -> None:
    await say("{]")


async def no_object(say: Say, answer: dict[str, Any]) -> None:
    await say("[0]")


async def too_deep(say: Say, answer: dict[str, Any]) -> None:
    await say("[" * 100_000)


async def a_long_error(say: Say, answer: dict[str, Any]) -> None:
    await say({**answer, "nodes": {}, "error": "x" * 10_000})


async def bytes_for_text(say: Say, answer: dict[str, Any]) -> None:
    await say(json.dumps(answer).encode())


def with_field(field: str, value: str) -> Lie:
    """Says something else for a field of its node, if that was asked for."""

    async def lie(say: Say, answer: dict[str, Any]) -> None:
        text = json.dumps(answer)
        await say(re.sub(rf'"{field}": [^,]*', f'"{field}": {value}', text))

    return lie


def with_id(change: Any) -> Lie:
    """Answers with another id than that of the question."""

    async def lie(say: Say, answer: dict[str, Any]) -> None:
        await say({**answer, "id": change(answer["id"])})

    return lie


async def without_id(say: Say, answer: dict[str, Any]) -> None:
    await say({key: value for key, value in answer.items() if key != "id"})


SILENT = "no answer within .*"
LOST = r"down: .*|no answer within .*"
BAD = "bad answer: .*"

OF_BOTH = {
    "late": Told(late, SILENT),
    "for another node": Told(for_another_node, "bad answer: it is about node 'kyle'"),
    "for us": Told(for_us, "bad answer: it is about node 'stan'"),
    "for two nodes": Told(for_two_nodes, "bad answer: expected one node, got 2"),
    "for no node": Told(for_no_node, "bad answer: expected one node, got 0"),
    "as another host": Told(as_another_host, ""),
    "no JSON": Told(no_json, BAD),
    "no object": Told(no_object, BAD),
    "too deep": Told(too_deep, BAD),
    "a long error": Told(a_long_error, "x{200}"),
    "NaN": Told(with_field("cpuUsed", "NaN"), BAD),
    "infinity": Told(with_field("cpuUsed", "Infinity"), BAD),
    "a number too large": Told(with_field("cpuUsed", "1e999"), BAD),
    "a negative number": Told(with_field("cpuUsed", "-1"), BAD),
    "words": Told(with_field("cpuUsed", '"much"'), BAD),
    "null": Told(with_field("cpuUsed", "null"), BAD),
    "an integer too large": Told(with_field("memoryUsed", str(2**70)), BAD),
    "a field twice": Told(a_field_twice, ""),
}

OF_VERSION_2 = OF_BOTH | {
    "twice": Told(twice, ""),
    "twice and differently": Told(twice_and_differently, ""),
    "ten times": Told(ten_times, ""),
    "with the last one's id": Told(with_id(lambda id_: id_ - 1), ".*", stamped=False),
    "with the next one's id": Told(with_id(lambda id_: id_ + 1), ".*", stamped=False),
    "with the id of a join": Told(with_id(lambda id_: JOIN), SILENT),
    "with a word for an id": Told(with_id(str), SILENT),
    "with half an id": Told(with_id(lambda id_: id_ + 0.5), ".*"),
    "with a list for an id": Told(with_id(lambda id_: [id_]), BAD),
    "without id": Told(without_id, SILENT),
}

OF_VERSION_1 = OF_BOTH | {
    # What comes unasked is taken for the answer to the next question: nothing tells it apart.
    "twice": Told(twice, "", stamped=False),
    "ten times": Told(ten_times, "", stamped=False),
}

CUT = {
    "with 10 MB": Told(padded(10 * MEGABYTE), LOST),
    "with 3 MB": Told(padded(3 * MEGABYTE), "bad answer: a node object of more than 16384 bytes"),
    "bytes for text": Told(bytes_for_text, LOST),
    "never": Told(never, SILENT),
}
"""Lies that a link does not survive, or hardly."""


@pytest.mark.parametrize(("kind", "lies"), [(Peer, OF_VERSION_2), (OldPeer, OF_VERSION_1)])
async def test_peers_that_lie_spoil_their_own_entries_only(
    ward: FaultHarness, kind: type[Peer] | type[OldPeer], lies: dict[str, Told]
) -> None:
    async with liars(ward, lies, kind) as (stan, bad):
        said = {peer.name: lies[peer.name.rpartition(", ")[0]].said for peer in bad}
        await seen_through(stan, bad, said)


@pytest.mark.parametrize(("lie", "said", "stamped"), CUT.values(), ids=CUT.keys())
async def test_peers_that_spoil_their_links_are_heard_again_over_the_next(
    ward: FaultHarness, lie: Lie, said: str, stamped: bool
) -> None:
    told = {"liar": Told(lie, said, stamped)}
    async with liars(ward, told, Peer, OldPeer, pace=LONG_PACE) as (stan, bad):
        said_of = {peer.name: said for peer in bad}
        await seen_through(stan, bad, said_of, deadline=LONG_DEADLINE)


# In push mode.


def news(name: str, **stats: Any) -> str:
    """A tick that an agent of this name has sent, with these stats in it."""
    node = node_object(name, **stats)
    return json.dumps({"host": name, "nodes": {name: node}, "error": "", "id": 0, "seq": 1})


GARBAGE: dict[str, Callable[[str], str | bytes]] = {
    "no json": lambda name: "{]",
    "no object": lambda name: "[0]",
    "deep": lambda name: "[" * 100_000,
    "nan": lambda name: news(name, cpuUsed=float("nan")),
    "infinite": lambda name: news(name, cpuUsed=1.0).replace("1.0", "1e999"),
    "negative": lambda name: news(name, memoryUsed=-1),
    "words": lambda name: news(name, cpuUsed="much"),
    "too large": lambda name: news(name, memoryUsed=2**70),
    "another": lambda name: news("good"),
    "long": lambda name: news(name, padding="x" * 20_000),
    "empty": lambda name: json.dumps({"host": name, "nodes": {}, "error": "", "id": 0, "seq": 1}),
    "two": lambda name: json.dumps(
        {"nodes": {one: node_object(one) for one in (name, "good")}, "id": 0, "seq": 1}
    ),
    "error": lambda name: json.dumps({"nodes": {}, "error": "no disk", "id": 0, "seq": 1}),
}


async def test_peers_that_stream_garbage_spoil_their_own_entries_only(ward: FaultHarness) -> None:
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(V2Server(name)) for name in ("good", *GARBAGE)]
        bad = peers[1:]
        addresses = [peer.address for peer in peers]
        stan = ward.start("stan", nodes=addresses, settings={"mode": "push", "interval": 5})
        for peer in peers:
            await peer.streaming_count(1)
            await peer.tick()
        await whole(stan, "stan", "good", *GARBAGE)
        sound, *harmed = [
            KnownNode(name=peer.name, addresses=[peer.address], extra_fields=True) for peer in peers
        ]
        await ward.watch(stan, unwatched=[sound], harmed=harmed, push=True, pace=PACE)

        for peer, say in zip(bad, GARBAGE.values(), strict=True):
            await peer.say(say(peer.name))

        async def spoiled() -> bool:
            told = errors(await ask(stan, {"type": 1}))
            return all(map(told.get, GARBAGE))

        await eventually(spoiled)
        answer = await ask(stan, {"type": 1})
        told = errors(answer)
        words = {error.partition(":")[0] for name, error in told.items() if name in GARBAGE}
        assert words == {"bad answer", "no disk"}
        assert {n["cpuUsed"] for name, n in answer["nodes"].items() if name != "stan"} == {5.0}

        for peer in bad:
            await peer.tick()
        await whole(stan, "stan", "good", *GARBAGE)
        await ward.judge()  # while they are all there
