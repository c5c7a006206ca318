"""The ``processes`` section: the top processes by CPU and by memory."""

import os
from collections.abc import Callable, Iterable, Mapping
from heapq import nlargest
from typing import NamedTuple

import psutil

from nodnod_agent.collectors.kernel_files import text
from nodnod_agent.core.stats.rates import percent
from nodnod_client.sections import Process, Processes

TOP = 15

MIN_INTERVAL = 0.1
"""Least seconds between two readings: CPU time is counted in steps of 10 ms."""


USERS_FOR = 60.0
"""Seconds for which the list of users is kept."""


class NotReady:
    """Returned in place of a section that needs a second reading, ``MIN_INTERVAL`` later."""


class ProcessStat(NamedTuple):
    """One process at one moment; ``cpu`` is the CPU seconds that it has used.

    ``started`` distinguishes it from a later process with the same ``pid``.
    """

    pid: int
    started: float
    name: str
    cpu: float
    rss: int


def parse_process_stat(data: bytes, tick: float, page: int) -> ProcessStat:
    """/proc/PID/stat (proc(5)); the name may have any characters, spaces and parentheses too."""
    head, _, tail = data.rpartition(b")")
    pid, _, name = head.partition(b"(")
    columns = tail.split()
    return ProcessStat(
        pid=int(pid),
        started=int(columns[19]) / tick,
        name=text(name),
        cpu=(int(columns[11]) + int(columns[12])) / tick,
        rss=int(columns[21]) * page,
    )


def parse_users(passwd: bytes) -> dict[int, str]:
    """/etc/passwd: user id -> name; the first name of an id counts."""
    users: dict[int, str] = {}
    for line in passwd.split(b"\n"):
        name, _, number, *_ = [*line.split(b":"), b"", b"", b""]
        if number.isdigit():
            users.setdefault(int(number), text(name))
    return users


def compute(
    before: Mapping[tuple[int, float], float],
    after: Iterable[ProcessStat],
    elapsed: float,
    user_of: Callable[[int], str],
) -> Processes:
    """The section; ``before`` maps (pid, started) to CPU seconds, which are 0 for a new process."""
    found = list(after)
    shares = {
        process.pid: percent(
            max(0.0, process.cpu - before.get((process.pid, process.started), 0.0)), elapsed
        )
        for process in found
    }
    by_cpu = nlargest(TOP, found, key=lambda process: (shares[process.pid], process.rss))
    by_memory = nlargest(TOP, found, key=lambda process: process.rss)

    def row(process: ProcessStat) -> Process:
        return Process(
            process.pid,
            process.name,
            user_of(process.pid),
            round(shares[process.pid], 1),
            process.rss,
        )

    return Processes(len(found), [row(one) for one in by_cpu], [row(one) for one in by_memory])


class ProcessesCollector:
    """Reads /proc; psutil on other systems."""

    def __init__(self) -> None:
        proc = os.path.exists("/proc/self/stat")
        self._list: Callable[[], Iterable[ProcessStat]] = list_proc if proc else list_psutil
        self._before: dict[tuple[int, float], float] = {}
        self._when: float | None = None
        self._users: dict[int, str] | None = None
        self._users_until = 0.0

    def read(self, now: float) -> Processes | NotReady:
        """The section since the previous reading; NotReady at the first."""
        when = self._when
        if when is not None and now - when < MIN_INTERVAL:
            return NotReady()
        found = list(self._list())
        before, self._when = self._before, now
        self._before = {(process.pid, process.started): process.cpu for process in found}
        if when is None:
            return NotReady()
        if now >= self._users_until:
            self._users, self._users_until = None, now + USERS_FOR
        return compute(before, found, now - when, self._user_of)

    def reset(self) -> None:
        """Drop the previous reading, and the list of users."""
        self._before, self._when, self._users = {}, None, None

    def _user_of(self, pid: int) -> str:
        # Not by the C library: if users are on a server, it may wait for the network.
        try:
            uid = os.stat(f"/proc/{pid}").st_uid
        except OSError:
            return _psutil_user(pid) if self._list is list_psutil else ""
        if self._users is None:
            self._users = _read_users()
        return self._users.get(uid, str(uid))


def list_proc() -> Iterable[ProcessStat]:
    """All processes in /proc, without those that end while they are read."""
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            fd = os.open(f"/proc/{name}/stat", os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        try:
            yield parse_process_stat(os.read(fd, 4096), tick, page)
        except (OSError, IndexError, ValueError):
            continue
        finally:
            os.close(fd)


def list_psutil() -> Iterable[ProcessStat]:
    """The processes visible to this user, through psutil, for systems without /proc."""
    for process in psutil.process_iter(["create_time", "name", "cpu_times", "memory_info"]):
        info = process.info
        times, memory = info["cpu_times"], info["memory_info"]
        if times is not None and memory is not None:
            yield ProcessStat(
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
