"""The detail sections of a node, as structs.

A node's ``detail`` maps section names to JSON. ``SHAPES`` has the type of each section, for
``msgspec.convert(detail["cpu"], SHAPES["cpu"])``. A section may instead be ``None`` (the machine
does not have it) or ``{"error": "..."}`` (it could not be read).

Sizes are in bytes, rates per second over the last sample interval, percentages 0-100, times in Unix
seconds, unless a field says otherwise.
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType


class Cores(Struct, frozen=True):
    """The number of cores of the machine; ``physical`` is ``None`` if unknown."""

    logical: int
    physical: int | None


class System(Struct, frozen=True, rename="camel"):
    """Facts that seldom change.

    ``scope`` is ``"container"`` if memory or CPU are those of a container with a cgroup limit, else
    ``"host"``. ``cpu_limit`` (cores: the smaller of quota and cpuset) and ``memory_limit`` (bytes)
    are the limits that apply. ``boot_time`` is that of the machine; it changes when its clock is set.
    """

    os: str
    kernel: str
    architecture: str
    cores: Cores
    boot_time: float
    agent_version: str
    python_version: str
    scope: str
    cpu_limit: float | None = None
    memory_limit: int | None = None


class Cpu(Struct, frozen=True, rename="camel"):
    """Percent of all cores together; ``cores`` is the busy percent of each core.

    The place of a core in ``cores`` is the kernel's number of it; ``None`` stands in the place of
    one that is offline. Under a CPU limit (quota or cpuset) these are percent of the limit:
    ``cores`` is empty, and ``iowait`` and ``steal``, known only for the machine, are ``None``.
    ``frequency`` is that of the first core that is online, in MHz, ``None`` if unknown.
    """

    used: float
    user: float
    system: float
    iowait: float | None
    steal: float | None
    cores: list[float | None]
    frequency: float | None


class Load(Struct, frozen=True):
    """Mean number of processes that run or wait to run, over 1, 5 and 15 minutes."""

    load1: float
    load5: float
    load15: float


class Memory(Struct, frozen=True, rename="camel"):
    """Memory in bytes; ``used`` is ``total`` - ``available``. ``None`` if unknown."""

    total: int
    used: int
    available: int
    cached: int | None
    buffers: int | None
    swap_total: int | None
    swap_used: int | None


class Filesystem(Struct, frozen=True, rename="camel"):
    """One mounted filesystem, in bytes as in ``df`` (``free`` is what unprivileged users can fill).

    ``counted``: part of the node's ``diskTotal``. ``inodes_used_percent``: ``None`` if the
    filesystem has no fixed number of inodes. ``used_percent``: ``used`` of ``used`` + ``free``,
    rounded up as in ``df``; ``None`` if both are 0, or from an agent that does not know it.
    ``stuck_since``: present while the mount does not answer; the numbers are then the last good
    ones, or 0. ``error``: present if the last reading failed. ``measured_at``: present if the
    numbers are those of the only reading, because the mount expires when it is not used, and every
    reading would be use.
    """

    mount: str
    device: str
    type: str
    total: int
    used: int
    free: int
    inodes_used_percent: float | None
    counted: bool
    used_percent: int | None = None
    stuck_since: float | UnsetType = UNSET
    error: str | UnsetType = UNSET
    measured_at: float | UnsetType = UNSET


class DiskIo(Struct, frozen=True, rename="camel"):
    """One whole disk, per second; ``busy_percent`` is the share of time with I/O in progress.

    A stacked device (``dm-0``, ``md0``) counts the I/O of the disks below it again.
    """

    read_bytes: float
    write_bytes: float
    reads: float
    writes: float
    busy_percent: float | None


class NetworkIo(Struct, frozen=True, rename="camel"):
    """One interface, per second; packets, errors and drops are sums of both directions."""

    recv_bytes: float
    sent_bytes: float
    packets: float
    errors: float
    drops: float


class Stall(Struct, frozen=True):
    """Percent of the last 10 s in which some or all tasks waited; ``full`` may be unknown."""

    some: float
    full: float | None


class Pressure(Struct, frozen=True):
    """The pressure stall information of Linux, by resource; ``None`` if not accounted."""

    cpu: Stall | None
    memory: Stall | None
    io: Stall | None


class Temperature(Struct, frozen=True):
    """One sensor, in degrees Celsius. ``critical`` is the limit of the hardware."""

    name: str
    value: float
    critical: float | None = None


class Fan(Struct, frozen=True):
    """One fan, in revolutions per minute."""

    name: str
    rpm: float


class Battery(Struct, frozen=True, rename="camel"):
    """A battery; ``seconds_left`` is ``None`` while it charges or if unknown."""

    percent: float
    plugged_in: bool | None
    seconds_left: float | None


class Sensors(Struct, frozen=True):
    """Hardware sensors; an empty list or ``None`` for those that the machine does not have."""

    temperatures: list[Temperature]
    fans: list[Fan]
    battery: Battery | None


class Process(Struct, frozen=True):
    """One process: ``cpu`` in percent of one core (250 is two and a half cores), ``rss`` in bytes.

    ``name`` is chosen by the process and may be any text. ``user`` is the user id as text if it
    has no name.
    """

    pid: int
    name: str
    user: str
    cpu: float
    rss: int


class Processes(Struct, frozen=True, rename="camel"):
    """The top 15 by CPU and the top 15 by memory, of ``count`` processes."""

    count: int
    by_cpu: list[Process]
    by_memory: list[Process]


class Gpu(Struct, frozen=True, rename="camel"):
    """One NVIDIA GPU, in percent, bytes, degrees Celsius and watts; ``None`` if not reported.

    Its place in the list is NVIDIA's index. ``error``: present if it could not be read, or not in
    full (it is lost); ``name`` may then be empty.
    """

    name: str
    utilisation: float | None
    memory_total: int | None
    memory_used: int | None
    temperature: float | None
    power: float | None
    error: str | UnsetType = UNSET


SHAPES: dict[str, Any] = {
    "system": System,
    "cpu": Cpu,
    "load": Load,
    "memory": Memory,
    "filesystems": list[Filesystem],
    "diskio": dict[str, DiskIo],
    "network": dict[str, NetworkIo],
    "pressure": Pressure,
    "sensors": Sensors,
    "processes": Processes,
    "gpu": list[Gpu],
}
"""Section name -> its type, apart from ``None`` and ``{"error": ...}``."""

SECTIONS = frozenset(SHAPES)
"""The names of the sections."""

EXPENSIVE = frozenset({"processes", "sensors", "gpu"})
"""Sections that an agent samples on demand: only while they are requested."""


def used_percent(row: Filesystem) -> int | None:
    """The use of a filesystem as in ``df``, also where an older agent does not tell it."""
    if row.used_percent is not None or row.used + row.free <= 0:
        return row.used_percent
    return -(-100 * row.used // (row.used + row.free))


def truncated(section: object) -> int:
    """How many rows of a section its sender left out, because it was too large for the receiver.

    ``section`` is the JSON of a section in ``detail``; its last row has the number.
    """
    rows = [section]
    if isinstance(section, list):
        rows = section
    elif isinstance(section, dict):
        rows = [section, *section.values()]
    found = [row.get("truncated") for row in rows if isinstance(row, dict)]
    return sum(number for number in found if isinstance(number, int))
