"""The ``network`` section: what each interface receives and sends per second."""

import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

import psutil

from nodnod_agent.collectors.kernel_files import file_source, text
from nodnod_agent.collectors.uplinks import Uplinks
from nodnod_agent.core.stats.rates import per_second
from nodnod_client.sections import NetworkIo

RECHECK = 5.0
"""Seconds after which the routes and the masters of cards are looked up again."""


class InterfaceCounters(NamedTuple):
    """Since the interface came up; packets, errors and drops are sums of both directions."""

    recv_bytes: int
    sent_bytes: int
    packets: int
    errors: int
    drops: int


class Traffic(NamedTuple):
    """Bytes per second in and out of the machine."""

    recv_bytes: float
    sent_bytes: float


Interfaces = dict[str, InterfaceCounters]
"""By name as the system has it, see os.fsdecode."""


def parse_net_dev(data: bytes) -> Interfaces:
    """/proc/net/dev: eight columns received, eight sent. An interface name may have colons."""
    found: Interfaces = {}
    for line in data.split(b"\n")[2:]:
        name, _, rest = line.rpartition(b":")
        words = rest.split()
        if len(words) < 12 or not all(map(bytes.isdigit, words)):
            continue
        columns = [int(word) for word in words]
        found[os.fsdecode(name.strip())] = InterfaceCounters(
            recv_bytes=columns[0],
            sent_bytes=columns[8],
            packets=columns[1] + columns[9],
            errors=columns[2] + columns[10],
            drops=columns[3] + columns[11],
        )
    return found


def compute(before: Interfaces, after: Interfaces, elapsed: float) -> dict[str, NetworkIo]:
    """The section from two readings; an interface in only one of them is left out."""
    return {
        text(name): NetworkIo(
            *(
                round(per_second(earlier, later, elapsed), 1)
                for earlier, later in zip(then, now, strict=True)
            )
        )
        for name, now in after.items()
        if (then := before.get(name)) is not None
    }


def traffic(section: dict[str, NetworkIo], uplinks: Iterable[str]) -> Traffic:
    """The traffic in and out of the machine: the sum of its ``uplinks``.

    Without one it is the sum of all interfaces but the loopback.
    """
    names = [name for name in uplinks if name in section] or [
        name for name in section if name not in ("lo", "lo0")
    ]
    return Traffic(
        sum(section[name].recv_bytes for name in names),
        sum(section[name].sent_bytes for name in names),
    )


class NetworkCollector:
    """Reads /proc/net/dev; psutil on other systems."""

    def __init__(
        self,
        source: Callable[[], Interfaces] | None = None,
        find_uplinks: Callable[[Iterable[str]], list[str]] | None = None,
    ) -> None:
        self._source = source or file_source("/proc/net/dev", parse_net_dev, psutil_interfaces)
        self._find_uplinks = find_uplinks or Uplinks().find
        self._interfaces: Interfaces = {}
        self._when = 0.0
        self._uplinks: list[str] = []
        self._found_at = -RECHECK

    def read(self, now: float) -> dict[str, NetworkIo]:
        """The section since the previous reading."""
        interfaces, before = self._source(), self._interfaces
        elapsed, self._when, self._interfaces = now - self._when, now, interfaces
        if interfaces.keys() != before.keys() or now - self._found_at >= RECHECK:
            self._uplinks, self._found_at = self._find_uplinks(interfaces), now
        return compute(before, interfaces, elapsed)

    def uplinks(self) -> list[str]:
        """The interfaces, as in the section, that carry the machine's traffic; maybe none."""
        return [text(name) for name in self._uplinks]


def psutil_interfaces() -> Interfaces:
    """Read through psutil, for systems without /proc."""
    return {
        name: InterfaceCounters(
            io.bytes_recv,
            io.bytes_sent,
            io.packets_recv + io.packets_sent,
            io.errin + io.errout,
            io.dropin + io.dropout,
        )
        for name, io in psutil.net_io_counters(pernic=True, nowrap=False).items()
    }
