"""Agents as child processes on loopback: started together, ended together, none left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from nodnod_client.address import DEFAULT_PORT, Address

COMMAND = (sys.executable, "-m", "nodnod_agent.console.parent_watchdog")
"""What starts one agent; its flags follow."""

HOST = "127.0.0.1"

PATIENCE = 3.0
"""Seconds that all agents together have to end in good order."""

_NAMES = (
    "kenny",
    "cartman",
    "stan",
    "kyle",
    "butters",
    "wendy",
    "tweek",
    "craig",
    "clyde",
    "jimmy",
)


def name_of(index: int) -> str:
    """The name of the agent with this number, from 0."""
    return _NAMES[index] if index < len(_NAMES) else f"node-{index + 1}"


def free_addresses(count: int, first: int = DEFAULT_PORT) -> list[Address]:
    """The first so many loopback ports, from ``first`` on, that nobody listens on.

    Raises OSError where there are not so many.
    """
    found: list[Address] = []
    for port in range(first, 65536):
        if len(found) == count:
            break
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # As a server binds: a port that only old connections linger on is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        found.append(Address(HOST, port))
    if len(found) < count:
        raise OSError(f"no {count} free ports from {first} on")
    return found


class LocalAgent:
    """One agent of a fleet: its name, address, process and log."""

    def __init__(
        self, name: str, address: Address, process: subprocess.Popen[bytes], log: Path
    ) -> None:
        self.name = name
        self.address = address
        self.process = process
        self._log = log

    @property
    def end(self) -> str:
        """How it ended, in words; empty while it runs."""
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
        """What it has logged so far."""
        return self._log.read_text(errors="replace")


class LocalCluster:
    """Use as a context manager: entering starts all, leaving ends all, whatever happened.

    Agents know each other from one configuration file in ``folder``, where their logs go too.
    They are in sessions of their own, so that a Ctrl-C in the terminal reaches only their starter.
    """

    def __init__(
        self, addresses: Sequence[Address], folder: Path, command: Sequence[str] = COMMAND
    ) -> None:
        self.members: list[LocalAgent] = []
        self._addresses = addresses
        self._folder = folder
        self._command = command

    def __enter__(self) -> Self:
        config = self._folder / "config.json"
        nodes = [str(address) for address in self._addresses]
        config.write_text(json.dumps({"nodes": nodes, "mode": "pull"}))
        try:
            for index, address in enumerate(self._addresses):
                self.members.append(self._start(name_of(index), address, config))
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask all to end, wait, then make them. Blocks: nothing may interrupt this."""
        processes = [member.process for member in self.members]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + PATIENCE
        for process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()

    def _start(self, name: str, address: Address, config: Path) -> LocalAgent:
        log = self._folder / f"{name}.log"
        flags = ("--listen", str(address), "--name", name, "--config", str(config))
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [*self._command, *flags],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=_environment(),
            )
        return LocalAgent(name, address, process, log)


def _environment() -> dict[str, str]:
    """Ours, without what would set an agent up otherwise than its flags say."""
    return {key: value for key, value in os.environ.items() if not key.startswith("NODNOD_")}
