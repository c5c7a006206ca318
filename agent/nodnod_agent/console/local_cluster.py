"""Agents as child processes on loopback, started and ended together."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from nodnod_client.address import Address

AGENT_COMMAND = (sys.executable, "-m", "nodnod_agent.console.parent_watchdog")
"""Starts one agent; its flags follow."""

HOST = "127.0.0.1"

STOP_TIMEOUT = 3.0
"""Seconds for all agents together to stop before they are killed."""

_NAMES = (
    *("kenny", "cartman", "stan", "kyle", "butters"),
    *("wendy", "tweek", "craig", "clyde", "jimmy"),
)


def name_of(index: int) -> str:
    """Return the name of the agent with this number, from 0."""
    return _NAMES[index] if index < len(_NAMES) else f"node-{index + 1}"


def free_addresses(count: int, first: int) -> list[Address]:
    """Return the first ``count`` free loopback ports from ``first`` up. Raises OSError if fewer."""
    found: list[Address] = []
    for port in range(first, 65536):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # As servers do: a port with only old connections in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        found.append(Address(HOST, port))
        if len(found) == count:
            return found
    raise OSError(f"fewer than {count} free ports from {first} up")


class LocalAgent(NamedTuple):
    """One agent of a local cluster."""

    name: str
    address: Address
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def end(self) -> str:
        """Its exit status or signal as text; empty while it runs."""
        status = self.process.poll()
        if status is None:
            return ""
        if status >= 0:
            return f"exit status {status}"
        try:
            return f"signal {signal.Signals(-status).name}"
        except ValueError:
            return f"signal {-status}"

    def log(self) -> str:
        """Return its log up to now."""
        return self.log_file.read_text(errors="replace")


@contextmanager
def local_cluster(
    addresses: Sequence[Address], folder: Path, command: Sequence[str]
) -> Iterator[list[LocalAgent]]:
    """Start an agent at each address by ``command``; stop them all at the end, whatever happens.

    The agents share one configuration file in ``folder``, which also gets their logs. Each has its
    own session, so that Ctrl-C in the terminal reaches only the starter.
    """
    config = folder / "config.json"
    config.write_text(json.dumps({"nodes": [str(one) for one in addresses], "mode": "pull"}))
    # Settings for us must not become settings of the agents.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NODNOD_")}
    agents: list[LocalAgent] = []
    try:
        for index, address in enumerate(addresses):
            name = name_of(index)
            log = folder / f"{name}.log"
            flags = ("--listen", str(address), "--name", name, "--config", str(config))
            with log.open("wb") as output:
                process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                    [*command, *flags],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env=environment,
                )
            agents.append(LocalAgent(name, address, process, log))
        yield agents
    finally:
        _stop([agent.process for agent in agents])


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Terminate all, wait, then kill the rest. Blocks, so that nothing interrupts it."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + STOP_TIMEOUT
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()
