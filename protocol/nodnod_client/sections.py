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


class Process(Struct, frozen=True, rename="camel"):
    """One process: ``cpu`` in percent of one core (250 is two and a half cores), ``rss`` in bytes.

    ``name`` is chosen by the process and may be any text; Linux keeps its first 15 bytes. ``user``
    is the user id as text if it has no name. ``state`` is a word (``running``, ``sleeping``,
    ``disk-sleep``, ``zombie``, …). ``read_bytes`` and ``write_bytes`` are per second, from and to
    storage; ``None`` if the kernel does not show them to the agent's user. The fields after ``rss``
    have their defaults in answers of an agent that does not know them.
    """

    pid: int
    name: str
    user: str
    cpu: float
    rss: int
    state: str = ""
    threads: int | None = None
    started: float | None = None
    read_bytes: float | None = None
    write_bytes: float | None = None


class ProcessSums(Struct, frozen=True, rename="camel"):
    """Sums over all ``count`` processes whose names match.

    ``read_bytes`` and ``write_bytes`` are over those whose I/O is known, and ``None`` if it is known
    of none.
    """

    count: int
    cpu: float
    rss: int
    threads: int | None
    read_bytes: float | None
    write_bytes: float | None


class Processes(Struct, frozen=True, rename="camel"):
    """The top 15 by CPU, by memory and by storage I/O, of ``count`` processes.

    ``by_io`` has only processes that read or wrote. In the answer to a request with ``match`` the
    three lists are empty; ``matching``, at most 50 by CPU, and ``sums`` are present.
    """

    count: int
    by_cpu: list[Process]
    by_memory: list[Process]
    by_io: list[Process] = []
    matching: list[Process] | UnsetType = UNSET
    sums: ProcessSums | UnsetType = UNSET


class ServiceProblem(Struct, frozen=True, rename="camel"):
    """A service of systemd that failed, waits to be restarted, or takes long to start.

    ``state`` is ``failed``, ``auto-restart``, or the step of its start (``start-pre``, ``start``,
    …). ``since`` is when it failed, or when the present attempt to start it began. ``result`` is a
    word of systemd (``exit-code``, ``signal``, ``timeout``, …), ``restarts`` how often systemd
    started it again. Of its last main process, ``exit_status`` is the status if it ended by itself,
    ``signal`` the number of the signal if that ended it. ``error``: present if it could not be read.
    """

    name: str
    state: str
    since: float | None
    result: str
    restarts: int | None
    exit_status: int | None
    signal: int | None
    error: str | UnsetType = UNSET


class ServiceUse(Struct, frozen=True):
    """What a service uses: percent of one core, and bytes without the file cache that can go.

    ``None`` if unknown; ``cpu`` also of a service that has just started.
    """

    name: str
    cpu: float | None
    memory: int | None


class Services(Struct, frozen=True, rename="camel"):
    """The services of systemd: ``count`` of those loaded, ``failed`` of those, at most 20 problems.

    ``by_cpu`` and ``by_memory`` are the top ten. ``error``: present if something could not be read:
    systemd (``count`` and ``failed`` are then ``None``) or the control groups.
    """

    count: int | None
    failed: int | None
    problems: list[ServiceProblem]
    by_cpu: list[ServiceUse]
    by_memory: list[ServiceUse]
    error: str | UnsetType = UNSET


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


class Container(Struct, frozen=True, rename="camel"):
    """One container; ``None`` is unknown, or, of a limit, that there is none.

    ``id`` has 64 digits (of LXC and systemd-nspawn it is the name), ``name`` may be empty. Both,
    and ``image``, may be any text. ``engine`` is ``docker``, ``podman``, ``containerd``, ``cri-o``,
    ``kubernetes``, ``lxc`` or ``nspawn``. ``state`` and ``health`` are in the words of the engine.
    ``since`` is the start of its oldest process.

    ``cpu`` is in percent of all cores of the machine, ``cpu_of_limit`` in percent of ``cpu_limit``,
    which is in cores. ``memory_used`` is without the file cache that can be dropped at once. A
    container in the network of the machine has no traffic of its own; those that share a network
    (a pod) have the same.
    """

    id: str
    name: str
    engine: str
    image: str | None = None
    state: str | None = None
    health: str | None = None
    since: float | None = None
    cpu: float | None = None
    cpu_limit: float | None = None
    cpu_of_limit: float | None = None
    memory_used: int | None = None
    memory_limit: int | None = None
    read_bytes: float | None = None
    write_bytes: float | None = None
    recv_bytes: float | None = None
    sent_bytes: float | None = None
    processes: int | None = None
    restarts: int | None = None


class Containers(Struct, frozen=True):
    """At most 200 of ``count`` containers, those that use most CPU first, without those inside others.

    ``note``: present if names, images, states or health are not all known; it says why.
    """

    count: int
    containers: list[Container]
    note: str | UnsetType = UNSET


class CustomNumber(Struct, frozen=True, omit_defaults=True):
    """One number of one's own, under a name and labels that Prometheus allows; ``file`` has it."""

    file: str
    name: str
    value: float
    labels: dict[str, str] = {}


class CustomFile(Struct, frozen=True):
    """One file of the node's ``custom.directory``.

    ``modified``: its last change, ``None`` if it cannot be read. ``stale``: that is longer ago than
    ``custom.maxAge``. ``error``: present if something in it is wrong; its other numbers are there.
    """

    name: str
    modified: float | None
    stale: bool
    error: str | UnsetType = UNSET


class CustomFamily(Struct, frozen=True, omit_defaults=True):
    """What ``file`` says of the numbers of one family, in Prometheus' words.

    ``type`` is ``counter``, ``gauge``, ``histogram``, ``summary`` or ``untyped``. The numbers of a
    histogram are called ``name`` with ``_bucket``, ``_sum`` and ``_count``, those of a summary
    ``name``, and with ``_sum`` and ``_count``; all others ``name``.
    """

    file: str
    name: str
    type: str = "untyped"
    help: str = ""


class Custom(Struct, frozen=True):
    """The files of ``custom.directory`` by name, and their numbers, those of stale ones too.

    ``families`` has those of which a file tells the type or the help; it is empty in answers of an
    agent that does not know it.
    """

    files: list[CustomFile]
    numbers: list[CustomNumber]
    families: list[CustomFamily] = []


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
    "services": Services,
    "gpu": list[Gpu],
    "containers": Containers,
    "custom": Custom,
}
"""Section name -> its type, apart from ``None`` and ``{"error": ...}``."""

SECTIONS = frozenset(SHAPES)
"""The names of the sections."""

EXPENSIVE = frozenset({"processes", "services", "sensors", "gpu", "containers", "custom"})
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
