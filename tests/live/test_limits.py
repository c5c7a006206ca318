"""Clients that take more than their share, and a log that nobody reads."""

import asyncio
import fcntl
import os
import select
import signal
import sys
from contextlib import AsyncExitStack, suppress

import pytest

from doubles.v1_client import V1Client
from eventually import eventually
from live.agents import Agent, Agents, ask, errors, free_ports
from live.raw import PING, TEXT, RawClient, frame, upgrade

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, narrows a pipe")

MEGABYTE = 1024 * 1024


async def test_an_unread_flood_of_pings_does_not_grow_memory(agents: Agents) -> None:
    cartman = agents.start("cartman")
    await ask(cartman, {})
    before = cartman.resident_bytes()

    async with RawClient(cartman.port, receive_buffer=4096) as client:
        await client.shake()
        sent = await client.send_until_stuck(frame("x" * 125, PING) * 1000, most=60 * MEGABYTE)
        after = cartman.resident_bytes()

    assert sent < 60 * MEGABYTE
    assert after - before < 10 * MEGABYTE


async def test_an_unread_flood_of_requests_does_not_grow_memory(agents: Agents) -> None:
    cartman = agents.start("cartman")
    await ask(cartman, {})
    before = cartman.resident_bytes()

    async with RawClient(cartman.port, receive_buffer=4096) as client:
        await client.shake()
        sent = await client.send_until_stuck(frame("{}") * 10_000, most=60 * MEGABYTE)
        after = cartman.resident_bytes()

    assert sent < 60 * MEGABYTE
    assert after - before < 10 * MEGABYTE


async def test_requests_that_are_read_late_are_all_answered(agents: Agents) -> None:
    cartman = agents.start("cartman")
    count = 20_000

    async with RawClient(cartman.port) as client:
        await client.shake()
        await client.send(frame("{}") * count, frame('{"id": "last"}'))
        opcodes = {(await client.frame())[0] for _ in range(count)}
        last = await client.answer()

    assert opcodes == {TEXT}
    assert last["id"] == "last"


async def test_an_agent_short_of_files_serves_those_whom_it_can(agents: Agents) -> None:
    cartman = agents.start("cartman", max_files=64)

    async with V1Client(cartman.address) as served, AsyncExitStack() as stack:
        await _crowd(cartman, stack, 120)

        (answer,) = await served.ask(1)

    assert errors(answer) == {"cartman": ""}


async def test_an_agent_short_of_files_does_not_spin(agents: Agents) -> None:
    cartman = agents.start("cartman", max_files=64)

    async with V1Client(cartman.address) as served, AsyncExitStack() as stack:
        await _crowd(cartman, stack, 120)
        await served.ask(0)
        before = cartman.cpu_seconds()
        await asyncio.sleep(0.5)  # what is measured, nothing that is waited for

        assert cartman.cpu_seconds() - before < 0.1


async def test_an_agent_serves_again_once_a_crowd_has_left(agents: Agents) -> None:
    cartman = agents.start("cartman", max_files=64)
    async with AsyncExitStack() as stack:
        await _crowd(cartman, stack, 120)

    async def served() -> bool:
        with suppress(OSError, EOFError):
            async with RawClient(cartman.port) as client:
                return "101" in await client.shake()
        return False

    await eventually(served)


async def test_a_log_that_nobody_reads_does_not_hold_up_answers(agents: Agents) -> None:
    read_end, write_end = os.pipe()
    try:
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
        (port,) = free_ports(1)
        cartman = agents.begin("cartman", listen=f"127.0.0.1:{port}", stderr=write_end)
        cartman.port = port
        await eventually(lambda: _answers(cartman), within=30)

        # Every client is a line.
        async def full() -> bool:
            await ask(cartman, {})
            return not select.select([], [write_end], [], 0)[1]

        await eventually(full)

        assert errors(await ask(cartman, {"type": 1})) == {"cartman": ""}
    finally:
        os.close(read_end)
        os.close(write_end)


async def test_a_log_that_nobody_reads_does_not_delay_the_end(agents: Agents) -> None:
    read_end, write_end = os.pipe()
    try:
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
        os.write(write_end, bytes(4096))
        (port,) = free_ports(1)
        cartman = agents.begin("cartman", listen=f"127.0.0.1:{port}", stderr=write_end)
        cartman.port = port
        await eventually(lambda: _answers(cartman), within=30)

        cartman.signal(signal.SIGTERM)

        assert await cartman.exited(within=2.0) == 0
    finally:
        os.close(read_end)
        os.close(write_end)


async def _crowd(agent: Agent, stack: AsyncExitStack, count: int) -> None:
    """Connect so often; who is not let in finds that out by himself."""
    for _ in range(count):
        with suppress(ConnectionError):
            client = await stack.enter_async_context(RawClient(agent.port))
            await client.send(upgrade())


async def _answers(agent: Agent) -> bool:
    with suppress(OSError):
        return not (await ask(agent, {}))["error"]
    return False
