"""An agent of a soak: its address, its proxy, its peers, and changes of its configuration."""

import asyncio
import random
import signal
from pathlib import Path

from bench.harness.agents import LOOK_EVERY, Agent
from bench.harness.processes import free_ports
from bench.harness.proxy import Proxy

STOP_LIMIT = 2.5
"""Seconds within which an agent that is told to stop must be gone."""


class AgentProcess(Agent):
    """An agent with the interval ``every``, in seconds, which no other has.

    Other agents reach it through ``proxy``; without one they reach it where it listens. ``peers``
    are those whose addresses are in its configuration file.
    """

    used: set[int] = set()  # noqa: RUF012 - shared by all agents
    """Ports that any agent has had: an agent must not be found at the old address of another."""

    def __init__(
        self, name: str, every: float, folder: Path, mode: str, proxy: Proxy | None = None
    ) -> None:
        self.every = every
        self.proxy = proxy
        self.lock = asyncio.Lock()
        """Held while a fault harms what passes the proxy."""
        self.peers: set[AgentProcess] = set()
        self.expected = False
        """Whether its process may end, or not run, at the moment."""
        self._mode = mode
        self._debug = False
        self._written: set[str] = set()
        """The addresses in its configuration file."""
        flags = ["--advertise", proxy.address] if proxy is not None else []
        super().__init__(folder, name, flags=flags)
        self.move()

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"

    @property
    def advertised(self) -> str:
        """The address that other agents dial."""
        return self.address if self.proxy is None else self.proxy.address

    @property
    def up(self) -> bool:
        """Whether its process runs and listens."""
        return self.process is not None and not self.expected

    @property
    def has_old_addresses(self) -> bool:
        """Whether one of its peers is at another address than its configuration file says."""
        return not self._written <= {one.advertised for one in self.peers}

    @property
    def died(self) -> str:
        """How its process ended unexpectedly, in words; empty if it did not."""
        status = self.status if self.up else None
        return "" if status is None else f"it died unexpectedly with status {status}"

    def move(self) -> None:
        """Use another port from the next start on."""
        while self.port in self.used or not self.port:
            (self.port,) = free_ports(1)
        self.used.add(self.port)
        self.listen = f"127.0.0.1:{self.port}"
        if self.proxy is not None:
            self.proxy.target = self.listen

    def start(self) -> None:
        """Start a process with its newest configuration and wait for nothing."""
        self.expected = True
        self._write()
        super().start()

    async def started(self) -> None:
        """Wait until its process listens. Raises RuntimeError."""
        await self.ready()
        self.expected = False

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.expected = True
        super().kill()

    async def stop(self) -> str:
        """End it with SIGTERM; gives what is wrong with its end, in words."""
        self.expected = True
        try:
            status = await self.stopped(within=STOP_LIMIT)
        except TimeoutError as error:
            self.kill()
            return f"told to stop: {error}"
        return f"told to stop, it ended with status {status}" if status else ""

    def reconfigure(self, others: "list[AgentProcess]", rng: random.Random) -> str:
        """Have it reload a changed file; gives the changes, in words."""
        self.peers.add(rng.choice([one for one in others if one is not self]))
        self._debug = not self._debug  # which only changes the log
        self._write()
        self.signal(signal.SIGHUP)
        return f"nodes {', '.join(sorted(one.name for one in self.peers))}; debug {self._debug}"

    async def reloaded(self, times: int) -> None:
        """Wait until its process has reloaded its file so often, or is gone."""
        while self.up and self.reloads < times:  # noqa: ASYNC110  # another process
            await asyncio.sleep(LOOK_EVERY)

    @property
    def reloads(self) -> int:
        """How often its process has reloaded its file."""
        return self.output().count(" Configuration reloaded: ")

    def misconfigure(self, rng: random.Random) -> str:
        """Have it reload an invalid file; gives the file, in words."""
        text = rng.choice(['{"nodes": [', '{"nodes": 7}', '{"mode": "shove"}', "", "\x00" * 100])
        self.config.write_text(text)
        self.signal(signal.SIGHUP)
        return repr(text[:20])

    def interrupt(self) -> None:
        """Tell it to stop, frozen or not; ``terminate`` waits for its end."""
        self.expected = True
        if self.process is not None:
            self.signal(signal.SIGTERM)
            self.signal(signal.SIGCONT)

    def _write(self) -> None:
        """Write its configuration file."""
        self._written = {one.advertised for one in self.peers}
        nodes = sorted(self._written)
        settings = {"mode": self._mode, "interval": self.every, "debug": self._debug}
        self.configure(nodes=nodes, **settings)
