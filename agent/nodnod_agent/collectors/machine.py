"""All readings of this machine: takes them one by one, times each, survives the failure of any."""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from nodnod_agent.collectors.cgroup import Cgroup, find_cgroup
from nodnod_agent.collectors.cpu import CpuCollector
from nodnod_agent.collectors.diskio import DiskIoCollector
from nodnod_agent.collectors.filesystems import FilesystemsCollector, disk_sums, silent
from nodnod_agent.collectors.gpu import GpuCollector
from nodnod_agent.collectors.kernel_files import open_if_there
from nodnod_agent.collectors.load import LoadCollector
from nodnod_agent.collectors.memory import MemoryCollector
from nodnod_agent.collectors.network import NetworkCollector, traffic
from nodnod_agent.collectors.on_demand import LATER, OnDemand
from nodnod_agent.collectors.pressure import PressureCollector
from nodnod_agent.collectors.processes import ProcessesCollector
from nodnod_agent.collectors.sensors import SensorsCollector
from nodnod_agent.collectors.system import SystemCollector
from nodnod_agent.core.stats.rates import percent
from nodnod_agent.core.stats.sample import Sample
from nodnod_client.sections import Filesystem

logger = logging.getLogger(__name__)

_HEADLINE = ("cpu", "memory", "filesystems")
"""Without these sections the node's own numbers are not whole."""


class Moment(NamedTuple):
    """One moment on three clocks.

    ``mono`` (seconds) is what rates divide by; ``clock`` too never goes back, but also runs while
    the machine sleeps; ``unix`` is the wall's.
    """

    mono: float
    clock: float
    unix: float


class Timing(NamedTuple):
    """What a section cost last time, in seconds, and how often it has failed."""

    seconds: float
    failures: int


# Linux' monotonic clock stands still in suspend, and so does Python's on macOS.
_AWAKE_OR_NOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def moment() -> Moment:
    """Now."""
    return Moment(time.monotonic(), time.clock_gettime(_AWAKE_OR_NOT), time.time())


class Collectors(NamedTuple):
    """One reading for each section."""

    system: SystemCollector
    cpu: CpuCollector
    memory: MemoryCollector
    load: LoadCollector
    filesystems: FilesystemsCollector
    diskio: DiskIoCollector
    network: NetworkCollector
    pressure: PressureCollector
    costly: dict[str, OnDemand]

    def cheap(self) -> dict[str, Callable[[float], Any]]:
        """Section -> its reading, in the order in which to take them.

        The disks come last: the mounts, asked before, have had time to answer.
        """
        return {
            "system": self.system.read,
            "cpu": self.cpu.read,
            "memory": self.memory.read,
            "load": self.load.read,
            "diskio": self.diskio.read,
            "network": self.network.read,
            "pressure": self.pressure.read,
            "filesystems": self.filesystems.read,
        }


def collectors_here(agent_version: str = "") -> Collectors:
    """The readings of this machine, their files open."""
    mountinfo = open_if_there("/proc/self/mountinfo")
    cgroup = find_cgroup(mountinfo.read()) if mountinfo else Cgroup()
    return Collectors(
        SystemCollector(cgroup, agent_version),
        CpuCollector(cgroup),
        MemoryCollector(cgroup),
        LoadCollector(),
        FilesystemsCollector(),
        DiskIoCollector(),
        NetworkCollector(),
        PressureCollector(),
        {"processes": ProcessesCollector(), "sensors": SensorsCollector(), "gpu": GpuCollector()},
    )


class Machine:
    """This machine, asked by one thread; its costly sections may be asked by another."""

    def __init__(self, readings: Collectors) -> None:
        self._readings = readings
        self._cheap = readings.cheap()
        self._timings = {name: Timing(0.0, 0) for name in (*self._cheap, *readings.costly)}
        self._failing: dict[str, str] = {}
        self._encode = msgspec.json.Encoder().encode

    def take(self, at: Moment) -> Sample:
        """Take all cheap sections. Rates are since the call before; so the first has none."""
        self._readings.filesystems.refresh()
        values: dict[str, Any] = {}
        sections: dict[str, bytes] = {}
        for name, read in self._cheap.items():
            values[name], sections[name] = self._attempt(name, read, at.mono)
        cpu, memory, load = values["cpu"], values["memory"], values["load"]
        disks = disk_sums(values["filesystems"] or ())
        net = traffic(values["network"] or {}, self._readings.network.hardware())
        series = {
            "cpuUsed": cpu and cpu.used,
            "memoryUsedPercent": memory and round(percent(memory.used, memory.total), 2),
            "diskUsedPercent": round(percent(disks.used, disks.total), 2) if disks.total else None,
            "recvBytes": net.recv_bytes if values["network"] else None,
            "sentBytes": net.sent_bytes if values["network"] else None,
            "load1": load and load.load1,
        }
        return Sample(
            time=at.unix,
            clock=at.clock,
            cpu_used=cpu.used if cpu else 0.0,
            disk_total=disks.total,
            disk_used=disks.used,
            memory_total=memory.total if memory else 0,
            memory_used=memory.used if memory else 0,
            error=self._error(values["filesystems"] or ()),
            sections=sections,
            series={name: value for name, value in series.items() if value is not None},
        )

    def take_costly(self, names: Iterable[str], now: float) -> dict[str, bytes]:
        """Take these costly sections; one that needs a second look is missing from the answer."""
        taken = {}
        for name in names:
            value, encoded = self._attempt(name, self._readings.costly[name].read, now)
            if value is not LATER:
                taken[name] = encoded
        return taken

    def forget(self, name: str) -> None:
        """Let a costly section cost nothing again."""
        try:
            self._readings.costly[name].forget()
        except Exception as problem:  # noqa: BLE001 - the thread has other sections to read
            logger.warning("cannot let go of the %s section: %s", name, problem)

    def timings(self) -> dict[str, Timing]:
        """Section -> what it cost last time, and its failures so far."""
        return dict(self._timings)

    def stop(self) -> None:
        """Let the threads that read mounts go; waits for none."""
        self._readings.filesystems.stop()

    def _attempt(self, name: str, read: Callable[[float], Any], now: float) -> tuple[Any, bytes]:
        begun = time.perf_counter()
        failures = self._timings[name].failures
        try:
            value = read(now)
            encoded = b"" if value is LATER else self._encode(value)
        except Exception as problem:  # noqa: BLE001 - one section must not take the others along
            value, text = None, f"{type(problem).__name__}: {problem}"[:200]
            encoded = self._encode({"error": text})
            failures += 1
            if name not in self._failing:
                logger.warning("cannot read the %s section: %s", name, text)
            self._failing[name] = text
        else:
            if self._failing.pop(name, None) is not None:
                logger.info("the %s section can be read again", name)
        self._timings[name] = Timing(time.perf_counter() - begun, failures)
        return value, encoded

    def _error(self, filesystems: Iterable[Filesystem]) -> str:
        problems = [f"{name}: {self._failing[name]}" for name in _HEADLINE if name in self._failing]
        problems += [f"disk: {mount} does not answer" for mount in silent(filesystems)]
        return "; ".join(problems)
