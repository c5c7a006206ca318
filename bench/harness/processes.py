"""Processes that a benchmark starts and stops: real agents, and the server with a static answer."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.harness.load import Plan, measure
from bench.harness.parent_watchdog import leash
from nodnod_client.address import Address
from nodnod_client.errors import ConnectError

START_LIMIT = 15.0
STOP_LIMIT = 3.0
AGENT = "import sys; from nodnod_agent.cli import main; sys.exit(main())"


class Child:
    """One process, where it listens, and what it has said.

    A Ctrl-C in the terminal does not reach it; it ends when we end it, or (on Linux) are killed.
    """

    def __init__(self, arguments: Sequence[str], address: Address, log: Path) -> None:
        self.address = address
        self._log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                process_group=0,
                preexec_fn=leash(),
            )
        self.pid = self._process.pid

    def wait_until_up(self) -> None:
        """Until somebody accepts there. Raises RuntimeError with its last words if it ends."""
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(self.address) == 0:
                    return
            time.sleep(0.02)
        words = self.log().strip().splitlines() or ["(nothing)"]
        raise RuntimeError(f"no server came up on {self.address}; its last words: {words[-1]}")

    @property
    def status(self) -> int | None:
        """With what it has ended; ``None`` while it runs."""
        return self._process.poll()

    def log(self) -> str:
        """What it has said."""
        return self._log.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def terminate(self) -> None:
        """SIGTERM, and no wait."""
        self._process.terminate()

    def kill(self) -> None:
        """SIGKILL; it is gone after this."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that does not mind."""
        self.terminate()
        try:
            self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def start(arguments: Sequence[str], address: Address) -> Iterator[Child]:
    """Run Python with ``arguments`` until the block ends; it must listen on ``address``."""
    with tempfile.TemporaryDirectory(prefix="nodnod-bench-") as folder:
        child = Child(arguments, address, Path(folder) / "log")
        try:
            child.wait_until_up()
            yield child
        finally:
            child.stop()


@contextmanager
def cluster(size: int, settings: dict[str, object] | None = None) -> Iterator[list[Child]]:
    """Run so many agents that all know each other; whole when the block begins."""
    addresses = [Address("127.0.0.1", port) for port in free_ports(size)]
    config = {"nodes": [str(address) for address in addresses], **(settings or {})}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nodnod-bench-")))
        file = folder / "config.json"
        file.write_text(json.dumps(config))
        agents = []
        for place, address in enumerate(addresses):
            flags = [f"--listen={address}", f"--name=node-{place}", f"--config={file}"]
            agents.append(stack.enter_context(start(["-c", AGENT, *flags], address)))
        for agent in agents:
            asyncio.run(whole(agent.address, size))
        yield agents


async def whole(server: Address, nodes: int) -> None:
    """Wait until an answer of ``server`` has so many nodes without an error."""
    plan = Plan(server=server, concurrent=1, number=1, nodes=nodes)
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        try:
            if (await measure(plan)).good:
                return
        except ConnectError:
            pass
        await asyncio.sleep(0.05)
    raise RuntimeError(f"{server} did not answer for {nodes} nodes within {START_LIMIT:g} s")


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody has just now."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
