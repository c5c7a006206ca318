"""SIGTERM and SIGINT: clients and peers are told, and the process ends whatever others do."""

import asyncio
import signal

import pytest

from bench.harness.agents import Agent, Agents
from doubles.canned import canned
from doubles.command import on_terminal, read_terminal
from doubles.v1_client import V1Client
from eventually import SLACK, eventually
from live.asking import ask
from live.raw import RawClient, frame
from live.views import all_see

STOP_LIMIT = 2.0 + SLACK
"""Seconds within which an agent must be gone; two on a machine that has nothing else to do."""


@pytest.fixture
def cartman(agents: Agents) -> Agent:
    return agents.start("cartman")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_client_is_told_of_the_end_and_the_exit_status_is_0(
    cartman: Agent, number: signal.Signals
) -> None:
    async with V1Client(cartman.address) as client:
        await client.ask(0)
        stopped = asyncio.create_task(cartman.stopped(number, within=STOP_LIMIT))

        assert await client.closed() == 1001
    assert await stopped == 0


async def test_an_agent_without_connections_ends_at_once(cartman: Agent) -> None:
    assert await cartman.stopped(within=SLACK) == 0


STUCK = {
    "a client that does not read": (True, frame("{}") * 500, 10_000_000),
    "a client in the handshake": (False, b"GET / HTTP/1.1\r\n", 1),
}


@pytest.mark.parametrize(("shaken", "data", "most"), STUCK.values(), ids=STUCK.keys())
async def test_a_stuck_client_does_not_delay_the_end(
    cartman: Agent, shaken: bool, data: bytes, most: int
) -> None:
    async with RawClient(cartman.port, receive_buffer=4096) as client:
        if shaken:
            await client.shake()
        await client.send_until_stuck(data, most=most)
        await ask(cartman, {})  # so it has been accepted

        assert await cartman.stopped(within=STOP_LIMIT) == 0


async def test_a_peer_that_does_not_answer_the_handshake_does_not_delay_the_end(
    agents: Agents,
) -> None:
    async with canned(None) as silent:
        cartman = agents.start("cartman", nodes=[silent])

        assert await cartman.stopped(within=STOP_LIMIT) == 0


async def test_requests_in_flight_are_answered_that_the_agent_shuts_down(agents: Agents) -> None:
    cartman, kenny = await agents.cluster("cartman", "kenny")
    kenny.signal(signal.SIGSTOP)

    async with V1Client(cartman.address) as client:
        await client.send({"type": 1, "timeout": 30}, {"type": 1, "timeout": 30}, {"id": "seen"})
        assert [answer["id"] for answer in await client.receive()] == ["seen"]
        status = asyncio.create_task(cartman.stopped(within=STOP_LIMIT))
        answers = await client.receive(2)
        code = await client.closed()

    assert [answer["code"] for answer in answers] == ["shutting_down"] * 2
    assert (code, await status) == (1001, 0)


async def test_an_agent_that_stops_accepts_no_client_and_survives_a_second_signal(
    cartman: Agent,
) -> None:
    async with RawClient(cartman.port) as lingering:
        await lingering.shake()
        cartman.signal(signal.SIGTERM)
        await lingering.frame()  # the close frame, which this client does not return

        with pytest.raises(ConnectionError):
            async with RawClient(cartman.port) as late:
                await late.shake()

        assert await cartman.stopped(signal.SIGINT, within=STOP_LIMIT) == 0


async def test_a_peer_that_is_configured_by_its_name_has_left_when_it_stops(
    agents: Agents,
) -> None:
    kenny = agents.start("kenny")
    cartman = agents.start("cartman", nodes=[f"localhost:{kenny.port}"])
    await all_see([cartman, kenny], cartman="up", kenny="up")

    assert await kenny.stopped() == 0

    await all_see([cartman], cartman="up", left=["kenny"])
    await eventually(lambda: f"Node left: [kenny : localhost:{kenny.port}]" in cartman.messages())
    assert "WARNING" not in cartman.log()
    kenny.listen = kenny.address
    await kenny.restart()
    await all_see([cartman, kenny], within=20, cartman="up", kenny="up")


# The terminal from which an agent was started.

RUN = "import sys; from nodnod_agent.cli import main; sys.exit(main(sys.argv[1:]))"


async def test_an_agent_whose_terminal_is_closed_says_goodbye_and_ends(agents: Agents) -> None:
    cartman = agents.start("cartman")
    flags = ("--listen", "127.0.0.1:0", "--name", "stan", "--join", cartman.address)
    with on_terminal(RUN, *flags) as (process, terminal):
        await asyncio.to_thread(read_terminal, terminal, b"Connected to node: [cartman")
        await all_see([cartman], cartman="up", stan="up")
        terminal.close()

        assert await asyncio.to_thread(process.wait) == 0
    await all_see([cartman], left=["stan"], cartman="up")
    assert "Node left: [stan" in cartman.log()


@pytest.mark.parametrize("closed", [False, True])
async def test_while_its_terminal_is_there_and_under_nohup_an_agent_reloads(
    agents: Agents, closed: bool
) -> None:
    cartman = agents.start("cartman")
    ignore = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN);" if closed else ""
    flags = ("--listen", "127.0.0.1:0", "--name", "stan", "--join", cartman.address)

    async def reloaded() -> bool:
        answer = await ask(cartman, {"type": 7, "nodes": ["stan"]})
        return "reloaded" in [event["kind"] for event in answer["events"]]

    with on_terminal(ignore + RUN, *flags) as (process, terminal):
        await asyncio.to_thread(read_terminal, terminal, b"Connected to node: [cartman")
        if closed:
            terminal.close()
        process.send_signal(signal.SIGHUP)
        await eventually(reloaded)
        await all_see([cartman], cartman="up", stan="up")
