"""This machine: its table of collectors, which are run one by one, timed, and may fail alone."""

import logging
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from nodnod_agent.collectors.cgroup import follow_cgroup
from nodnod_agent.collectors.containers import ContainersCollector
from nodnod_agent.collectors.cpu import CpuCollector
from nodnod_agent.collectors.custom import CustomCollector
from nodnod_agent.collectors.diskio import DiskIoCollector, transfer
from nodnod_agent.collectors.filesystems import FilesystemsCollector, disk_faults, disk_sums
from nodnod_agent.collectors.gpu import GpuCollector
from nodnod_agent.collectors.kernel_files import SharedFile
from nodnod_agent.collectors.load import LoadCollector
from nodnod_agent.collectors.memory import MemoryCollector
from nodnod_agent.collectors.moment import Moment, Timing
from nodnod_agent.collectors.network import NetworkCollector, traffic
from nodnod_agent.collectors.pressure import PressureCollector
from nodnod_agent.collectors.processes import NotReady, ProcessesCollector
from nodnod_agent.collectors.sensors import SensorsCollector
from nodnod_agent.collectors.services import ServicesCollector
from nodnod_agent.collectors.system import SystemCollector
from nodnod_agent.core.question import split_key
from nodnod_agent.core.stats.rates import percent
from nodnod_agent.core.stats.sample import Sample
from nodnod_client.sections import EXPENSIVE, Filesystem

logger = logging.getLogger(__name__)

_REQUIRED = ("cpu", "memory", "filesystems")
"""The sections that the stats of the node itself are computed from."""


class Collectors(NamedTuple):
    """The collector of each section, in the order in which they run. A new one is added here.

    Each has ``read(now)``: the section as of ``now`` (monotonic seconds), or None if the machine
    does not have it; it raises if the section cannot be read. Those in EXPENSIVE run on demand, the
    others at every tick; they also have ``reset()``, which releases what they keep between two
    readings. The filesystems are last, so that the mounts have had time to answer.
    """

    system: SystemCollector
    cpu: CpuCollector
    memory: MemoryCollector
    load: LoadCollector
    diskio: DiskIoCollector
    network: NetworkCollector
    pressure: PressureCollector
    processes: ProcessesCollector
    services: ServicesCollector
    sensors: SensorsCollector
    gpu: GpuCollector
    containers: ContainersCollector
    custom: CustomCollector
    filesystems: FilesystemsCollector


def open_collectors(agent_version: str = "", custom: CustomCollector | None = None) -> Collectors:
    """The collectors of this machine."""
    cgroup = follow_cgroup()
    stat, meminfo = SharedFile("/proc/stat"), SharedFile("/proc/meminfo")
    return Collectors(
        system=SystemCollector(cgroup, agent_version, stat=stat, meminfo=meminfo),
        cpu=CpuCollector(cgroup, stat=stat),
        memory=MemoryCollector(cgroup, meminfo=meminfo),
        load=LoadCollector(),
        diskio=DiskIoCollector(),
        network=NetworkCollector(),
        pressure=PressureCollector(),
        processes=ProcessesCollector(),
        services=ServicesCollector(),
        sensors=SensorsCollector(),
        gpu=GpuCollector(),
        containers=ContainersCollector(),
        custom=custom or CustomCollector(),
        filesystems=FilesystemsCollector(),
    )


class Machine:
    """Runs the collectors: those of every tick in one thread, those on demand in another."""

    def __init__(self, collectors: Collectors) -> None:
        self.reading = ""
        """The section that is being read, or was last, of those of every tick."""
        self._collectors = collectors
        self._by_name: dict[str, Any] = collectors._asdict()
        self._timings = dict.fromkeys(collectors._fields, Timing(0.0, 0))
        self._failing: dict[str, str] = {}
        self._encode = msgspec.json.Encoder().encode

    def sample(self, at: Moment) -> Sample:
        """Read all sections but the expensive ones. Rates are since the previous sample."""
        self.reading = "filesystems"
        self._collectors.filesystems.refresh()
        values: dict[str, Any] = {}
        sections: dict[str, bytes] = {}
        for name in self._by_name:
            if name not in EXPENSIVE:
                self.reading = name
                values[name], sections[name] = self._read(name, at.mono)
        cpu, memory, load = values["cpu"], values["memory"], values["load"]
        disks = disk_sums(values["filesystems"] or ())
        total = traffic(values["network"] or {}, self._collectors.network.uplinks())
        disk_io = transfer(values["diskio"] or {}, self._collectors.diskio.stacked())
        stalls = values["pressure"]
        series = {
            "cpuUsed": cpu and cpu.used,
            "memoryUsedPercent": memory and round(percent(memory.used, memory.total), 2),
            "diskUsedPercent": round(percent(disks.used, disks.total), 2) if disks.total else None,
            "recvBytes": total.recv_bytes if values["network"] else None,
            "sentBytes": total.sent_bytes if values["network"] else None,
            "load1": load and load.load1,
            "readBytes": disk_io and disk_io.read_bytes,
            "writeBytes": disk_io and disk_io.write_bytes,
            "cpuPressure": stalls and stalls.cpu and stalls.cpu.some,
            "memoryPressure": stalls and stalls.memory and stalls.memory.some,
            "ioPressure": stalls and stalls.io and stalls.io.some,
            # Behind those of older agents, which keep eleven series of another node.
            "cpuUser": cpu and cpu.user,
            "cpuSystem": cpu and cpu.system,
            "cpuIowait": cpu and cpu.iowait,
            "cpuSteal": cpu and cpu.steal,
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

    def read_expensive(self, keys: Iterable[str], now: float) -> dict[str, bytes]:
        """Read sections by their keys; one that needs a second reading is absent from the result."""
        results = {key: self._read(key, now) for key in keys}
        return {
            key: encoded
            for key, (value, encoded) in results.items()
            if not isinstance(value, NotReady)
        }

    def reset(self, name: str) -> None:
        """Release what an expensive section keeps between two readings."""
        try:
            self._by_name[name].reset()
        except Exception as error:  # noqa: BLE001 - the thread has other sections to read
            logger.warning("cannot release the %s section: %s", name, error)

    def timings(self) -> dict[str, Timing]:
        """Section -> the duration of its last reading, and its failures."""
        return dict(self._timings)

    def stop(self) -> None:
        """End the threads that read mounts, without waiting for them."""
        self._collectors.filesystems.stop()

    def _read(self, key: str, now: float) -> tuple[Any, bytes]:
        start = time.perf_counter()
        name, match = split_key(key)
        failures = self._timings[name].failures
        try:
            collector = self._by_name[name]
            value = collector.read(now) if match is None else collector.read_matching(match, now)
            encoded = b"" if isinstance(value, NotReady) else self._encode(value)
        except Exception as error:  # noqa: BLE001 - one section must not fail the others
            value, text = None, f"{type(error).__name__}: {error}"[:200]
            encoded = self._encode({"error": text})
            failures += 1
            if name not in self._failing:
                logger.warning("cannot read the %s section: %s", name, text)
            self._failing[name] = text
        else:
            if self._failing.pop(name, None) is not None:
                logger.info("the %s section can be read again", name)
        self._timings[name] = Timing(time.perf_counter() - start, failures)
        return value, encoded

    def _error(self, filesystems: Iterable[Filesystem]) -> str:
        faults = [f"{name}: {self._failing[name]}" for name in _REQUIRED if name in self._failing]
        faults += [f"disk: {fault}" for fault in disk_faults(filesystems)]
        return "; ".join(faults)
