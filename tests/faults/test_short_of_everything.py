"""An agent that has no files left, and nowhere to put its log."""

import asyncio
import fcntl
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from bench.harness.agents import Agent, whole
from bench.harness.processes import free_ports
from bench.harness.usage import Meter
from collectors import private_mounts
from doubles.v1_client import V1Client
from eventually import eventually
from invariants.harness import FaultHarness, check_health
from live.asking import ask, errors
from live.raw import RawClient, upgrade

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, narrows a pipe")

FILES = 64

SHORT: dict[str, dict[str, Any]] = {
    "of connections": {"max_files": FILES},
    "of files": {"max_files": FILES, "settings": {"limits": {"connections": 10_000}}},
}
"""Options of an agent that stops at its own limit, and of one that stops at the system's."""


# Files.


@pytest.fixture(params=SHORT.values(), ids=SHORT.keys())
async def cartman(ward: FaultHarness, request: pytest.FixtureRequest) -> Agent:
    cartman = ward.start("cartman", **request.param)
    await ward.watch(cartman)
    return cartman


async def crowd(agent: Agent, stack: AsyncExitStack, count: int = 2 * FILES) -> None:
    """Connect so often; who is not let in finds that out by himself."""
    for _ in range(count):
        with suppress(ConnectionError):
            client = await stack.enter_async_context(RawClient(agent.port))
            await client.send(upgrade())


async def let_in_again(agent: Agent) -> None:
    async def let_in() -> bool:
        with suppress(OSError, EOFError):
            async with RawClient(agent.port) as client:
                return "101" in await client.shake()
        return False

    await eventually(let_in)


async def test_an_agent_that_lets_nobody_in_any_more_serves_those_who_are_in(
    cartman: Agent,
) -> None:
    async with V1Client(cartman.address) as served, AsyncExitStack() as stack:
        await crowd(cartman, stack)

        (answer,) = await served.ask(1)

    assert errors(answer) == {"cartman": ""}
    await let_in_again(cartman)


async def test_an_agent_that_lets_nobody_in_any_more_does_not_spin(cartman: Agent) -> None:
    async with V1Client(cartman.address) as served, AsyncExitStack() as stack:
        await crowd(cartman, stack)
        await served.ask(0)
        meter = Meter(cartman.pid)
        await asyncio.sleep(0.5)  # what is measured, nothing that is waited for

        assert meter.seconds() < 0.2
    await let_in_again(cartman)


async def test_an_agent_without_files_says_so_of_whom_it_cannot_dial_until_it_can(
    ward: FaultHarness,
) -> None:
    kenny = ward.start("kenny", listen=f"127.0.0.1:{free_ports(1)[0]}")
    cartman = ward.start("cartman", nodes=[kenny.address], **SHORT["of files"])
    await whole(cartman, "cartman", "kenny")
    await ward.watch(cartman, harmed=[kenny])

    async with V1Client(cartman.address) as client, AsyncExitStack() as stack:
        await crowd(cartman, stack)
        kenny.kill()
        await crowd(cartman, stack, 2)  # which take what kenny has left

        async def says_so() -> bool:
            (answer,) = await client.ask(1)
            return errors(answer)["kenny"] == "down: too many open files"

        await eventually(says_so)
    await let_in_again(cartman)
    kenny.start()
    await asyncio.to_thread(kenny.listening)
    await whole(cartman, "cartman", "kenny")


# The log.


@pytest.fixture
def pipe() -> Iterator[int]:
    """The end to write to of a pipe that nobody reads, of one page."""
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    yield write_end
    os.close(read_end)
    os.close(write_end)


async def begin(ward: FaultHarness, name: str, **options: Any) -> Agent:
    """Start an agent whose log is not where it should be, and wait until it answers."""
    (port,) = free_ports(1)
    agent = ward.begin(name, listen=f"127.0.0.1:{port}", **options)

    async def answers() -> bool:
        with suppress(OSError):
            return not (await ask(agent, {}))["error"]
        return False

    await eventually(answers, within=30)
    return agent


async def say_much(agent: Agent, until: Callable[[], bool]) -> None:
    """Make the agent log: each reading of its configuration is a line."""

    def said() -> bool:
        agent.signal(signal.SIGHUP)
        return until()

    await eventually(said)


async def test_a_log_that_nobody_reads_holds_up_neither_answers_nor_the_end(
    ward: FaultHarness, pipe: int
) -> None:
    cartman = await begin(ward, "cartman", stderr=pipe)
    await ward.watch(cartman)

    await say_much(cartman, lambda: not select.select([], [pipe], [], 0)[1])

    assert errors(await ask(cartman, {"type": 1})) == {"cartman": ""}
    await check_health(cartman)
    await ward.stop(cartman)


@pytest.mark.parametrize("stderr", ["/dev/full", "&-"])
async def test_a_log_that_cannot_be_written_holds_up_neither_answers_nor_the_end(
    ward: FaultHarness, stderr: str
) -> None:
    prefix = ["sh", "-c", f'exec "$@" 2>{stderr}', "sh"]
    cartman = await begin(ward, "cartman", prefix=prefix)
    await ward.watch(cartman)

    for _ in range(50):
        cartman.signal(signal.SIGHUP)
        assert errors(await ask(cartman, {"type": 1})) == {"cartman": ""}

    await check_health(cartman)
    await ward.stop(cartman)
    assert cartman.log() == ""


ON_A_SMALL_DISK = """
import os, sys
sys.path.insert(0, sys.argv[1])
from collectors.private_mounts import enter, mount
enter()
mount("tmpfs", sys.argv[2], "tmpfs", options="size=4k")
os.dup2(os.open(f"{sys.argv[2]}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
os.execv(sys.argv[3], sys.argv[3:])
"""


async def test_a_full_disk_costs_log_lines_and_nothing_else(
    ward: FaultHarness, tmp_path: Path
) -> None:
    private_mounts.run("pass")  # or be skipped
    disk = tmp_path / "disk"
    disk.mkdir()
    tests = str(Path(__file__).parent.parent)
    prefix = [sys.executable, "-c", ON_A_SMALL_DISK, tests, str(disk)]
    cartman = await begin(ward, "cartman", prefix=prefix)
    await ward.watch(cartman)
    log = Path(f"/proc/{cartman.pid}/root{disk}/log")  # as the agent sees it, and nobody else

    await say_much(cartman, lambda: log.stat().st_size == 4096)
    for _ in range(20):
        assert errors(await ask(cartman, {"type": 1})) == {"cartman": ""}
    await check_health(cartman)

    os.truncate(log, 0)
    await say_much(cartman, lambda: b"log lines dropped" in log.read_bytes())
    await ward.stop(cartman)
