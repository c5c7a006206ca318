"""Clients that take more than their share: of connections, memory, time."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress

import pytest

from bench.harness.agents import Agent, Agents, whole
from doubles.v1_client import V1Client
from eventually import eventually
from invariants.harness import MEGABYTE, FaultHarness, check_health
from live.asking import ask
from live.raw import CONT, PING, TEXT, RawClient, frame, upgrade
from live.web import counts

MESSAGE_LIMIT = 16 * 1024

TIMES = 40
"""So often 10,000 frames are sent in a flood, by each client."""

SMALL = 4096
"""Bytes that the kernel is to keep for a client that does not read."""


@pytest.fixture
async def cartman(harness: FaultHarness, shared_agents: Agents) -> Agent:
    """One of two watched agents: the one that is attacked."""
    if not shared_agents.started:
        await shared_agents.cluster("cartman", "kenny")
    cartman, kenny = shared_agents.started
    await whole(cartman, "cartman", "kenny")
    await harness.watch(cartman, kenny)
    return cartman


async def crowd(
    stack: AsyncExitStack, agent: Agent, count: int, *, receive_buffer: int | None = None
) -> list[RawClient]:
    """So many clients, after their handshakes."""
    clients = []
    for _ in range(count):
        client = RawClient(agent.port, receive_buffer=receive_buffer)
        clients.append(await stack.enter_async_context(client))
        await client.shake()
    return clients


async def send_what_is_taken(client: RawClient, piece: bytes, *, most: int) -> int:
    """Send until nothing more is taken, or the connection is cut; how many bytes were taken."""
    sent = 0
    with suppress(ConnectionError):
        while sent < most:
            taken = await client.send_until_stuck(piece, most=len(piece))
            sent += taken
            if not taken:
                break
    return sent


# Handshakes.


async def test_five_hundred_unfinished_handshakes_keep_no_client_out(
    cartman: Agent,
) -> None:
    async with AsyncExitStack() as stack:
        for number in range(500):
            client = await stack.enter_async_context(RawClient(cartman.port))
            await client.send(upgrade()[: number % 100])
        for _ in range(20):
            await check_health(cartman)
    await eventually(lambda: "more than 256 handshakes are incomplete" in cartman.log())


async def test_five_hundred_connections_that_are_reset_harm_no_client(cartman: Agent) -> None:
    for number in range(500):
        async with RawClient(cartman.port) as client:
            await client.send((upgrade() + frame('{"type": 1}'))[: number % 250])
            client.reset()


# Output that is not read.


async def test_subscribers_that_never_read_skip_ticks_and_cost_no_memory(cartman: Agent) -> None:
    stream = {"type": 1, "every": 0.25, "history": 600, "detail": ["cpu", "network", "system"]}
    before = (await counts(cartman))["nodnod_stream_ticks_skipped_total"]
    async with AsyncExitStack() as stack:
        for client in await crowd(stack, cartman, 20, receive_buffer=SMALL):
            await client.send(*(frame(json.dumps({**stream, "id": id_})) for id_ in range(16)))

        async def skipped() -> bool:
            now = (await counts(cartman))["nodnod_stream_ticks_skipped_total"]
            return now - before > 4 * 16 * 20

        await eventually(skipped, within=20)


@pytest.mark.parametrize(
    "piece", [frame("x" * 125, PING) * 1000, frame("{}") * 5000], ids=["pings", "requests"]
)
async def test_requests_of_clients_that_do_not_read_are_soon_left_unread(
    cartman: Agent, piece: bytes
) -> None:
    most = 60 * MEGABYTE
    async with AsyncExitStack() as stack:
        clients = await crowd(stack, cartman, 5, receive_buffer=SMALL)
        sent = await asyncio.gather(
            *(send_what_is_taken(client, piece, most=most) for client in clients)
        )

    assert max(sent) < most


async def test_requests_that_the_agent_reads_late_are_all_answered(cartman: Agent) -> None:
    count = 20_000

    async with RawClient(cartman.port) as client:
        await client.shake()
        await client.send(frame("{}") * count, frame('{"id": "last"}'))
        opcodes = {(await client.frame())[0] for _ in range(count)}
        last = await client.answer()

    assert opcodes == {TEXT}
    assert last["id"] == "last"


# Input that comes too fast.


FLOODS = {
    "pings": [frame("", PING) * 10_000] * TIMES,
    "pings with payload": [frame("x" * 125, PING) * 10_000] * TIMES,
    "empty fragments": [frame("{", fin=False), *[frame("", CONT, fin=False) * 10_000] * TIMES],
    "small fragments": [frame("{", fin=False), *[frame("x", CONT, fin=False) * 10_000] * TIMES],
    "large fragments": [frame("{", fin=False), *[frame("x" * 9000, CONT, fin=False) * 10] * TIMES],
    "requests": [frame("{}") * 10_000] * TIMES,
    "pings between fragments": [
        frame("{", fin=False),
        *[(frame("", CONT, fin=False) + frame("", PING)) * 5000] * TIMES,
    ],
}
"""What each of three clients sends, as fast as it can."""


@pytest.mark.parametrize("pieces", FLOODS.values(), ids=FLOODS.keys())
async def test_a_flood_of_small_frames_harms_no_other_client(
    cartman: Agent, pieces: Sequence[bytes]
) -> None:
    async def flood(client: RawClient) -> None:
        with suppress(ConnectionError, TimeoutError, EOFError):  # it may be cut, or not read
            await client.send(*pieces)

    async with AsyncExitStack() as stack:
        clients = await crowd(stack, cartman, 3)
        readers = [asyncio.create_task(client.drain()) for client in clients]
        async with asyncio.timeout(20):
            await asyncio.gather(*(flood(client) for client in clients))
        for reader in readers:
            reader.cancel()


async def test_half_a_frame_costs_only_the_memory_of_its_bytes(
    cartman: Agent,
) -> None:
    half = frame("x" * (MESSAGE_LIMIT // 2), length=MESSAGE_LIMIT)
    async with AsyncExitStack() as stack:
        for client in await crowd(stack, cartman, 200):
            await client.send(frame('{"id": "before"}') + half)
            assert (await client.answer())["id"] == "before"

        assert (await ask(cartman, {"type": 1}))["error"] == ""


async def test_a_client_that_leaves_with_requests_in_flight_harms_no_other(cartman: Agent) -> None:
    for _ in range(100):
        async with V1Client(cartman.address) as client:
            await client.send(*[{"type": 1, "id": number} for number in range(20)])
            client.abort()
