"""Host names that are looked up again and again, with a look-up that finds what the test says."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from core.harness import CoreHarness
from nodnod_agent.net import resolver as resolver_module
from nodnod_agent.net.resolver import Resolver, resolve
from nodnod_client.address import Address

KYLE = Address("kyle.example", 7070)
STAN = Address("stan.example", 7071)
A, B, C = (Address(f"192.0.2.{n}", 7070) for n in (1, 2, 3))
V6 = Address("2001:db8::1", 7070)


class Names:
    """A name server: what is found in turn, the last of it for ever; what is an error, is raised."""

    def __init__(self) -> None:
        self.finds: dict[Address, list[list[Address] | Exception]] = {}
        self.asked: list[Address] = []
        self.silent = asyncio.Event()
        self.silent.set()

    async def __call__(self, name: Address) -> list[Address]:
        self.asked.append(name)
        await self.silent.wait()
        finds = self.finds[name]
        found = finds.pop(0) if len(finds) > 1 else finds[0]
        if isinstance(found, Exception):
            raise found
        return found


class Told:
    """Whom a resolver tells."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[Address, list[Address]]] = asyncio.Queue()

    def __call__(self, name: Address, addresses: list[Address]) -> None:
        self.queue.put_nowait((name, addresses))

    async def next(self) -> tuple[Address, list[Address]]:
        return await asyncio.wait_for(self.queue.get(), 10)


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def resolver(
    told: Told, names: Names, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Resolver]:
    monkeypatch.setattr(resolver_module, "EVERY", 0.001)
    resolver = Resolver(told, names)
    yield resolver
    resolver.stop()


# One look-up.


async def test_of_both_families_the_addresses_of_ipv4_are_taken(names: Names) -> None:
    names.finds[KYLE] = [[V6, A, B]]

    assert await resolve(KYLE, names) == [A, B]


async def test_a_name_with_addresses_of_ipv6_alone_is_these(names: Names) -> None:
    names.finds[KYLE] = [[V6]]

    assert await resolve(KYLE, names) == [V6]


@pytest.mark.parametrize(
    "failure",
    [
        socket.gaierror(-2, "Name or service not known"),
        OSError("no network"),
        UnicodeError("label too long"),
    ],
    ids=["no such name", "no network", "no name at all"],
)
async def test_a_name_that_cannot_be_looked_up_has_no_addresses(
    names: Names, failure: Exception
) -> None:
    names.finds[KYLE] = [failure]

    assert await resolve(KYLE, names) == []


async def test_a_name_server_that_does_not_answer_is_given_up(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver_module, "LIMIT", 0.01)
    names.silent.clear()

    assert await resolve(KYLE, names) == []


# Again and again.


async def test_a_name_is_looked_up_at_once_and_then_again(
    resolver: Resolver, names: Names, told: Told
) -> None:
    names.finds[KYLE] = [[A], [A, B], [B]]
    resolver.add(KYLE)

    assert [await told.next() for _ in range(3)] == [(KYLE, [A]), (KYLE, [A, B]), (KYLE, [B])]


async def test_a_failure_is_told_and_does_not_end_the_looking(
    resolver: Resolver, names: Names, told: Told
) -> None:
    names.finds[KYLE] = [OSError("no network"), [A]]
    resolver.add(KYLE)

    assert [await told.next() for _ in range(2)] == [(KYLE, []), (KYLE, [A])]


async def test_a_name_that_hangs_holds_up_no_other(
    resolver: Resolver, names: Names, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    names.silent.clear()
    names.finds = {KYLE: [[A]], STAN: [[B]]}
    resolver.add(KYLE)
    await asyncio.sleep(0)
    names.silent = asyncio.Event()
    names.silent.set()
    resolver.add(STAN)

    assert await told.next() == (STAN, [B])


async def test_a_name_that_is_added_twice_is_followed_once(
    resolver: Resolver, names: Names, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver_module, "EVERY", 3600)
    names.finds[KYLE] = [[A]]
    resolver.add(KYLE)
    resolver.add(KYLE)
    await told.next()
    await asyncio.sleep(0)

    assert names.asked == [KYLE]


@pytest.mark.parametrize("how", ["remove", "stop"])
async def test_after_the_end_nothing_is_told(
    resolver: Resolver, names: Names, told: Told, how: str
) -> None:
    names.silent.clear()
    names.finds[KYLE] = [[A]]
    resolver.add(KYLE)
    await asyncio.sleep(0)

    if how == "remove":
        resolver.remove(KYLE)
    else:
        resolver.stop()
    names.silent.set()
    await asyncio.sleep(0.01)

    assert names.asked == [KYLE]
    assert told.queue.empty()


async def test_to_remove_what_was_never_added_does_no_harm(resolver: Resolver) -> None:
    resolver.remove(KYLE)


# With the peers that it tells.


async def test_a_name_with_several_addresses_becomes_several_nodes_that_come_and_go(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver_module, "EVERY", 0.001)
    stage = CoreHarness()
    peers = stage.cluster.peers
    finds: asyncio.Queue[list[Address]] = asyncio.Queue()
    seen: asyncio.Queue[list[str]] = asyncio.Queue()

    async def look_up(_: Address) -> list[Address]:
        return await finds.get()

    def tell(name: Address, addresses: list[Address]) -> None:
        peers.resolved(name, addresses)
        seen.put_nowait([row.address for row in peers.members()[1:]])

    async def after(*found: Address) -> list[str]:
        finds.put_nowait(list(found))
        return sorted(await asyncio.wait_for(seen.get(), 10))

    peers.expect(KYLE)
    resolver = Resolver(tell, look_up)
    resolver.add(KYLE)

    assert [row.error for row in peers.members()[1:]] == ["looking up the name"]
    assert await after(A, B) == [str(A), str(B)]
    assert await after() == [str(A), str(B)]
    assert await after(B, C, V6) == [str(B), str(C)]
    assert await after(B) == [str(KYLE)]
    resolver.stop()
