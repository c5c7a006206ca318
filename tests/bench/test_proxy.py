"""That the bad line is bad just as it says."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bench.harness.proxy import (
    HEADERS,
    Passed,
    Proxy,
    again,
    cut_off,
    garbled,
    halved,
    lost,
    stale,
)
from eventually import eventually


class Ends:
    """Both ends of one connection through a proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.far: asyncio.StreamWriter
        self.far_reads: asyncio.StreamReader
        self.near: asyncio.StreamWriter
        self.near_reads: asyncio.StreamReader

    async def say(self, *words: str) -> None:
        """Say each word there, once the proxy has taken the one before."""
        for word in words:
            before = self.proxy.there.reads
            self.near.write(word.encode())
            await eventually(lambda before=before: self.proxy.there.reads > before)

    async def heard(self, count: int) -> str:
        async with asyncio.timeout(5):
            return (await self.far_reads.readexactly(count)).decode()


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    met: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    server = await asyncio.start_server(lambda *pair: met.put_nowait(pair), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Proxy(f"127.0.0.1:{port}") as proxy:
        ends = Ends(proxy)
        host, _, port = proxy.address.rpartition(":")
        ends.near_reads, ends.near = await asyncio.open_connection(host, int(port))
        ends.far_reads, ends.far = await met.get()
        yield ends
        for writer in (ends.near, ends.far):
            writer.transport.abort()


async def test_a_clean_line_passes_all_both_ways_and_the_end(ends: Ends) -> None:
    await ends.say("one", "two")
    ends.far.write(b"three")
    ends.near.write_eof()
    ends.far.write_eof()

    assert (await ends.far_reads.read()).decode() == "onetwo"
    assert await ends.near_reads.read() == b"three"


async def test_what_is_lost_one_way_still_passes_the_other(ends: Ends) -> None:
    ends.proxy.there.harm = lost
    await ends.say("one")
    ends.proxy.mend()
    await ends.say("two")
    ends.far.write(b"three")

    assert await ends.heard(3) == "two"
    assert await ends.near_reads.readexactly(5) == b"three"


async def test_what_is_replayed_comes_twice_and_what_is_stale_much_later(ends: Ends) -> None:
    ends.proxy.there.harm = again
    await ends.say("one")
    ends.proxy.there.harm = stale(2)
    await ends.say("a", "b", "c", "d")

    assert await ends.heard(12) == "oneoneabcadb"


async def test_what_is_garbled_has_bytes_too_many(ends: Ends) -> None:
    ends.proxy.there.harm = garbled
    await ends.say("hello")

    assert await ends.heard(8) == "hellollo"


async def test_who_is_cut_off_says_half_a_message_more(ends: Ends) -> None:
    ends.proxy.there.harm = cut_off()
    await ends.say("hello!", "hello?")
    ends.proxy.mend()
    await ends.say("again")

    assert await ends.heard(8) == "helagain"


def test_what_is_halved_is_all_there_in_small_pieces() -> None:
    data = bytes(range(256))

    pieces = list(halved(data))

    assert b"".join(pieces) == data
    assert {len(piece) for piece in pieces} > {1, 4, 7}


async def test_what_is_delayed_keeps_its_order_and_is_not_slowed_down(ends: Ends) -> None:
    ends.proxy.there.delay = 0.3
    began = asyncio.get_running_loop().time()
    await ends.say("one", "two", "three")

    assert await ends.heard(11) == "onetwothree"
    assert 0.3 <= asyncio.get_running_loop().time() - began < 3 * 0.3


async def test_a_reset_is_one_on_both_sides(ends: Ends) -> None:
    await ends.proxy.reset()

    for reader in (ends.near_reads, ends.far_reads):
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_what_passes_is_counted_both_ways(ends: Ends) -> None:
    await ends.say("question")
    assert await ends.heard(8) == "question"
    before = ends.proxy.passed()
    ends.far.write(b"answer!")
    assert await ends.near_reads.readexactly(7) == b"answer!"

    assert before.payload == 8
    assert ends.proxy.passed().since(before).payload == 7


def test_headers_are_counted_for_each_segment() -> None:
    assert Passed(payload=100, segments=3).on_wire == 100 + 3 * HEADERS
