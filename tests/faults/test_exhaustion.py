"""An agent that has no file descriptors left, or cannot write its log."""

import asyncio
import fcntl
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from time import monotonic
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
"""Options of an agent that reaches its own limit, and of one that reaches the system's."""


# File descriptors.


@pytest.fixture(params=SHORT.values(), ids=SHORT.keys())
async def cartman(harness: FaultHarness, request: pytest.FixtureRequest) -> Agent:
    cartman = harness.start("cartman", **request.param)
    await harness.watch(cartman)
    return cartman


async def crowd(agent: Agent, stack: AsyncExitStack, count: int = 2 * FILES) -> None:
    """Connect so often; the agent refuses some of them."""
    for _ in range(count):
        with suppress(ConnectionError):
            client = await stack.enter_async_context(RawClient(agent.port))
            await client.send(upgrade())


async def accepts_again(agent: Agent) -> None:
    async def accepted() -> bool:
        with suppress(OSError, EOFError):
            async with RawClient(agent.port) as client:
                return "101" in await client.shake()
        return False

    await eventually(accepted)


async def test_an_agent_without_files_serves_connected_clients_and_does_not_spin(
    cartman: Agent,
) -> None:
    async with V1Client(cartman.address) as served, AsyncExitStack() as stack:
        await crowd(cartman, stack)
        assert errors((await served.ask(1))[0]) == {"cartman": ""}
        meter, began = Meter(cartman.pid), monotonic()
        await asyncio.sleep(0.5)  # the span that is measured

        assert meter.seconds() < 0.4 * (monotonic() - began)
    await accepts_again(cartman)


async def test_an_agent_without_files_reports_it_for_a_peer_that_it_cannot_dial(
    harness: FaultHarness,
) -> None:
    kenny = harness.start("kenny", listen=f"127.0.0.1:{free_ports(1)[0]}")
    cartman = harness.start("cartman", nodes=[kenny.address], **SHORT["of files"])
    await whole(cartman, "cartman", "kenny")
    await harness.watch(cartman, harmed=[kenny])

    async with V1Client(cartman.address) as client, AsyncExitStack() as stack:
        await crowd(cartman, stack)
        kenny.kill()
        await crowd(cartman, stack, 2)  # which take the files of the link to kenny

        async def reported() -> bool:
            (answer,) = await client.ask(1)
            return errors(answer)["kenny"] == "down: too many open files"

        await eventually(reported)
    await accepts_again(cartman)
    await kenny.restart()
    await whole(cartman, "cartman", "kenny")


# The log.


@pytest.fixture
def pipe() -> Iterator[int]:
    """The writing end of a pipe of one page that is never read."""
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    yield write_end
    os.close(read_end)
    os.close(write_end)


async def begin(harness: FaultHarness, name: str, **options: Any) -> Agent:
    """Start an agent whose log cannot be read and wait until it answers."""
    (port,) = free_ports(1)
    agent = harness.begin(name, listen=f"127.0.0.1:{port}", **options)

    async def answers() -> bool:
        with suppress(OSError):
            return not (await ask(agent, {}))["error"]
        return False

    await eventually(answers, within=30)
    return agent


async def log_much(agent: Agent, until: Callable[[], bool]) -> None:
    """Have the agent log: each reload is a line."""

    def enough() -> bool:
        agent.signal(signal.SIGHUP)
        return until()

    await eventually(enough)


async def test_a_full_log_pipe_delays_neither_answers_nor_the_end(
    harness: FaultHarness, pipe: int
) -> None:
    cartman = await begin(harness, "cartman", stderr=pipe)
    await harness.watch(cartman)

    await log_much(cartman, lambda: not select.select([], [pipe], [], 0)[1])

    assert errors(await ask(cartman, {"type": 1})) == {"cartman": ""}
    await check_health(cartman)
    await harness.stop(cartman)


ON_A_SMALL_DISK = """
import os, sys
sys.path.insert(0, sys.argv[1])
from collectors.private_mounts import enter, mount
enter()
mount("tmpfs", sys.argv[2], "tmpfs", options="size=4k")
os.dup2(os.open(f"{sys.argv[2]}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
os.execv(sys.argv[3], sys.argv[3:])
"""


async def test_a_full_disk_costs_only_log_lines(harness: FaultHarness, tmp_path: Path) -> None:
    private_mounts.run("pass")  # skips the test where there can be no mounts
    disk = tmp_path / "disk"
    disk.mkdir()
    tests = str(Path(__file__).parent.parent)
    prefix = [sys.executable, "-c", ON_A_SMALL_DISK, tests, str(disk)]
    cartman = await begin(harness, "cartman", prefix=prefix)
    await harness.watch(cartman)
    log = Path(f"/proc/{cartman.pid}/root{disk}/log")  # only the agent sees it

    await log_much(cartman, lambda: log.stat().st_size == 4096)
    for _ in range(20):
        assert errors(await ask(cartman, {"type": 1})) == {"cartman": ""}
    await check_health(cartman)

    os.truncate(log, 0)
    await log_much(cartman, lambda: b"log lines dropped" in log.read_bytes())
    await harness.stop(cartman)
