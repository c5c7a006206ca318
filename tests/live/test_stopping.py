"""SIGTERM and SIGINT: everybody is told, and the process is gone, whatever others do."""

import asyncio
import signal
from time import monotonic

import pytest

from bench.harness.agents import Agent, Agents
from doubles.canned import canned
from doubles.v1_client import V1Client
from eventually import SLACK, eventually
from live.asking import ask
from live.raw import RawClient, frame
from live.views import all_see

STOP_LIMIT = 2.0
"""Seconds within which an agent must be gone."""


async def stopped(agent: Agent, number: signal.Signals = signal.SIGTERM) -> int:
    """Stop an agent; its exit status."""
    agent.signal(number)
    return await agent.exited(within=STOP_LIMIT)


@pytest.fixture
def cartman(agents: Agents) -> Agent:
    return agents.start("cartman")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_agent_with_status_0(
    cartman: Agent, number: signal.Signals
) -> None:
    assert await stopped(cartman, number) == 0


async def test_a_client_is_told_that_the_agent_goes_away(cartman: Agent) -> None:
    async with V1Client(cartman.address) as client:
        await client.ask(0)

        cartman.signal(signal.SIGTERM)

        assert await client.closed() == 1001


async def test_an_agent_alone_does_not_linger(cartman: Agent) -> None:
    began = monotonic()

    await stopped(cartman)

    assert monotonic() - began < SLACK


async def test_a_client_whose_buffers_are_full_does_not_delay_the_end(cartman: Agent) -> None:
    async with RawClient(cartman.port, receive_buffer=4096) as client:
        await client.shake()
        await client.send_until_stuck(frame("{}") * 500, most=10_000_000)

        assert await stopped(cartman) == 0


async def test_requests_in_flight_are_answered_that_the_agent_shuts_down(agents: Agents) -> None:
    cartman, kenny = await agents.cluster("cartman", "kenny")
    kenny.signal(signal.SIGSTOP)

    async with V1Client(cartman.address) as client:
        await client.send({"type": 1, "timeout": 30}, {"type": 1, "timeout": 30}, {"id": "seen"})
        assert [answer["id"] for answer in await client.receive()] == ["seen"]
        status = asyncio.create_task(stopped(cartman))
        answers = await client.receive(2)
        code = await client.closed()

    assert [answer["code"] for answer in answers] == ["shutting_down"] * 2
    assert (code, await status) == (1001, 0)


async def test_no_new_client_is_let_in_while_the_agent_stops(cartman: Agent) -> None:
    async with RawClient(cartman.port) as lingering:
        await lingering.shake()
        cartman.signal(signal.SIGTERM)
        await lingering.frame()  # the goodbye, which this client does not return

        with pytest.raises(ConnectionError):
            async with RawClient(cartman.port) as late:
                await late.shake()

        assert await cartman.exited(within=STOP_LIMIT) == 0


async def test_a_handshake_that_hangs_does_not_delay_the_end(cartman: Agent) -> None:
    async with RawClient(cartman.port) as client:
        await client.send(b"GET / HTTP/1.1\r\n")
        await ask(cartman, {})  # so it has been accepted

        assert await stopped(cartman) == 0


async def test_a_peer_that_does_not_answer_the_handshake_does_not_delay_the_end(
    agents: Agents,
) -> None:
    async with canned(None) as silent:
        cartman = agents.start("cartman", nodes=[silent])

        assert await stopped(cartman) == 0


async def test_a_second_signal_does_no_harm(cartman: Agent) -> None:
    async with RawClient(cartman.port) as lingering:
        await lingering.shake()
        cartman.signal(signal.SIGTERM)
        await lingering.frame()

        assert await stopped(cartman, signal.SIGINT) == 0


async def test_an_agent_that_is_configured_by_its_name_is_no_failure_when_it_stops(
    agents: Agents,
) -> None:
    kenny = agents.start("kenny")
    cartman = agents.start("cartman", nodes=[f"localhost:{kenny.port}"])
    await all_see([cartman, kenny], cartman="up", kenny="up")

    assert await stopped(kenny) == 0

    await all_see([cartman], cartman="up", left=["kenny"])
    assert "WARNING" not in cartman.log()
    kenny.listen = kenny.address
    kenny.start()
    kenny.listening()
    await all_see([cartman, kenny], within=20, cartman="up", kenny="up")


async def test_an_agent_that_stops_as_soon_as_it_has_started_is_no_failure(agents: Agents) -> None:
    cartman, kenny = await agents.cluster("cartman", "kenny")
    for number in range(5):
        brief = agents.start(f"brief-{number}", flags=["--join", cartman.address])

        assert await stopped(brief) == 0

    await all_see(
        [cartman, kenny],
        cartman="up",
        kenny="up",
        left=[f"brief-{number}" for number in range(5)],
    )
    assert "brief" not in "".join(line for line in cartman.messages() if "Lost" in line)


async def test_peers_are_told_that_an_agent_leaves(agents: Agents) -> None:
    cartman, kenny = await agents.cluster("cartman", "kenny")

    assert await stopped(kenny) == 0

    await eventually(lambda: f"Node left: [kenny : {kenny.address}]" in cartman.messages())
