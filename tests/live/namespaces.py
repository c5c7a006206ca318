"""Machines on a network of their own: network namespaces around a router that can drop packets.

Needs root, and `ip` of iproute2. All namespaces are named after this process, and end with it.
"""

import ctypes
import http.client
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

CLONE_NEWNET = 0x40000000
NET = "10.213"
"""The network of the addresses; it is only visible inside the namespaces."""

FORWARD = Path("/proc/sys/net/ipv4/ip_forward")

T = TypeVar("T")


def why_not() -> str:
    """Why there can be no machines here; empty if there can."""
    if shutil.which("ip") is None:
        return "there is no `ip` (on Debian: apt install iproute2)"
    try:
        with Machines(1) as machines:
            machines.within(0, lambda: None)
            machines.cut(0, 0)
            machines.mend(0, 0)
    except (subprocess.CalledProcessError, OSError) as error:
        text = getattr(error, "stderr", None) or str(error)
        return f"network namespaces are not allowed here: {text.strip()}"
    return ""


class Machines:
    """So many machines around one router; use as a context manager."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._base = f"nodnod{os.getpid()}"
        self._router = f"{self._base}r"
        self._made: list[str] = []

    def __enter__(self) -> Self:
        try:
            self._make(self._router)
            _within(self._router, lambda: FORWARD.write_text("1"))
            for number in range(self._count):
                self._connect(number)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._made:
            _ip("netns", "del", name)  # its interfaces go with it
        self._made.clear()

    def host(self, number: int) -> str:
        """The address of a machine."""
        return f"{NET}.{number}.2"

    def prefix(self, number: int) -> Sequence[str]:
        """A command that runs what follows it on a machine, under the same process id."""
        return ["ip", "netns", "exec", self._name(number)]

    def cut(self, source: int, target: int) -> None:
        """Let nothing through from one machine to the other; the way back stays free."""
        self._rule("add", source, target)

    def mend(self, source: int, target: int) -> None:
        """Let it through again."""
        self._rule("del", source, target)

    def within(self, number: int, work: Callable[[], T]) -> T:
        """Do something on a machine, in a thread of its own."""
        return _within(self._name(number), work)

    def get(self, number: int, port: int, path: str) -> Any:
        """A page of the agent on a machine, asked for there."""

        def ask() -> Any:
            connection = http.client.HTTPConnection(self.host(number), port, timeout=10)
            try:
                connection.request("GET", path)
                return json.load(connection.getresponse())
            finally:
                connection.close()

        return self.within(number, ask)

    def _name(self, number: int) -> str:
        return f"{self._base}m{number}"

    def _make(self, name: str) -> None:
        _ip("netns", "add", name)
        self._made.append(name)
        _ip("-n", name, "link", "set", "lo", "up")

    def _connect(self, number: int) -> None:
        name, router, port = self._name(number), self._router, f"m{number}"
        self._make(name)
        _ip("-n", router, "link", "add", port, "type", "veth", "peer", "eth0", "netns", name)
        _ip("-n", router, "address", "add", f"{NET}.{number}.1/24", "dev", port)
        _ip("-n", router, "link", "set", port, "up")
        _ip("-n", name, "address", "add", f"{NET}.{number}.2/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "route", "add", "default", "via", f"{NET}.{number}.1")

    def _rule(self, what: str, source: int, target: int) -> None:
        hosts = ("from", self.host(source), "to", self.host(target))
        # A blackhole, so that the sender gets no error.
        _ip("-n", self._router, "rule", what, *hosts, "blackhole")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=20)


def _within(name: str, work: Callable[[], T]) -> T:
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            _enter(name)
            done.append(work())
        except BaseException as error:  # noqa: BLE001  # it is raised below
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]


def _enter(name: str) -> None:
    with open(f"/run/netns/{name}") as namespace:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {name}")
