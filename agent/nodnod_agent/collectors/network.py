"""The ``network`` section: what each interface receives and sends per second."""

import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

import psutil

from nodnod_agent.collectors.kernel_files import file_source, text
from nodnod_agent.core.stats.rates import per_second
from nodnod_client.sections import NetworkIo


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


def parse_net_dev(data: bytes) -> Interfaces:
    """/proc/net/dev: eight columns received, eight sent. An interface name may have colons."""
    found: Interfaces = {}
    for line in data.split(b"\n")[2:]:
        name, colon, rest = line.rpartition(b":")
        if not colon:
            continue
        columns = [int(column) for column in rest.split()]
        found[text(name.strip())] = InterfaceCounters(
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
        name: NetworkIo(
            *(
                round(per_second(earlier, later, elapsed), 1)
                for earlier, later in zip(then, now, strict=True)
            )
        )
        for name, now in after.items()
        if (then := before.get(name)) is not None
    }


def traffic(section: dict[str, NetworkIo], hardware: Iterable[str]) -> Traffic:
    """The traffic in and out of the machine: the sum of its ``hardware`` interfaces.

    Bridges, bonds, tunnels and container interfaces carry the same bytes again. Without hardware
    interfaces it is the sum of all but the loopback.
    """
    names = [name for name in hardware if name in section] or [
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
        is_hardware: Callable[[str], bool] | None = None,
    ) -> None:
        self._source = source or file_source("/proc/net/dev", parse_net_dev, psutil_interfaces)
        self._is_hardware = is_hardware or has_device
        self._interfaces: Interfaces = {}
        self._when = 0.0
        self._hardware: dict[str, bool] = {}

    def read(self, now: float) -> dict[str, NetworkIo]:
        """The section since the previous reading."""
        interfaces, before = self._source(), self._interfaces
        elapsed, self._when, self._interfaces = now - self._when, now, interfaces
        if interfaces.keys() != self._hardware.keys():
            self._hardware = {name: self._is_hardware(name) for name in interfaces}
        return compute(before, interfaces, elapsed)

    def hardware(self) -> list[str]:
        """The hardware interfaces of the last reading."""
        return [name for name, is_hardware in self._hardware.items() if is_hardware]


def has_device(name: str) -> bool:
    """Whether an interface is hardware: by /sys, or by its name on macOS."""
    if os.path.isdir("/sys/class/net"):
        return os.path.exists(f"/sys/class/net/{name}/device")
    return name.startswith("en")


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
