"""All readings of this machine: takes them one by one, times each, survives the failure of any."""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

import msgspec

from nodnod.sections import EXPENSIVE
from nodnod_agent.core.rates import percent
from nodnod_agent.core.sample import Sample
from nodnod_agent.edge.readings.cgroup import Cgroup, find_cgroup
from nodnod_agent.edge.readings.cpu import CpuReading
from nodnod_agent.edge.readings.diskio import DiskIoReading
from nodnod_agent.edge.readings.filesystems import FilesystemsReading, disk_sums, silent
from nodnod_agent.edge.readings.gpu import GpuReading
from nodnod_agent.edge.readings.kernel import open_if_there
from nodnod_agent.edge.readings.later import LATER
from nodnod_agent.edge.readings.load import LoadReading
from nodnod_agent.edge.readings.memory import MemoryReading
from nodnod_agent.edge.readings.network import NetworkReading, traffic
from nodnod_agent.edge.readings.pressure import PressureReading
from nodnod_agent.edge.readings.processes import ProcessesReading
from nodnod_agent.edge.readings.sensors import SensorsReading
from nodnod_agent.edge.readings.system import SystemReading

__all__ = ["Machine", "Moment", "Timing", "moment"]

logger = logging.getLogger(__name__)

T = TypeVar("T")


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


class Machine:
    """This machine, to be asked by one thread; ``costly`` sections may be asked by another.

    The file descriptors that it needs are opened by the constructor and kept.
    """

    def __init__(self, agent_version: str = "") -> None:
        mountinfo = open_if_there("/proc/self/mountinfo")
        cgroup = find_cgroup(mountinfo.read()) if mountinfo else Cgroup()
        self._system = SystemReading(cgroup, agent_version)
        self._cpu = CpuReading(cgroup)
        self._memory = MemoryReading(cgroup)
        self._load = LoadReading()
        self._filesystems = FilesystemsReading()
        self._diskio = DiskIoReading()
        self._network = NetworkReading()
        self._pressure = PressureReading()
        self._costly: dict[str, Costly] = {
            "processes": ProcessesReading(),
            "sensors": SensorsReading(),
            "gpu": GpuReading(),
        }
        self._timings: dict[str, Timing] = {}
        self._failing: dict[str, str] = {}
        self._encode = msgspec.json.Encoder().encode
