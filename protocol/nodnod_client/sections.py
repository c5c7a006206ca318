"""The detail sections of a node, as they stand on the wire; shapes only.

A node's ``detail`` maps section names to JSON. ``SHAPES`` says what each name holds, so that a
client can read one: ``msgspec.convert(detail["cpu"], SHAPES["cpu"])``. Any of them may be
``None`` instead (the machine has no such thing) or ``{"error": "..."}`` (it could not be read).

Sizes are bytes, rates per second over the last sample interval, percentages 0-100, moments Unix
seconds, unless a field says otherwise.
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType


class Cores(Struct, frozen=True):
    """How many cores the machine has; ``physical`` is ``None`` where it cannot be told."""

    logical: int
    physical: int | None


class System(Struct, frozen=True, rename="camel"):
    """What does not change while the agent runs.

    ``scope`` is ``"container"`` where a cgroup limit makes memory or CPU those of the container,
    else ``"host"``; ``cpu_limit`` and ``memory_limit`` are those limits (cores, bytes) as they
    were when the agent started.
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
    """Percent of all cores together; ``cores`` is the busy percent of each.

    Under a CPU quota, percent of the quota: then ``cores`` is empty, and what only the whole
    machine knows (``iowait``, ``steal``) is ``None``. ``frequency`` is that of the first core,
    in MHz, ``None`` where unknown.
    """

    used: float
    user: float
    system: float
    iowait: float | None
    steal: float | None
    cores: list[float]
    frequency: float | None


class Load(Struct, frozen=True):
    """Mean number of processes that run or wait to, over 1, 5 and 15 minutes."""

    load1: float
    load5: float
    load15: float


class Memory(Struct, frozen=True, rename="camel"):
    """Bytes; ``used`` is ``total`` - ``available``. ``None`` where the system does not say."""

    total: int
    used: int
    available: int
    cached: int | None
    buffers: int | None
    swap_total: int | None
    swap_used: int | None


class Filesystem(Struct, frozen=True, rename="camel"):
    """One mounted filesystem, in bytes, as ``df`` has them (``free`` is what users may fill).

    ``counted`` says whether it is in the node's ``diskTotal``. ``inodes_used_percent`` is
    ``None`` where the filesystem has no fixed number of them. ``stuck_since`` is there while the
    mount does not answer; the numbers are then the last good ones, or 0. ``error`` is there when
    the last reading failed.
    """

    mount: str
    device: str
    type: str
    total: int
    used: int
    free: int
    inodes_used_percent: float | None
    counted: bool
    stuck_since: float | UnsetType = UNSET
    error: str | UnsetType = UNSET


class DiskIo(Struct, frozen=True, rename="camel"):
    """One whole disk, per second; ``busy_percent`` is the share of time with I/O under way.

    A stacked device (``dm-0``, ``md0``) repeats the I/O of the disks below it.
    """

    read_bytes: float
    write_bytes: float
    reads: float
    writes: float
    busy_percent: float | None


class NetworkIo(Struct, frozen=True, rename="camel"):
    """One interface, per second; packets, errors and drops are both directions together."""

    recv_bytes: float
    sent_bytes: float
    packets: float
    errors: float
    drops: float


class Stall(Struct, frozen=True):
    """Percent of the last 10 s in which some, or all, work waited; ``full`` may be unknown."""

    some: float
    full: float | None


class Pressure(Struct, frozen=True):
    """Linux' pressure stall information, one for each resource that the kernel accounts."""

    cpu: Stall | None
    memory: Stall | None
    io: Stall | None


class Temperature(Struct, frozen=True):
    """One thermometer: degrees Celsius. ``critical`` is where the hardware gives up."""

    name: str
    value: float
    critical: float | None = None


class Fan(Struct, frozen=True):
    """One fan: revolutions per minute."""

    name: str
    rpm: float


class Battery(Struct, frozen=True, rename="camel"):
    """``seconds_left`` is ``None`` while it charges or where it cannot be told."""

    percent: float
    plugged_in: bool | None
    seconds_left: float | None


class Sensors(Struct, frozen=True):
    """What measures itself; an empty list or ``None`` for what the machine has not."""

    temperatures: list[Temperature]
    fans: list[Fan]
    battery: Battery | None


class Process(Struct, frozen=True):
    """One process: ``cpu`` in percent of one core (so 250 is two and a half), ``rss`` in bytes.

    ``name`` is what the process calls itself: any text at all. ``user`` is a number where the
    machine's user list has no name for it.
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
    """One NVIDIA GPU: percent, bytes, degrees Celsius, watts; ``None`` where it does not say."""

    name: str
    utilisation: float | None
    memory_total: int | None
    memory_used: int | None
    temperature: float | None
    power: float | None


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
"""Section name -> what it holds (beside ``None`` and ``{"error": ...}``)."""

EXPENSIVE = frozenset({"processes", "sensors", "gpu"})
"""Sections that an agent samples only while somebody asks."""
