"""Machines on a network of their own: network namespaces around a router that can drop packets.

Needs root, and `ip` of iproute2. All namespaces are named after this process, and end with it.
"""

import json
import os
import shutil
import subprocess
import sys
from typing import Any, Self

NET = "10.213"
"""The network of the addresses; it is only visible inside the namespaces."""

FORWARD = "echo 1 > /proc/sys/net/ipv4/ip_forward"

GET = """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], timeout=10)
connection.request("GET", sys.argv[2])
sys.stdout.write(connection.getresponse().read().decode())
"""


def why_not() -> str:
    """Why there can be no machines here; empty if there can."""
    if shutil.which("ip") is None:
        return "there is no `ip` (on Debian: apt install iproute2)"
    try:
        with Machines(1) as machines:
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
            _run("ip", "netns", "exec", self._router, "sh", "-c", FORWARD)
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

    def prefix(self, number: int) -> list[str]:
        """A command that runs what follows it on a machine, under the same process id."""
        return ["ip", "netns", "exec", self._name(number)]

    def cut(self, source: int, target: int) -> None:
        """Let nothing through from one machine to the other; the way back stays free."""
        self._rule("add", source, target)

    def mend(self, source: int, target: int) -> None:
        """Let it through again."""
        self._rule("del", source, target)

    def add_interfaces(self, number: int, count: int) -> None:
        """Give a machine so many more interfaces, an even number, which carry nothing."""
        pairs = range(count // 2)
        lines = "".join(f"link add many{one} type veth peer more{one}\n" for one in pairs)
        _run("ip", "-n", self._name(number), "-batch", "-", given=lines)

    def get(self, number: int, port: int, path: str) -> Any:
        """A page of the agent on a machine, read there."""
        client = [sys.executable, "-ISc", GET, f"{self.host(number)}:{port}", path]
        return json.loads(_run(*self.prefix(number), *client))

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
    _run("ip", *words)


def _run(*command: str, given: str = "") -> str:
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=20, input=given
    )
    return done.stdout
