"""The ``processes`` section: the top by CPU and the top by memory."""

import os
from collections.abc import Callable, Iterable, Mapping
from heapq import nlargest
from typing import NamedTuple

import psutil

from nodnod_agent.collectors.kernel_files import text
from nodnod_agent.collectors.on_demand import LATER, Later
from nodnod_agent.core.stats.rates import percent
from nodnod_client.sections import Process, Processes

TOP = 15

SETTLE = 0.1
"""Seconds that must lie between two looks: the CPU time of a process counts in steps of 10 ms."""


class Found(NamedTuple):
    """One process at one moment; ``born`` tells it from a later one with the same ``pid``.

    ``cpu`` is the seconds used since it began.
    """

    pid: int
    born: float
    name: str
    cpu: float
    rss: int


def parse_stat(data: bytes, tick: float, page: int) -> Found:
    """/proc/PID/stat (proc(5)); the name may hold anything, spaces and parentheses too."""
    head, _, tail = data.rpartition(b")")
    pid, _, name = head.partition(b"(")
    columns = tail.split()
    return Found(
        pid=int(pid),
        born=int(columns[19]) / tick,
        name=text(name),
        cpu=(int(columns[11]) + int(columns[12])) / tick,
        rss=int(columns[21]) * page,
    )


def parse_users(passwd: bytes) -> dict[int, str]:
    """/etc/passwd: names by user id; the first name of an id is the one."""
    users: dict[int, str] = {}
    for line in passwd.split(b"\n"):
        name, _, number, *_ = [*line.split(b":"), b"", b"", b""]
        if number.isdigit():
            users.setdefault(int(number), text(name))
    return users


def compute(
    before: Mapping[tuple[int, float], float],
    after: Iterable[Found],
    elapsed: float,
    user_of: Callable[[int], str],
) -> Processes:
    """The section; ``before`` maps (pid, born) to CPU seconds. A new process began at 0."""
    found = list(after)
    shares = {
        process.pid: percent(
            max(0.0, process.cpu - before.get((process.pid, process.born), 0.0)), elapsed
        )
        for process in found
    }
    by_cpu = nlargest(TOP, found, key=lambda process: (shares[process.pid], process.rss))
    by_memory = nlargest(TOP, found, key=lambda process: process.rss)

    def row(process: Found) -> Process:
        return Process(
            process.pid,
            process.name,
            user_of(process.pid),
            round(shares[process.pid], 1),
            process.rss,
        )

    return Processes(len(found), [row(one) for one in by_cpu], [row(one) for one in by_memory])


class ProcessesCollector:
    """Reads /proc where there is one, psutil elsewhere."""

    def __init__(self) -> None:
        proc = os.path.exists("/proc/self/stat")
        self._list: Callable[[], Iterable[Found]] = list_proc if proc else list_psutil
        self._before: dict[tuple[int, float], float] = {}
        self._when: float | None = None
        self._users: dict[int, str] | None = None

    def read(self, now: float) -> Processes | Later:
        """The section since the reading before; LATER at the first."""
        when = self._when
        if when is not None and now - when < SETTLE:
            return LATER
        found = list(self._list())
        before, self._when = self._before, now
        self._before = {(process.pid, process.born): process.cpu for process in found}
        if when is None:
            return LATER
        return compute(before, found, now - when, self._user_of)

    def forget(self) -> None:
        """Drop the reading before, and the user list."""
        self._before, self._when, self._users = {}, None, None

    def _user_of(self, pid: int) -> str:
        # Not through the C library: where users live on a server, it may wait for the network.
        try:
            uid = os.stat(f"/proc/{pid}").st_uid
        except OSError:
            return _psutil_user(pid) if self._list is list_psutil else ""
        if self._users is None:
            self._users = _read_users()
        return self._users.get(uid, str(uid))


def list_proc() -> Iterable[Found]:
    """All processes in /proc, but those that end while they are being read."""
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            fd = os.open(f"/proc/{name}/stat", os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        try:
            yield parse_stat(os.read(fd, 4096), tick, page)
        except (ProcessLookupError, IndexError, ValueError):
            continue
        finally:
            os.close(fd)


def list_psutil() -> Iterable[Found]:
    """The same from psutil, for systems without /proc: what this user may see."""
    for process in psutil.process_iter(["create_time", "name", "cpu_times", "memory_info"]):
        info = process.info
        times, memory = info["cpu_times"], info["memory_info"]
        if times is not None and memory is not None:
            yield Found(
                process.pid,
                info["create_time"] or 0.0,
                text(info["name"] or ""),
                times.user + times.system,
                memory.rss,
            )


def _psutil_user(pid: int) -> str:
    try:
        return text(psutil.Process(pid).username())
    except psutil.Error:
        return ""


def _read_users() -> dict[int, str]:
    try:
        with open("/etc/passwd", "rb") as file:
            return parse_users(file.read())
    except OSError:
        return {}
