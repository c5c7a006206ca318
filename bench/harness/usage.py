"""What a process uses: CPU and memory."""

import psutil


class Meter:
    """CPU time of one process from one look to the next."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._then = self._now()

    def seconds(self) -> float:
        """Since the last look. The kernel counts in steps of 10 ms."""
        then, self._then = self._then, self._now()
        return self._then - then

    def _now(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def rss(pid: int) -> int:
    """Bytes resident."""
    return int(psutil.Process(pid).memory_info().rss)


def pss(pid: int) -> int | None:
    """Bytes resident, those shared with other processes split among them; ``None`` but on Linux."""
    return getattr(psutil.Process(pid).memory_full_info(), "pss", None)
