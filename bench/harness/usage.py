"""The CPU and memory of a process."""

from pathlib import Path
from time import monotonic

import psutil


class Meter:
    """CPU time of one process, with all its threads, from one reading to the next."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._process = psutil.Process(pid)
        self._then = self._now()

    def seconds(self) -> float:
        """Since the last reading. The kernel counts in steps of 10 ms."""
        then, self._then = self._then, self._now()
        return self._then - then

    def _now(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


class MainThreadMeter(Meter):
    """The same for the main thread alone, which runs an agent's event loop, in nanoseconds.

    Sampling, in another thread, does not count. Without schedstat it is like its base.
    """

    def _now(self) -> float:
        times = schedstat(self._pid)
        return super()._now() if times is None else times[0]


def schedstat(pid: int) -> tuple[float, float] | None:
    """Seconds for which the main thread has run, and was ready to and had no CPU; Linux only."""
    try:
        ran, waited, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    except OSError:
        return None
    return int(ran) / 1e9, int(waited) / 1e9


def cpu_seconds(pid: int) -> float:
    """For which the threads of a process have run. Linux counts them in nanoseconds."""
    return (
        sum(
            int(task.read_text().split()[0])
            for task in Path(f"/proc/{pid}/task").glob("*/schedstat")
        )
        / 1e9
    )


def cpu_wait(pid: int) -> float:
    """Seconds for which the main thread was ready to run and had no CPU; 0 but on Linux."""
    times = schedstat(pid)
    return 0.0 if times is None else times[1]


class Deadline:
    """A limit in seconds for a process, which begins now.

    Time for which it had no CPU does not count: a busy machine takes no deadline away.
    """

    def __init__(self, pid: int, seconds: float) -> None:
        self._pid = pid
        self._end = monotonic() + seconds - cpu_wait(pid)

    @property
    def passed(self) -> bool:
        """Whether the process has had all its time."""
        return monotonic() > self._end + cpu_wait(self._pid)


def rss(pid: int) -> int:
    """Bytes resident."""
    return int(psutil.Process(pid).memory_info().rss)


def pss(pid: int) -> int | None:
    """Bytes resident, shared ones split among the processes that share; ``None`` but on Linux."""
    return getattr(psutil.Process(pid).memory_full_info(), "pss", None)


def peak(pid: int) -> int:
    """The most bytes resident since the start, or since ``reset_peak``. Linux only."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def reset_peak(pid: int) -> None:
    """Begin to measure the peak from now on. Linux only."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
