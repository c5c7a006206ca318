"""The ``processes`` section: the top processes, and those whose names match a pattern."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import nlargest
from typing import NamedTuple

import psutil

from nodnod_agent.collectors.kernel_files import read_once, text
from nodnod_agent.collectors.moment import moment
from nodnod_agent.core.pattern import matcher
from nodnod_agent.core.stats.rates import per_second, percent
from nodnod_client.sections import Process, Processes, ProcessSums

TOP = 15

MAX_MATCHING = 50
"""Processes listed for a pattern."""

MIN_INTERVAL = 0.1
"""Least seconds between two readings: CPU time is counted in steps of 10 ms."""

USERS_FOR = 60.0
"""Seconds for which the list of users is kept."""

_STATES = {
    "R": psutil.STATUS_RUNNING,
    "S": psutil.STATUS_SLEEPING,
    "D": psutil.STATUS_DISK_SLEEP,
    "T": psutil.STATUS_STOPPED,
    "t": psutil.STATUS_TRACING_STOP,
    "Z": psutil.STATUS_ZOMBIE,
    "X": psutil.STATUS_DEAD,
    "I": psutil.STATUS_IDLE,
    "P": psutil.STATUS_PARKED,
}
"""The letters of proc(5), in the words that psutil uses on all systems."""


class NotReady:
    """Returned in place of a section that needs a second reading, ``MIN_INTERVAL`` later."""


class ProcessIo(NamedTuple):
    """Bytes that a process has read from storage and written to it."""

    read: int
    written: int


class ProcessStat(NamedTuple):
    """One process at one moment; ``cpu`` is the CPU seconds that it has used.

    ``started`` distinguishes it from a later process with the same ``pid``: seconds since the boot,
    or Unix seconds on systems without /proc. ``io`` is None if this user must not see it.
    """

    pid: int
    started: float
    name: str
    cpu: float
    rss: int
    state: str = ""
    threads: int | None = None
    io: ProcessIo | None = None


class ProcessUse(NamedTuple):
    """One process, and what it used since the reading before: percent of a core, bytes per second."""

    stat: ProcessStat
    cpu: float
    read: float | None
    written: float | None

    @property
    def traffic(self) -> float:
        """Bytes per second, both directions."""
        return (self.read or 0.0) + (self.written or 0.0)


def parse_process_stat(data: bytes, tick: float, page: int) -> ProcessStat:
    """/proc/PID/stat (proc(5)); the name may have any characters, spaces and parentheses too."""
    head, _, tail = data.rpartition(b")")
    pid, _, name = head.partition(b"(")
    columns = tail.split()
    state = text(columns[0])
    return ProcessStat(
        pid=int(pid),
        started=int(columns[19]) / tick,
        name=text(name),
        cpu=(int(columns[11]) + int(columns[12])) / tick,
        rss=int(columns[21]) * page,
        state=_STATES.get(state, state),
        threads=int(columns[17]),
    )


def parse_process_io(data: bytes) -> ProcessIo:
    """/proc/PID/io (proc(5)). Raises KeyError if the kernel does not account storage."""
    words = data.split()
    fields = dict(zip(words[::2], words[1::2], strict=True))
    return ProcessIo(int(fields[b"read_bytes:"]), int(fields[b"write_bytes:"]))


def parse_users(passwd: bytes) -> dict[int, str]:
    """/etc/passwd: user id -> name; the first name of an id counts."""
    users: dict[int, str] = {}
    for line in passwd.split(b"\n"):
        name, _, number, *_ = [*line.split(b":"), b"", b"", b""]
        if number.isdigit():
            users.setdefault(int(number), text(name))
    return users


def compute(
    before: Mapping[tuple[int, float], ProcessStat], after: Iterable[ProcessStat], elapsed: float
) -> list[ProcessUse]:
    """What each process used; ``before`` is by (pid, started), and has no new process.

    The kernel adds the I/O of a child that ended to that of its parent, which may so read and write
    more in one interval than it did.
    """
    return [_use(before.get((stat.pid, stat.started)), stat, elapsed) for stat in after]


def _use(before: ProcessStat | None, after: ProcessStat, elapsed: float) -> ProcessUse:
    cpu = percent(max(0.0, after.cpu - (before.cpu if before else 0.0)), elapsed)
    then = before.io if before else ProcessIo(0, 0)
    if then is None or after.io is None:
        return ProcessUse(after, cpu, None, None)
    read, written = (per_second(was, now, elapsed) for was, now in zip(then, after.io, strict=True))
    return ProcessUse(after, cpu, read, written)


def _by_cpu(use: ProcessUse) -> tuple[float, int]:
    return use.cpu, use.stat.rss


Row = Callable[[ProcessUse], Process]


def top(uses: Sequence[ProcessUse], row: Row) -> Processes:
    """The whole section."""
    by_memory = nlargest(TOP, uses, key=lambda use: use.stat.rss)
    by_io = nlargest(TOP, (use for use in uses if use.traffic), key=lambda use: use.traffic)
    return Processes(
        count=len(uses),
        by_cpu=[row(use) for use in nlargest(TOP, uses, key=_by_cpu)],
        by_memory=[row(use) for use in by_memory],
        by_io=[row(use) for use in by_io],
    )


def matching(uses: Sequence[ProcessUse], pattern: str, row: Row) -> Processes:
    """The section with the processes whose names are or match ``pattern``."""
    matches = matcher([pattern])
    found = [use for use in uses if matches(use.stat.name)]
    threads = [use.stat.threads for use in found if use.stat.threads is not None]
    read = [use.read for use in found if use.read is not None]
    written = [use.written for use in found if use.written is not None]
    sums = ProcessSums(
        count=len(found),
        cpu=round(sum(use.cpu for use in found), 1),
        rss=sum(use.stat.rss for use in found),
        threads=sum(threads) if threads or not found else None,
        read_bytes=round(sum(read), 1) if read or not found else None,
        write_bytes=round(sum(written), 1) if written or not found else None,
    )
    rows = [row(use) for use in nlargest(MAX_MATCHING, found, key=_by_cpu)]
    return Processes(len(uses), [], [], [], rows, sums)


class ProcessesCollector:
    """Reads /proc; psutil on other systems."""

    def __init__(self) -> None:
        self._proc = os.path.exists("/proc/self/stat")
        self._before: dict[tuple[int, float], ProcessStat] = {}
        self._uses: list[ProcessUse] | None = None
        self._when: float | None = None
        self._users: dict[int, str] | None = None
        self._users_until = 0.0

    def read(self, now: float) -> Processes | NotReady:
        """The section since the previous reading; NotReady at the first."""
        uses = self._read(now)
        return NotReady() if uses is None else top(uses, self._row())

    def read_matching(self, pattern: str, now: float) -> Processes | NotReady:
        """The section with the processes whose names match, since the previous reading."""
        uses = self._read(now)
        return NotReady() if uses is None else matching(uses, pattern, self._row())

    def reset(self) -> None:
        """Drop the previous reading, and the list of users."""
        self._before, self._uses, self._when, self._users = {}, None, None, None

    def _read(self, now: float) -> list[ProcessUse] | None:
        """All processes; those of the newest reading, if there was one within MIN_INTERVAL."""
        when = self._when
        if when is not None and now - when < MIN_INTERVAL:
            return self._uses
        found = list(list_proc() if self._proc else list_psutil())
        if now >= self._users_until:
            self._users, self._users_until = None, now + USERS_FOR
        before, self._when = self._before, now
        self._before = {(process.pid, process.started): process for process in found}
        if when is not None:
            self._uses = compute(before, found, now - when)
        return self._uses

    def _row(self) -> Row:
        at = moment()
        booted = at.unix - at.clock if self._proc else 0.0

        def row(use: ProcessUse) -> Process:
            stat = use.stat
            return Process(
                pid=stat.pid,
                name=stat.name,
                user=self._user_of(stat.pid),
                cpu=round(use.cpu, 1),
                rss=stat.rss,
                state=stat.state,
                threads=stat.threads,
                started=round(booted + stat.started, 1),
                read_bytes=None if use.read is None else round(use.read, 1),
                write_bytes=None if use.written is None else round(use.written, 1),
            )

        return row

    def _user_of(self, pid: int) -> str:
        # Not by the C library: if users are on a server, it may wait for the network.
        try:
            uid = os.stat(f"/proc/{pid}").st_uid
        except OSError:
            return "" if self._proc else _psutil_user(pid)
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
            stat = parse_process_stat(read_once(f"/proc/{name}/stat"), tick, page)
        except (OSError, IndexError, ValueError):
            continue
        try:
            io = parse_process_io(read_once(f"/proc/{name}/io"))
        except (OSError, KeyError, ValueError):
            io = None  # of another user, or not accounted
        yield stat._replace(io=io)


def list_psutil() -> Iterable[ProcessStat]:
    """The processes visible to this user, through psutil, for systems without /proc."""
    names = ["create_time", "name", "cpu_times", "memory_info", "status", "num_threads"]
    for process in psutil.process_iter(names):
        info = process.info
        times, memory = info["cpu_times"], info["memory_info"]
        if times is not None and memory is not None:
            yield ProcessStat(
                process.pid,
                info["create_time"] or 0.0,
                text(info["name"] or ""),
                times.user + times.system,
                memory.rss,
                info["status"] or "",
                info["num_threads"],
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
