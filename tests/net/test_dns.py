"""Name resolution, with a fake resolver of the system and a fake lookup."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from unittest.mock import Mock

import pytest

from nodnod_agent.net import dns
from nodnod_agent.net.dns import MAX_LOOKUPS, Lookup, Resolver, look_up_full_name, resolve
from nodnod_client.address import Address

KYLE = Address("kyle.example", 7070)
STAN = Address("stan.example", 7071)
A, B, C = (Address(f"192.0.2.{n}", 7070) for n in (1, 2, 3))
V6 = Address("2001:db8::1", 7070)
UNKNOWN = socket.gaierror(-2, "Name or service not known")


# One lookup.


class FakeSystem:
    """A fake ``socket`` module: ``getaddrinfo`` returns once ``answer`` is set."""

    SOCK_STREAM = socket.SOCK_STREAM

    def __init__(self) -> None:
        self.queries: list[str] = []
        self.answer = threading.Event()
        self.addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.1"]

    def getaddrinfo(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        self.queries.append(host)
        assert self.answer.wait(10)
        if not self.addresses:
            raise UNKNOWN
        return [(0, 0, 0, "", (address, port)) for address in self.addresses]


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSystem]:
    system = FakeSystem()
    # Only in this module: the loop itself uses the socket module as well.
    monkeypatch.setattr(dns, "socket", system)
    yield system
    system.answer.set()
    for thread in threads_named("nodnod-lookup"):
        thread.join(10)


@pytest.fixture
async def lookup() -> Lookup:
    return Lookup(asyncio.get_running_loop())


def threads_named(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


async def give_up(lookup: Lookup) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(lookup(KYLE), 0.01)


async def test_a_lookup_returns_every_address_once(lookup: Lookup, system: FakeSystem) -> None:
    system.answer.set()

    assert [await lookup(KYLE) for _ in range(2)] == [[A, B], [A, B]]
    assert system.queries == ["kyle.example"] * 2


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1%eth0"])
async def test_an_ip_address_needs_no_query(lookup: Lookup, system: FakeSystem, host: str) -> None:
    assert await lookup(Address(host, 1)) == [Address(host, 1)]
    assert system.queries == []


async def test_concurrent_lookups_share_a_query_that_no_timeout_of_one_cancels(
    lookup: Lookup, system: FakeSystem
) -> None:
    patient = asyncio.gather(lookup(KYLE), lookup(KYLE))
    await give_up(lookup)
    system.answer.set()

    assert await patient == [[A, B], [A, B]]
    assert system.queries == ["kyle.example"]


async def test_an_unknown_name_raises_after_a_timeout(lookup: Lookup, system: FakeSystem) -> None:
    system.addresses = []
    await give_up(lookup)
    system.answer.set()

    with pytest.raises(socket.gaierror):
        await lookup(KYLE)


async def test_the_number_of_lookup_threads_is_bounded(lookup: Lookup, system: FakeSystem) -> None:
    many = [asyncio.ensure_future(lookup(Address(f"h{n}", 1))) for n in range(MAX_LOOKUPS)]
    await asyncio.sleep(0)

    with pytest.raises(OSError, match="are being looked up already"):
        await lookup(KYLE)

    system.answer.set()
    await asyncio.gather(*many)
    assert len(await lookup(KYLE)) == 2


def test_the_process_can_end_while_a_lookup_is_pending(system: FakeSystem) -> None:
    async def run() -> None:
        await give_up(Lookup(asyncio.get_running_loop()))

    asyncio.run(run())

    assert [thread.daemon for thread in threads_named("nodnod-lookup")] == [True]


# The addresses of a name.


class FakeLookup:
    """Finds the listed results in turn, the last one forever; exceptions are raised."""

    def __init__(self) -> None:
        self.results: dict[Address, list[list[Address] | Exception]] = {}
        self.queries: list[Address] = []
        self.answers = asyncio.Event()
        self.answers.set()

    async def __call__(self, name: Address) -> list[Address]:
        self.queries.append(name)
        await self.answers.wait()
        results = self.results[name]
        found = results.pop(0) if len(results) > 1 else results[0]
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def names() -> FakeLookup:
    return FakeLookup()


@pytest.mark.parametrize(
    ("found", "addresses"),
    [
        ([V6, A, B], [A, B]),
        ([V6], [V6]),
        (UNKNOWN, []),
        (OSError("no network"), []),
        (UnicodeError("label too long"), []),
    ],
)
async def test_a_name_resolves_to_its_ipv4_addresses_or_else_to_its_ipv6_addresses(
    names: FakeLookup, found: list[Address] | Exception, addresses: list[Address]
) -> None:
    names.results[KYLE] = [found]

    assert await resolve(KYLE, names) == addresses


async def test_a_lookup_without_an_answer_ends_at_its_timeout(
    names: FakeLookup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns, "LOOKUP_TIMEOUT", 0.01)
    names.answers.clear()

    assert await resolve(KYLE, names) == []


# Repeated lookups.


Results = asyncio.Queue[tuple[Address, list[Address]]]


@pytest.fixture
def results() -> Results:
    return Results()


@pytest.fixture
async def resolver(
    results: Results, names: FakeLookup, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Resolver]:
    monkeypatch.setattr(dns, "LOOKUP_INTERVAL", 0.001)
    resolver = Resolver(lambda *found: results.put_nowait(found), names)
    yield resolver
    resolver.stop()


async def next_of(results: Results) -> tuple[Address, list[Address]]:
    return await asyncio.wait_for(results.get(), 10)


async def test_a_name_is_looked_up_at_once_and_then_repeatedly_also_after_a_failure(
    resolver: Resolver, names: FakeLookup, results: Results
) -> None:
    names.results[KYLE] = [[A], OSError("no network"), [A, B], [B]]
    resolver.add(KYLE)

    found = [await next_of(results) for _ in range(4)]

    assert found == [(KYLE, [A]), (KYLE, []), (KYLE, [A, B]), (KYLE, [B])]


async def test_a_lookup_that_hangs_does_not_delay_other_names(
    resolver: Resolver, names: FakeLookup, results: Results
) -> None:
    names.answers.clear()
    names.results = {KYLE: [[A]], STAN: [[B]]}
    resolver.add(KYLE)
    await asyncio.sleep(0)
    names.answers = asyncio.Event()
    names.answers.set()
    resolver.add(STAN)

    assert await next_of(results) == (STAN, [B])


async def test_a_name_that_is_added_twice_is_looked_up_once(
    resolver: Resolver, names: FakeLookup, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns, "LOOKUP_INTERVAL", 3600)
    names.results[KYLE] = [[A]]
    resolver.add(KYLE)
    resolver.add(KYLE)
    await next_of(results)
    await asyncio.sleep(0)

    assert names.queries == [KYLE]


@pytest.mark.parametrize("end", [lambda resolver: resolver.remove(KYLE), Resolver.stop])
async def test_nothing_is_reported_after_the_end(
    resolver: Resolver, names: FakeLookup, results: Results, end: Callable[[Resolver], None]
) -> None:
    names.answers.clear()
    names.results[KYLE] = [[A]]
    resolver.add(KYLE)
    await asyncio.sleep(0)

    resolver.remove(STAN)  # which was never added
    end(resolver)
    names.answers.set()
    await asyncio.sleep(0.01)

    assert names.queries == [KYLE]
    assert results.empty()


# This machine's full name.


CANONICAL = [
    (socket.AF_INET, socket.SOCK_STREAM, 6, name, ("10.0.0.5", 0)) for name in ("kyle.example", "")
]


@pytest.mark.parametrize(
    ("answer", "names"),
    [(CANONICAL, ["kyle.example"]), ([], []), (UNKNOWN, []), (UnicodeError("too long"), [])],
)
async def test_the_full_name_is_the_first_canonical_name_if_there_is_one(
    monkeypatch: pytest.MonkeyPatch, answer: list[Any] | Exception, names: list[str]
) -> None:
    found: list[str] = []
    monkeypatch.setattr(socket, "getaddrinfo", Mock(side_effect=[answer]))

    look_up_full_name(asyncio.get_running_loop(), found.append)
    for thread in threads_named("nodnod-fullname"):
        thread.join(10)
    await asyncio.sleep(0)

    assert found == names
