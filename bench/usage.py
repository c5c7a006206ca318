"""What a process uses: CPU and memory."""

import psutil

__all__ = ["Meter", "pss", "rss"]


class Meter:
    """CPU of one process, as the share of one core since the last look."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._then = self._seconds()

    def share(self, elapsed: float) -> float:
        """Over the ``elapsed`` seconds since the last look. The kernel counts in steps of 10 ms."""
        then, self._then = self._then, self._seconds()
        return (self._then - then) / max(elapsed, 1e-9)

    def _seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def rss(pid: int) -> int:
    """Bytes resident."""
    return int(psutil.Process(pid).memory_info().rss)


def pss(pid: int) -> int | None:
    """Bytes resident, those shared with other processes split among them; ``None`` but on Linux."""
    return getattr(psutil.Process(pid).memory_full_info(), "pss", None)
