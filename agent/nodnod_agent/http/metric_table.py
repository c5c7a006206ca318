"""The metrics of a node: one table, by section.

Names and units follow Prometheus: ratios from 0 to 1, bytes, seconds. A number that a machine lacks
has no series rather than the value 0.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from nodnod_client.sections import Sensors, Stall

STATS = "stats"
"""The key of the seven numbers that every node has, next to the names of the sections."""

Labels = tuple[str, ...]


class NodeSections(NamedTuple):
    """One node: its decoded sections by name, and ``STATS``."""

    name: str
    sections: Mapping[str, Any]


class Gauge(NamedTuple):
    """One metric: its name, help and label names, and its values by label values."""

    name: str
    help: str
    labels: Labels
    values: Mapping[Labels, float]


class _Series(NamedTuple):
    """A metric of an item; ``value`` returns None if the item lacks it."""

    name: str
    help: str
    value: Callable[[Any], float | None]


class _Group(NamedTuple):
    """The metrics of the items of a section; ``items`` returns each with its label values."""

    section: str
    labels: Labels
    items: Callable[[Any], Iterable[tuple[Labels, Any]]]
    series: tuple[_Series, ...]


def gauges(nodes: Sequence[NodeSections], *, by_node: bool) -> Iterator[Gauge]:
    """Yield all metrics that these nodes have; ``by_node`` adds the label ``node``."""
    for group in _GROUPS:
        items = [
            ((node.name, *labels) if by_node else labels, item)
            for node in nodes
            if (section := node.sections.get(group.section)) is not None
            for labels, item in group.items(section)
        ]
        labels = ("node", *group.labels) if by_node else group.labels
        for series in group.series:
            # A mapping, because no series may be in a scrape twice.
            values = {
                key: value for key, item in items if (value := _read(series, item)) is not None
            }
            if values:
                yield Gauge(f"nodnod_{series.name}", series.help, labels, values)


def _read(series: _Series, item: Any) -> float | None:
    value = series.value(item)
    try:
        return None if value is None else float(value)
    except OverflowError:  # a peer may send any number of digits
        return None


def _ratio(percent: float | None) -> float | None:
    return None if percent is None else round(percent / 100, 6)


def _one(section: Any) -> Iterator[tuple[Labels, Any]]:
    yield (), section


def _each(section: Mapping[str, Any]) -> Iterator[tuple[Labels, Any]]:
    return (((name,), item) for name, item in section.items())


def _numbered(items: Iterable[Any]) -> Iterator[tuple[Labels, Any]]:
    """Label items by name; repeated names (the cores of two sockets) get a number."""
    seen: dict[str, int] = {}
    for item in items:
        count = seen[item.name] = seen.get(item.name, 0) + 1
        yield (item.name if count == 1 else f"{item.name} #{count}",), item


def _modes(cpu: Any) -> Iterator[tuple[Labels, float | None]]:
    return (((mode,), getattr(cpu, mode)) for mode in ("user", "system", "iowait", "steal"))


def _cores(cpu: Any) -> Iterator[tuple[Labels, float]]:
    return (((str(number),), used) for number, used in enumerate(cpu.cores))


def _resources(pressure: Any) -> Iterator[tuple[Labels, Stall]]:
    for resource in ("cpu", "memory", "io"):
        stall = getattr(pressure, resource)
        if stall is not None:
            yield (resource,), stall


def _filesystems(section: Iterable[Any]) -> Iterator[tuple[Labels, Any]]:
    return (((one.mount, one.device, one.type), one) for one in section)


def _batteries(sensors: Sensors) -> Iterator[tuple[Labels, Any]]:
    if sensors.battery is not None:
        yield (), sensors.battery


def _gpus(section: Iterable[Any]) -> Iterator[tuple[Labels, Any]]:
    return (((str(number), gpu.name), gpu) for number, gpu in enumerate(section))


def _system(system: Any) -> Iterator[tuple[Labels, Any]]:
    yield (system.os, system.kernel, system.architecture, system.scope), system


def _known(field: str) -> Callable[[Any], float | None]:
    """A field of a filesystem; None until the filesystem has answered once."""
    return lambda of: getattr(of, field) if of.total else None


_GROUPS = (
    _Group(STATS, (), _one, (
        _Series("cpu_used_ratio", "Busy share of all cores since the sample before.",
                lambda of: _ratio(of.cpu_used)),
        _Series("memory_total_bytes", "Memory of the machine or container.",
                lambda of: of.memory_total),
        _Series("memory_used_bytes", "Memory that is not available.", lambda of: of.memory_used),
        _Series("memory_used_ratio", "Used memory as a share of the total.",
                lambda of: _ratio(of.memory_used_percent)),
        _Series("disk_total_bytes", "Size of all real local filesystems, each device once.",
                lambda of: of.disk_total),
        _Series("disk_used_bytes", "Used part of them.", lambda of: of.disk_used),
        _Series("disk_used_ratio", "Used part as a share of the total.",
                lambda of: _ratio(of.disk_used_percent)),
    )),
    _Group("system", (), _one, (
        _Series("boot_time_seconds", "Start of the machine, in Unix seconds.",
                lambda of: of.boot_time),
        _Series("cpu_logical_cores", "Logical cores.",
                lambda of: of.cores.logical),
        _Series("cpu_physical_cores", "Physical cores.",
                lambda of: of.cores.physical),
        _Series("cpu_limit_cores", "CPU limit of the container.", lambda of: of.cpu_limit),
        _Series("memory_limit_bytes", "Memory limit of the container.",
                lambda of: of.memory_limit),
    )),
    _Group("system", ("os", "kernel", "architecture", "scope"), _system, (
        _Series("system_info", "The system of the machine, in labels.", lambda of: 1),
    )),
    _Group("cpu", (), _one, (
        _Series("cpu_frequency_hertz", "Frequency of the first core.",
                lambda of: None if of.frequency is None else of.frequency * 1e6),
    )),
    _Group("cpu", ("mode",), _modes, (
        _Series("cpu_mode_ratio", "Share of the time of all cores, by mode.", _ratio),
    )),
    _Group("cpu", ("core",), _cores, (
        _Series("cpu_core_used_ratio", "Busy share of one core.", _ratio),
    )),
    _Group("load", (), _one, (
        _Series("load1", "Running or ready processes, averaged over 1 minute.",
                lambda of: of.load1),
        _Series("load5", "The same, averaged over 5 minutes.", lambda of: of.load5),
        _Series("load15", "The same, averaged over 15 minutes.", lambda of: of.load15),
    )),
    _Group("memory", (), _one, (
        _Series("memory_available_bytes", "Memory that programs can still allocate.",
                lambda of: of.available),
        _Series("memory_cached_bytes", "Page cache.", lambda of: of.cached),
        _Series("memory_buffers_bytes", "Buffers of block devices.", lambda of: of.buffers),
        _Series("swap_total_bytes", "Size of the swap space.", lambda of: of.swap_total),
        _Series("swap_used_bytes", "Used swap space.", lambda of: of.swap_used),
    )),
    _Group("filesystems", ("mountpoint", "device", "fstype"), _filesystems, (
        _Series("filesystem_total_bytes", "Size of a filesystem.", _known("total")),
        _Series("filesystem_used_bytes", "Used part of a filesystem.", _known("used")),
        _Series("filesystem_free_bytes", "Space that users may still fill.", _known("free")),
        _Series("filesystem_inodes_used_ratio", "Used share of its inodes.",
                lambda of: _ratio(of.inodes_used_percent)),
        _Series("filesystem_stuck", "1 while it does not answer; the rest is then the last known.",
                lambda of: int(isinstance(of.stuck_since, float | int))),
    )),
    _Group("diskio", ("device",), _each, (
        _Series("disk_read_bytes_per_second", "Bytes read from a whole disk.",
                lambda of: of.read_bytes),
        _Series("disk_written_bytes_per_second", "Bytes written to a whole disk.",
                lambda of: of.write_bytes),
        _Series("disk_reads_per_second", "Read operations.", lambda of: of.reads),
        _Series("disk_writes_per_second", "Write operations.", lambda of: of.writes),
        _Series("disk_busy_ratio", "Share of the time with I/O in progress.",
                lambda of: _ratio(of.busy_percent)),
    )),
    _Group("network", ("interface",), _each, (
        _Series("network_receive_bytes_per_second", "Bytes received by an interface.",
                lambda of: of.recv_bytes),
        _Series("network_transmit_bytes_per_second", "Bytes sent by an interface.",
                lambda of: of.sent_bytes),
        _Series("network_packets_per_second", "Packets, received and sent.", lambda of: of.packets),
        _Series("network_errors_per_second", "Errors, received and sent.", lambda of: of.errors),
        _Series("network_drops_per_second", "Dropped packets, received and sent.",
                lambda of: of.drops),
    )),
    _Group("pressure", ("resource",), _resources, (
        _Series("pressure_some_ratio", "Share of the last 10 s in which some tasks waited for it.",
                lambda of: _ratio(of.some)),
        _Series("pressure_full_ratio", "Share of the last 10 s in which all tasks waited for it.",
                lambda of: _ratio(of.full)),
    )),
    _Group("sensors", ("sensor",), lambda of: _numbered(of.temperatures), (
        _Series("temperature_celsius", "Temperature of a sensor.", lambda of: of.value),
        _Series("temperature_critical_celsius", "Temperature at which the hardware shuts down.",
                lambda of: of.critical),
    )),
    _Group("sensors", ("fan",), lambda of: _numbered(of.fans), (
        _Series("fan_speed_rpm", "Revolutions per minute.", lambda of: of.rpm),
    )),
    _Group("sensors", (), _batteries, (
        _Series("battery_charge_ratio", "Charge of the battery.",
                lambda of: _ratio(of.percent)),
        _Series("battery_plugged_in", "1 while connected to power.",
                lambda of: None if of.plugged_in is None else int(of.plugged_in)),
        _Series("battery_left_seconds", "Time until the battery is empty.",
                lambda of: of.seconds_left),
    )),
    _Group("processes", (), _one, (
        _Series("processes", "Number of processes.", lambda of: of.count),
    )),
    _Group("gpu", ("gpu", "model"), _gpus, (
        _Series("gpu_used_ratio", "Busy share of a GPU.", lambda of: _ratio(of.utilisation)),
        _Series("gpu_memory_total_bytes", "Memory of a GPU.", lambda of: of.memory_total),
        _Series("gpu_memory_used_bytes", "Used memory of a GPU.", lambda of: of.memory_used),
        _Series("gpu_temperature_celsius", "Temperature of a GPU.", lambda of: of.temperature),
        _Series("gpu_power_watts", "Power draw of a GPU.", lambda of: of.power),
    )),
)  # fmt: skip
