"""Real agents on loopback: the one way in which tests and benchmarks start and end them."""

import asyncio
import json
import re
import resource
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from ssl import SSLContext
from time import monotonic
from typing import Any, Self

from bench.harness.processes import START_LIMIT, Child, free_ports
from bench.harness.usage import Deadline
from nodnod_agent.console import parent_watchdog
from nodnod_client.address import Address
from nodnod_client.client import Client
from nodnod_client.errors import NodNodError

PYTHON = (sys.executable, "-P")
"""The Python of this build, which has no directory of a script on its path."""

COMMAND = (str(parent_watchdog.__file__),)
"""Python's arguments for an agent that ends with its starter; the flags follow.

A path and not a module, so that the Python of another build runs its own agent with it.
"""

LOOK_EVERY = 0.02

_LISTENING = re.compile(r"Starting NodNod websocket server: \[.* : (\S+):(\d+)\]")
_PREFIX = re.compile(r"^\S+ (?:DEBUG|INFO|WARNING|ERROR|CRITICAL) ")


class Agent(Child):
    """One agent and its configuration file, which ``settings`` go into as they are.

    ``flags`` are further ones of its command line, ``prefix`` is a command to run it with, ``python``
    the command of its Python. Its log is a file, or what ``stderr`` says instead; its files are named
    after ``label``, or its name. ``max_files`` is its limit of open files, or the soft and the hard
    one.
    """

    def __init__(
        self,
        directory: Path,
        name: str,
        *,
        listen: str = "127.0.0.1:0",
        nodes: Iterable[str] = (),
        settings: Mapping[str, object] | None = None,
        flags: Sequence[str] = (),
        prefix: Sequence[str] = (),
        python: Sequence[str] = PYTHON,
        label: str = "",
        max_files: int | tuple[int, int] | None = None,
        stderr: int | None = None,
    ) -> None:
        options: dict[str, Any] = {"prefix": prefix, "python": python}
        if stderr is not None:
            options["stderr"] = stderr
        if max_files is not None:
            limits = max_files if isinstance(max_files, tuple) else (max_files, max_files)
            options["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        super().__init__(COMMAND, directory / f"{label or name}.log", options)
        self.name = name
        self.flags = flags
        self.listen = listen
        self.port = int(listen.rpartition(":")[2] or 0)
        self.config = directory / f"{label or name}.json"
        self.configure(nodes=list(nodes), **(settings or {}))

    @property
    def endpoint(self) -> Address:
        """Where it can be reached from this machine; known once it listens."""
        return Address("::1" if self.listen.startswith("[") else "127.0.0.1", self.port)

    @property
    def address(self) -> str:
        """The same as agents write it."""
        return str(self.endpoint)

    def configure(self, **settings: object) -> None:
        """Write its configuration file anew; it is read at the start and on SIGHUP."""
        self.config.write_text(json.dumps({"mode": "pull", **settings}))

    def start(self) -> None:
        """Start the process and wait for nothing; ``listening`` waits until it can be asked."""
        listen = ["--listen", self.listen] if self.listen else []
        options = ["--name", self.name, "--config", str(self.config), *listen]
        self.arguments = [*COMMAND, *options, *self.flags]
        super().start()

    def listening(self) -> None:
        """Block until it listens and learn its port. Raises RuntimeError."""

        self.wait_until(self._listens)

    async def ready(self) -> None:
        """Like ``listening``, without a thread: those of the pool may all be taken for seconds."""
        deadline = monotonic() + START_LIMIT
        while not self._listens():
            self.check_start(deadline)
            await asyncio.sleep(LOOK_EVERY)

    def _listens(self) -> bool:
        found = _LISTENING.search(self.output())
        if found is not None:
            self.port = int(found[2])
        return found is not None

    async def restart(self) -> None:
        """Start it, now that it has ended, and wait until it listens."""
        self.start()
        await self.ready()

    async def exited(self, *, within: float = 20.0) -> int:
        """Wait until the process is gone; gives its exit status. Raises TimeoutError.

        Time for which it had no CPU does not count (see ``Deadline``).
        """
        self.over = True
        deadline = Deadline(self.pid, within)
        while self.status is None:
            if deadline.passed:
                raise TimeoutError(f"{self.name} still runs after {within:g} s")
            await asyncio.sleep(LOOK_EVERY)
        return self.running.returncode

    async def stopped(
        self, number: signal.Signals = signal.SIGTERM, *, within: float = 20.0
    ) -> int:
        """Send it a signal that ends it and wait for its end, like ``exited``."""
        self.signal(number)
        return await self.exited(within=within)

    def messages(self) -> list[str]:
        """The lines of its log without time and level."""
        return [_PREFIX.sub("", line) for line in self.log().splitlines()]


class Agents:
    """Starts agents, by one Python, and ends them all, also as a context manager."""

    def __init__(self, directory: Path, python: Sequence[str] = PYTHON) -> None:
        self.started: list[Agent] = []
        self._directory = directory
        self._python = python

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self, name: str, **options: Any) -> Agent:
        """Start one agent (see ``Agent``) and wait until it listens. Raises RuntimeError."""
        agent = self.begin(name, **options)
        agent.listening()
        return agent

    def begin(self, name: str, **options: Any) -> Agent:
        """Start one agent and wait for nothing."""
        agent = Agent(self._directory, name, python=self._python, **options)
        self.started.append(agent)
        agent.start()
        return agent

    def mesh(
        self,
        settings: Mapping[str, Mapping[str, object] | None],
        prefixes: Mapping[str, Sequence[str]] | None = None,
    ) -> list[Agent]:
        """Start agents that are configured with each other, each by its name with its settings.

        ``prefixes``: by name, the command to run an agent with.
        """
        prefixes = prefixes or {}
        nodes = [f"127.0.0.1:{port}" for port in free_ports(len(settings))]
        agents = [
            self.begin(name, listen=node, nodes=nodes, settings=own, prefix=prefixes.get(name, ()))
            for (name, own), node in zip(settings.items(), nodes, strict=True)
        ]
        for agent in agents:
            agent.listening()
        return agents

    async def cluster(
        self, *names: str, settings: Mapping[str, object] | None = None, ca: str | None = None
    ) -> list[Agent]:
        """Start agents that know each other, and wait until each answers for all."""
        agents = self.mesh(dict.fromkeys(names, settings))
        for agent in agents:
            await whole(agent, *names, ca=ca)
        return agents

    def end(self) -> None:
        """Kill what still runs. Raises AssertionError where a log holds a traceback."""
        for agent in self.started:
            agent.kill()
        for agent in self.started:
            assert "Traceback" not in agent.log(), f"log of {agent.name}:\n{agent.log()}"


