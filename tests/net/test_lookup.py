"""Looking host names up, with a name server that does as it is told."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from nodnod_agent.net.lookup import MOST_AT_ONCE, Lookup, is_literal
from nodnod_client.address import Address

KYLE = Address("kyle.example", 7070)


class FakeNames:
    """Answers once it is let."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer = threading.Event()
        self.addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.1"]

    def getaddrinfo(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        assert self.answer.wait(10)
        if not self.addresses:
            raise socket.gaierror(-2, "Name or service not known")
        return [(0, 0, 0, "", (address, port)) for address in self.addresses]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeNames]:
    names = FakeNames()
    # Only here: the loop itself asks as well.
    monkeypatch.setattr("nodnod_agent.net.lookup.socket", names)
    monkeypatch.setattr(names, "SOCK_STREAM", socket.SOCK_STREAM, raising=False)
    yield names
    names.answer.set()
    for thread in threading.enumerate():
        if thread.name == "nodnod-lookup":
            thread.join(10)


@pytest.fixture
async def look_up() -> Lookup:
    return Lookup(asyncio.get_running_loop())


async def test_a_name_has_each_of_its_addresses_once(look_up: Lookup, names: FakeNames) -> None:
    names.answer.set()

    assert await look_up(KYLE) == [Address("192.0.2.1", 7070), Address("192.0.2.2", 7070)]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1%eth0"])
async def test_an_address_is_not_looked_up(look_up: Lookup, names: FakeNames, host: str) -> None:
    assert await look_up(Address(host, 1)) == [Address(host, 1)]
    assert names.asked == []


async def test_a_name_that_nobody_has_is_an_error(look_up: Lookup, names: FakeNames) -> None:
    names.addresses = []
    names.answer.set()

    with pytest.raises(socket.gaierror):
        await look_up(KYLE)


async def test_a_name_is_asked_for_once_at_a_time(look_up: Lookup, names: FakeNames) -> None:
    both = asyncio.gather(look_up(KYLE), look_up(KYLE))
    await asyncio.sleep(0)
    names.answer.set()

    first, second = await both

    assert first == second
    assert names.asked == ["kyle.example"]


async def test_a_name_is_asked_for_again_the_next_time(look_up: Lookup, names: FakeNames) -> None:
    names.answer.set()

    await look_up(KYLE)
    await look_up(KYLE)

    assert len(names.asked) == 2


async def test_who_gives_up_does_not_spoil_it_for_others(look_up: Lookup, names: FakeNames) -> None:
    patient = asyncio.ensure_future(look_up(KYLE))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(look_up(KYLE), 0.01)
    names.answer.set()

    assert len(await patient) == 2


async def test_a_failure_that_nobody_waits_for_is_no_complaint(
    look_up: Lookup, names: FakeNames
) -> None:
    names.addresses = []
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(look_up(KYLE), 0.01)

    names.answer.set()

    with pytest.raises(socket.gaierror):
        await look_up(KYLE)


async def test_names_without_number_do_not_take_threads_without_number(
    look_up: Lookup, names: FakeNames
) -> None:
    many = [asyncio.ensure_future(look_up(Address(f"h{n}", 1))) for n in range(MOST_AT_ONCE)]
    await asyncio.sleep(0)

    with pytest.raises(OSError, match="are being looked up already"):
        await look_up(KYLE)

    names.answer.set()
    await asyncio.gather(*many)
    assert len(await look_up(KYLE)) == 2


def test_the_end_of_the_process_does_not_wait_for_a_name_server(names: FakeNames) -> None:
    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(Lookup(asyncio.get_running_loop())(KYLE), 0.01)

    asyncio.run(give_up())

    threads = [thread for thread in threading.enumerate() if thread.name == "nodnod-lookup"]
    assert [thread.daemon for thread in threads] == [True]


@pytest.mark.parametrize(
    ("host", "literal"),
    [("127.0.0.1", True), ("::1", True), ("fe80::1%eth0", True), ("localhost", False), ("", False)],
)
def test_an_address_is_told_from_a_name(host: str, literal: bool) -> None:
    assert is_literal(host) is literal
