"""The proxy harms what passes it as asked."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bench.harness.proxy import (
    HEADERS,
    MOST_PIECES,
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

    async def send(self, *words: str) -> None:
        """Send each word to the far end, once the proxy has read the one before."""
        for word in words:
            before = self.proxy.there.reads
            self.near.write(word.encode())
            await eventually(lambda before=before: self.proxy.there.reads > before)

    async def receive(self, count: int) -> str:
        async with asyncio.timeout(5):
            return (await self.far_reads.readexactly(count)).decode()


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    server = await asyncio.start_server(lambda *pair: accepted.put_nowait(pair), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Proxy(f"127.0.0.1:{port}") as proxy:
        ends = Ends(proxy)
        host, _, port = proxy.address.rpartition(":")
        ends.near_reads, ends.near = await asyncio.open_connection(host, int(port))
        ends.far_reads, ends.far = await accepted.get()
        yield ends
        for writer in (ends.near, ends.far):
            writer.transport.abort()


async def test_a_clean_proxy_passes_all_both_ways_and_the_end(ends: Ends) -> None:
    await ends.send("one", "two")
    ends.far.write(b"three")
    ends.near.write_eof()
    ends.far.write_eof()

    assert (await ends.far_reads.read()).decode() == "onetwo"
    assert await ends.near_reads.read() == b"three"


async def test_bytes_lost_one_way_still_pass_the_other(ends: Ends) -> None:
    ends.proxy.there.harm = lost
    await ends.send("one")
    ends.proxy.mend()
    await ends.send("two")
    ends.far.write(b"three")

    assert await ends.receive(3) == "two"
    assert await ends.near_reads.readexactly(5) == b"three"


async def test_replayed_bytes_come_twice_and_stale_ones_much_later(ends: Ends) -> None:
    ends.proxy.there.harm = again
    await ends.send("one")
    ends.proxy.there.harm = stale(2)
    await ends.send("a", "b", "c", "d")

    assert await ends.receive(12) == "oneoneabcadb"


def test_stale_bytes_are_of_the_same_connection() -> None:
    harm = stale(1)

    passed = [
        list(harm(data, connection)) for data, connection in ((b"a", 1), (b"b", 2), (b"c", 1))
    ]

    assert passed == [[b"a"], [b"b"], [b"c", b"a"]]


async def test_a_garbled_message_has_extra_bytes(ends: Ends) -> None:
    ends.proxy.there.harm = garbled
    await ends.send("hello")

    assert await ends.receive(8) == "hellollo"


async def test_a_connection_that_is_cut_off_passes_half_a_message_more(ends: Ends) -> None:
    ends.proxy.there.harm = cut_off()
    await ends.send("hello!", "hello?")
    ends.proxy.mend()
    await ends.send("again")

    assert await ends.receive(8) == "helagain"


def test_halved_bytes_are_complete_in_small_pieces() -> None:
    data = bytes(range(256))

    pieces = list(halved(data, "a connection"))

    assert b"".join(pieces) == data
    assert {len(piece) for piece in pieces} > {1, 4, 7}


def test_much_is_not_cut_up_to_its_end() -> None:
    data = bytes(65536)

    *pieces, rest = halved(data, "a connection")

    assert len(pieces) == MOST_PIECES
    assert b"".join(pieces) + rest == data
    assert list(halved(b"".join(pieces), "a connection")) == pieces, "nothing would be the end"


async def test_delayed_bytes_keep_their_order_and_rate(ends: Ends) -> None:
    ends.proxy.there.delay = 0.3
    began = asyncio.get_running_loop().time()
    await ends.send("one", "two", "three")

    assert await ends.receive(11) == "onetwothree"
    assert 0.3 <= asyncio.get_running_loop().time() - began < 3 * 0.3


async def test_a_reset_is_one_on_both_sides(ends: Ends) -> None:
    await ends.proxy.reset()

    for reader in (ends.near_reads, ends.far_reads):
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_bytes_are_counted_both_ways(ends: Ends) -> None:
    await ends.send("question")
    assert await ends.receive(8) == "question"
    before = ends.proxy.passed()
    ends.far.write(b"answer!")
    assert await ends.near_reads.readexactly(7) == b"answer!"

    assert before.payload == 8
    assert ends.proxy.passed().since(before).payload == 7


def test_headers_are_counted_for_each_segment() -> None:
    assert Passed(payload=100, segments=3).on_wire == 100 + 3 * HEADERS