@contextmanager
def cluster(
    size: int,
    settings: dict[str, object] | None = None,
    *,
    python: Sequence[str] = PYTHON,
    ca: str | None = None,
) -> Iterator[list[Agent]]:
    """Run so many agents that all know each other until the block ends; whole when it begins."""
    names = [f"node-{number}" for number in range(size)]
    with (
        tempfile.TemporaryDirectory(prefix="nodnod-bench-") as folder,
        Agents(Path(folder), python) as agents,
    ):
        yield asyncio.run(agents.cluster(*names, settings=settings, ca=ca))


async def whole(
    agent: Agent,
    *names: str,
    token: str = "",
    ca: str | SSLContext | None = None,
    within: float = 40.0,
) -> None:
    """Wait until an agent answers for all these nodes, and no others, without any error.

    Raises RuntimeError with the last answer after so many seconds.
    """
    expected = dict.fromkeys(names, "")
    deadline = monotonic() + within
    while (seen := await _errors(agent, token, ca)) != expected:
        if monotonic() > deadline:
            raise RuntimeError(f"{agent.name} is not whole after {within:g} s: {seen}")
        await asyncio.sleep(LOOK_EVERY)


async def _errors(agent: Agent, token: str, ca: str | SSLContext | None) -> dict[str, str] | str:
    """What an agent says is wrong with each node, or what is wrong with the agent."""
    try:
        async with Client(agent.address, token=token, ca=ca) as client:
            answer = await client.stat_all(deadline=0.5)
    except NodNodError as error:
        return str(error)
    return {name: node.error for name, node in answer.nodes.items()}
