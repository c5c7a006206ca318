"""The metrics of a node: one table, by section.

Names and units follow Prometheus: ratios from 0 to 1, bytes, seconds. A number that a machine lacks
has no series rather than the value 0.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from nodnod_client.sections import ProcessSums, Sensors, Stall

STATS = "stats"
"""The key of the seven numbers that every node has, next to the names of the sections."""

TRUNCATED = "truncated"
"""The key of the numbers of rows that sections lack, by section."""

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
    """A metric of an item; ``value`` is an attribute or a function, None if the item lacks it."""

    name: str
    help: str
    value: str | Callable[[Any], float | None]


class _MetricGroup(NamedTuple):
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
    value = attrgetter(series.value)(item) if isinstance(series.value, str) else series.value(item)
    try:
        return None if value is None else float(value)
    except OverflowError:  # a peer may send any number of digits
        return None


def _ratio(percent: float | None) -> float | None:
    return None if percent is None else round(percent / 100, 6)


def _percent(field: str) -> Callable[[Any], float | None]:
    """A percentage as a ratio."""
    return lambda of: _ratio(getattr(of, field))


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


def _by_section(counts: Mapping[str, int]) -> Iterator[tuple[Labels, int]]:
    return (((section,), count) for section, count in counts.items())


def _cores(cpu: Any) -> Iterator[tuple[Labels, float | None]]:
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


def _service_uses(section: Any) -> Iterator[tuple[Labels, Any]]:
    uses = {use.name: use for use in (*section.by_cpu, *section.by_memory)}
    return (((name,), use) for name, use in uses.items())


def _service_problems(section: Any) -> Iterator[tuple[Labels, Any]]:
    return (((problem.name, problem.state), problem) for problem in section.problems)


def _process_sums(section: Any) -> Iterator[tuple[Labels, Any]]:
    if isinstance(section.sums, ProcessSums):
        yield (), section.sums


def _gpus(section: Iterable[Any]) -> Iterator[tuple[Labels, Any]]:
    return (((str(number), gpu.name), gpu) for number, gpu in enumerate(section))


def _containers(section: Any) -> Iterator[tuple[Labels, Any]]:
    return (((one.name or one.id[:12], one.id[:12], one.engine), one) for one in section.containers)


def _container_states(section: Any) -> Iterator[tuple[Labels, Any]]:
    for labels, one in _containers(section):
        yield (*labels, *(word or "" for word in (one.image, one.state, one.health))), one


def _system(system: Any) -> Iterator[tuple[Labels, Any]]:
    yield (system.os, system.kernel, system.architecture, system.scope), system


def _known(field: str) -> Callable[[Any], float | None]:
    """A field of a filesystem; None until the filesystem has answered once."""
    return lambda of: getattr(of, field) if of.total else None


def _files(section: Any) -> Iterator[tuple[Labels, Any]]:
    return (((file.name,), file) for file in section.files)


_GROUPS = (
    _MetricGroup(STATS, (), _one, (
        _Series("cpu_used_ratio", "Busy share of all cores since the sample before.",
                _percent("cpu_used")),
        _Series("memory_total_bytes", "Memory of the machine or container.", "memory_total"),
        _Series("memory_used_bytes", "Memory that is not available.", "memory_used"),
        _Series("memory_used_ratio", "Used memory as a share of the total.",
                _percent("memory_used_percent")),
        _Series("disk_total_bytes", "Size of all real local filesystems, each device once.",
                "disk_total"),
        _Series("disk_used_bytes", "Used part of them.", "disk_used"),
        _Series("disk_used_ratio", "Used part as a share of the total.",
                _percent("disk_used_percent")),
    )),
    _MetricGroup(TRUNCATED, ("section",), _by_section, (
        _Series("section_truncated_rows", "Rows that the node left out of a section: too large.",
                lambda of: of),
    )),
    _MetricGroup("system", (), _one, (
        _Series("boot_time_seconds", "Start of the machine, in Unix seconds.", "boot_time"),
        _Series("cpu_logical_cores", "Logical cores.", "cores.logical"),
        _Series("cpu_physical_cores", "Physical cores.", "cores.physical"),
        _Series("cpu_limit_cores", "CPU limit of the container.", "cpu_limit"),
        _Series("memory_limit_bytes", "Memory limit of the container.", "memory_limit"),
    )),
    _MetricGroup("system", ("os", "kernel", "architecture", "scope"), _system, (
        _Series("system_info", "The system of the machine, in labels.", lambda of: 1),
    )),
    _MetricGroup("cpu", (), _one, (
        _Series("cpu_frequency_hertz", "Frequency of the first core.",
                lambda of: None if of.frequency is None else of.frequency * 1e6),
    )),
    _MetricGroup("cpu", ("mode",), _modes, (
        _Series("cpu_mode_ratio", "Share of the time of all cores, by mode.", _ratio),
    )),
    _MetricGroup("cpu", ("core",), _cores, (
        _Series("cpu_core_used_ratio", "Busy share of one core.", _ratio),
    )),
    _MetricGroup("load", (), _one, (
        _Series("load1", "Running or ready processes, averaged over 1 minute.", "load1"),
        _Series("load5", "The same, averaged over 5 minutes.", "load5"),
        _Series("load15", "The same, averaged over 15 minutes.", "load15"),
    )),
    _MetricGroup("memory", (), _one, (
        _Series("memory_available_bytes", "Memory that programs can still allocate.", "available"),
        _Series("memory_cached_bytes", "Page cache.", "cached"),
        _Series("memory_buffers_bytes", "Buffers of block devices.", "buffers"),
        _Series("swap_total_bytes", "Size of the swap space.", "swap_total"),
        _Series("swap_used_bytes", "Used swap space.", "swap_used"),
    )),
    _MetricGroup("filesystems", ("mountpoint", "device", "fstype"), _filesystems, (
        _Series("filesystem_total_bytes", "Size of a filesystem.", _known("total")),
        _Series("filesystem_used_bytes", "Used part of a filesystem.", _known("used")),
        _Series("filesystem_free_bytes", "Space that users may still fill.", _known("free")),
        _Series("filesystem_used_ratio", "Used share of what users can use, as in df.",
                _percent("used_percent")),
        _Series("filesystem_inodes_used_ratio", "Used share of its inodes.",
                _percent("inodes_used_percent")),
        _Series("filesystem_stuck", "1 while it does not answer; the rest is then the last known.",
                lambda of: int(isinstance(of.stuck_since, float | int))),
    )),
    _MetricGroup("diskio", ("device",), _each, (
        _Series("disk_read_bytes_per_second", "Bytes read from a whole disk.", "read_bytes"),
        _Series("disk_written_bytes_per_second", "Bytes written to a whole disk.", "write_bytes"),
        _Series("disk_reads_per_second", "Read operations.", "reads"),
        _Series("disk_writes_per_second", "Write operations.", "writes"),
        _Series("disk_busy_ratio", "Share of the time with I/O in progress.",
                _percent("busy_percent")),
    )),
    _MetricGroup("network", ("interface",), _each, (
        _Series("network_receive_bytes_per_second", "Bytes received by an interface.",
                "recv_bytes"),
        _Series("network_transmit_bytes_per_second", "Bytes sent by an interface.", "sent_bytes"),
        _Series("network_packets_per_second", "Packets, received and sent.", "packets"),
        _Series("network_errors_per_second", "Errors, received and sent.", "errors"),
        _Series("network_drops_per_second", "Dropped packets, received and sent.", "drops"),
    )),
    _MetricGroup("pressure", ("resource",), _resources, (
        _Series("pressure_some_ratio", "Share of the last 10 s in which some tasks waited for it.",
                _percent("some")),
        _Series("pressure_full_ratio", "Share of the last 10 s in which all tasks waited for it.",
                _percent("full")),
    )),
    _MetricGroup("sensors", ("sensor",), lambda of: _numbered(of.temperatures), (
        _Series("temperature_celsius", "Temperature of a sensor.", "value"),
        _Series("temperature_critical_celsius", "Temperature at which the hardware shuts down.",
                "critical"),
    )),
    _MetricGroup("sensors", ("fan",), lambda of: _numbered(of.fans), (
        _Series("fan_speed_rpm", "Revolutions per minute.", "rpm"),
    )),
    _MetricGroup("sensors", (), _batteries, (
        _Series("battery_charge_ratio", "Charge of the battery.", _percent("percent")),
        _Series("battery_plugged_in", "1 while connected to power.", "plugged_in"),
        _Series("battery_left_seconds", "Time until the battery is empty.", "seconds_left"),
    )),
    _MetricGroup("processes", (), _one, (
        _Series("processes", "Number of processes.", "count"),
    )),
    _MetricGroup("processes", (), _process_sums, (
        _Series("processes_matched", "Number of processes that match.", "count"),
        _Series("processes_matched_cpu_ratio", "Their CPU time; 1 is one core.", _percent("cpu")),
        _Series("processes_matched_memory_bytes", "Their resident memory.", "rss"),
        _Series("processes_matched_threads", "Number of their threads.", "threads"),
        _Series("processes_matched_read_bytes_per_second", "Bytes that they read from storage.",
                "read_bytes"),
        _Series("processes_matched_written_bytes_per_second", "Bytes that they write to storage.",
                "write_bytes"),
    )),
    _MetricGroup("services", (), _one, (
        _Series("services", "Number of loaded services of systemd.", "count"),
        _Series("services_failed", "Number of failed services.", "failed"),
    )),
    _MetricGroup("services", ("service", "state"), _service_problems, (
        _Series("service_problem", "1 for a service that failed or does not start.",
                lambda of: 1),
        _Series("service_problem_since_seconds", "When that began, in Unix seconds.", "since"),
        _Series("service_problem_restarts", "How often it was started again.", "restarts"),
    )),
    _MetricGroup("services", ("service",), _service_uses, (
        _Series("service_cpu_ratio", "CPU time of a top service; 1 is one core.", _percent("cpu")),
        _Series("service_memory_bytes", "Memory of a top service.", "memory"),
    )),
    _MetricGroup("gpu", ("gpu", "model"), _gpus, (
        _Series("gpu_used_ratio", "Busy share of a GPU.", _percent("utilisation")),
        _Series("gpu_memory_total_bytes", "Memory of a GPU.", "memory_total"),
        _Series("gpu_memory_used_bytes", "Used memory of a GPU.", "memory_used"),
        _Series("gpu_temperature_celsius", "Temperature of a GPU.", "temperature"),
        _Series("gpu_power_watts", "Power draw of a GPU.", "power"),
    )),
    _MetricGroup("containers", (), _one, (
        _Series("containers", "Number of containers.", "count"),
    )),
    _MetricGroup("containers", ("container", "id", "engine"), _containers, (
        _Series("container_cpu_ratio", "Share of all cores of the machine.", _percent("cpu")),
        _Series("container_cpu_limit_cores", "CPU limit of a container.", "cpu_limit"),
        _Series("container_cpu_limit_used_ratio", "Used share of its CPU limit.",
                _percent("cpu_of_limit")),
        _Series("container_memory_used_bytes", "Memory, without inactive file cache.",
                "memory_used"),
        _Series("container_memory_limit_bytes", "Memory limit of a container.", "memory_limit"),
        _Series("container_read_bytes_per_second", "Bytes read from disks.", "read_bytes"),
        _Series("container_written_bytes_per_second", "Bytes written to disks.", "write_bytes"),
        _Series("container_receive_bytes_per_second", "Bytes received by its network.",
                "recv_bytes"),
        _Series("container_transmit_bytes_per_second", "Bytes sent by its network.",
                "sent_bytes"),
        _Series("container_processes", "Number of its processes.", "processes"),
        _Series("container_restarts", "Restarts by its engine.", "restarts"),
        _Series("container_start_time_seconds", "Start of a container, in Unix seconds.", "since"),
    )),
    _MetricGroup("containers", ("container", "id", "engine", "image", "state", "health"),
                 _container_states, (
        _Series("container_info", "What an engine says of a container, in labels.",
                lambda of: 1),
    )),
    _MetricGroup("custom", ("file",), _files, (
        _Series("custom_file_modified_seconds", "Last change of a custom file, in Unix seconds.",
                "modified"),
        _Series("custom_file_stale", "1 if it is too old; its numbers are then left out.",
                lambda of: int(of.stale)),
        _Series("custom_file_faulty", "1 if something in it is wrong.",
                lambda of: int(isinstance(of.error, str))),
    )),
)  # fmt: skip
