import os
import time
from pathlib import Path

import msgspec
import psutil
import pytest

from nodnod_agent.collectors import processes
from nodnod_agent.collectors.processes import (
    MAX_MATCHING,
    TOP,
    USERS_FOR,
    NotReady,
    ProcessesCollector,
    ProcessIo,
    ProcessStat,
    ProcessUse,
    compute,
    list_proc,
    list_psutil,
    matching,
    parse_process_io,
    parse_process_stat,
    parse_users,
    top,
)
from nodnod_client.sections import Process

STAT = (
    b"8249 (python) S 1 8249 8249 0 -1 4194304 2816 0 0 0 150 50 0 0 20 0 3 0 181942 "
    b"33910784 6068 18446744073709551615 1 1 0 0 0 0 0 16781312 134235650 0 0 0 17 1 0 0 0 0 0\n"
)
HOSTILE = STAT.replace(b"python", b') R 0 0 (\xff\n\x1b[2J"')
IO = b"""\
rchar: 2012
wchar: 0
syscr: 7
syscw: 0
read_bytes: 4096
write_bytes: 8192
cancelled_write_bytes: 512
"""
PASSWD = b"""\
root:x:0:0:root:/root:/bin/bash
toor:x:0:0:second name of root:/root:/bin/sh
# a comment
www-data:x:33:33::/var/www:/usr/sbin/nologin
broken
"""


def process_stat(
    pid: int,
    cpu: float = 0.0,
    rss: int = 0,
    started: float = 1.0,
    *,
    name: str = "",
    io: tuple[int, int] | None = None,
) -> ProcessStat:
    there = ProcessIo(*io) if io else None
    return ProcessStat(pid, started, name or f"p{pid}", cpu, rss, "sleeping", 2, there)


def used(*before: ProcessStat, after: list[ProcessStat], elapsed: float = 1.0) -> list[ProcessUse]:
    return compute({(one.pid, one.started): one for one in before}, after, elapsed)


def row(use: ProcessUse) -> Process:
    stat = use.stat
    return Process(stat.pid, stat.name, "app", use.cpu, stat.rss)


def test_a_process_is_read_from_its_stat_file() -> None:
    process = parse_process_stat(STAT, 100, 4096)
    assert process == ProcessStat(8249, 1819.42, "python", 2.0, 6068 * 4096, "sleeping", 3)


def test_a_state_that_this_version_does_not_know_keeps_its_letter() -> None:
    assert parse_process_stat(STAT.replace(b" S ", b" Q "), 100, 4096).state == "Q"


def test_a_hostile_name_is_just_data() -> None:
    process = parse_process_stat(HOSTILE, 100, 4096)
    assert (process.pid, process.rss) == (8249, 6068 * 4096)
    assert process.name == ') R 0 0 (\ufffd\n\x1b[2J"'
    section = top(used(after=[process]), row)
    assert msgspec.json.decode(msgspec.json.encode(section))["byCpu"][0]["name"] == process.name


def test_io_is_that_of_the_storage_and_not_of_the_cache() -> None:
    assert parse_process_io(IO) == ProcessIo(4096, 8192)


def test_the_first_name_of_a_user_id_counts() -> None:
    assert parse_users(PASSWD) == {0: "root", 33: "www-data"}


def test_cpu_is_percent_of_one_core_over_the_elapsed_time() -> None:
    after = [process_stat(1, 20.0), process_stat(2, 11.0)]
    uses = used(process_stat(1, 10.0), process_stat(2, 10.0), after=after, elapsed=5.0)
    assert [(use.stat.pid, use.cpu) for use in uses] == [(1, 200.0), (2, 20.0)]


def test_a_process_with_a_reused_pid_is_a_new_one() -> None:
    old = process_stat(1, 500.0, io=(10**9, 10**9))
    (use,) = used(old, after=[process_stat(1, 0.5, started=9.0, io=(300, 0))])
    assert (use.cpu, use.read, use.written) == (50.0, 300.0, 0.0)


def test_io_is_per_second_and_unknown_where_the_kernel_hides_it() -> None:
    before = process_stat(1, io=(1000, 0)), process_stat(2), process_stat(3, io=(0, 0))
    after = [process_stat(1, io=(2000, 500)), process_stat(2, io=(9, 9)), process_stat(3)]
    uses = used(*before, after=after, elapsed=2.0)
    assert [(use.read, use.written) for use in uses] == [(500.0, 250.0), (None, None), (None, None)]


def test_the_top_fifteen_by_each_order_are_sorted() -> None:
    many = [process_stat(n, cpu=float(n), rss=1000 - n, io=((n * 7) % 100, 0)) for n in range(100)]
    section = top(used(after=many), row)
    assert section.count == 100
    assert [row.pid for row in section.by_cpu] == list(range(99, 99 - TOP, -1))
    assert [row.pid for row in section.by_memory] == list(range(TOP))
    assert [row.pid * 7 % 100 for row in section.by_io] == list(range(99, 99 - TOP, -1))


def test_only_processes_that_read_or_wrote_are_listed_by_io() -> None:
    uses = used(after=[process_stat(1, io=(0, 0)), process_stat(2, io=(0, 1)), process_stat(3)])
    assert [row.pid for row in top(uses, row).by_io] == [2]


def test_the_processes_that_match_are_listed_with_their_sums() -> None:
    after = [
        process_stat(1, 0.5, 100, name="postgres", io=(10, 20)),
        process_stat(2, 0.25, 200, name="postgres: wal"),
        process_stat(3, 9.0, 999, name="POSTGRES", io=(1, 1)),
    ]
    section = matching(used(after=after), "postgres*", row)
    assert (section.count, section.by_cpu, section.by_memory, section.by_io) == (3, [], [], [])
    found = section.sums
    assert found
    assert (found.count, found.cpu, found.rss, found.threads) == (2, 75.0, 300, 4)
    assert (found.read_bytes, found.write_bytes) == (10.0, 20.0)
    assert section.matching
    assert [one.pid for one in section.matching] == [1, 2]


def test_the_sums_count_also_those_that_are_too_many_to_list() -> None:
    after = [process_stat(n, n / 100, 1, name="worker") for n in range(60)]
    section = matching(used(after=after), "worker", row)
    assert section.sums
    assert (section.sums.count, section.sums.rss, section.sums.read_bytes) == (60, 60, None)
    assert section.matching
    assert [one.pid for one in section.matching] == list(range(59, 59 - MAX_MATCHING, -1))


def test_where_nothing_matches_the_sums_are_zero() -> None:
    section = matching(used(after=[process_stat(1)]), "[", row)
    assert section.matching == []
    found = section.sums
    assert found
    assert (found.count, found.cpu, found.threads, found.read_bytes) == (0, 0.0, 0, 0.0)


def test_two_readings_are_needed_with_a_least_interval_between_them() -> None:
    collector = ProcessesCollector()
    assert isinstance(collector.read(100.0), NotReady)
    assert isinstance(collector.read(100.05), NotReady)
    section = collector.read(101.0)
    assert not isinstance(section, NotReady)
    assert section.count > 0
    collector.reset()
    assert isinstance(collector.read(200.0), NotReady)


def test_the_users_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    users = iter([{}, {os.getuid(): "new"}])
    monkeypatch.setattr(processes, "_read_users", lambda: next(users))
    for source in ("list_proc", "list_psutil"):
        monkeypatch.setattr(processes, source, lambda: [process_stat(os.getpid())])
    collector = ProcessesCollector()
    seen = [collector.read(now) for now in (0.0, 1.0, USERS_FOR / 2, 2 * USERS_FOR)]
    names = [section.by_cpu[0].user for section in seen if not isinstance(section, NotReady)]
    assert names == [str(os.getuid())] * 2 + ["new"]


def test_this_process_is_listed_with_its_user_and_cpu() -> None:
    collector = ProcessesCollector()
    begun = time.process_time()
    collector.read(0.0)
    while time.process_time() - begun < 0.15:
        pass
    section = collector.read(0.2)
    assert not isinstance(section, NotReady)
    mine = next(row for row in section.by_cpu if row.pid == os.getpid())
    assert mine.cpu > 40
    assert mine.rss > 1_000_000
    assert mine.user
    assert mine.started == pytest.approx(psutil.Process().create_time(), abs=2)
    assert mine.threads == psutil.Process().num_threads()


def test_a_pattern_within_the_least_interval_gets_the_newest_reading() -> None:
    collector = ProcessesCollector()
    assert isinstance(collector.read_matching("*", 0.0), NotReady)
    everything, whole = collector.read_matching("*", 1.0), collector.read(1.05)
    assert not isinstance(everything, NotReady)
    assert not isinstance(whole, NotReady)
    assert everything.sums
    assert everything.sums.count == everything.count == whole.count


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="needs /proc/PID/io")
def test_what_this_process_writes_to_a_disk_is_counted(tmp_path: Path) -> None:
    def written() -> int:
        io = next(one.io for one in list_proc() if one.pid == os.getpid())
        assert io
        return io.written

    before = written()
    with open(tmp_path / "file", "wb") as file:
        file.write(b"x" * 2**20)
        file.flush()
        os.fsync(file.fileno())
    if written() == before:
        pytest.skip("the temporary directory is in memory")
    assert written() - before >= 2**20


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_proc_and_psutil_agree_on_this_process() -> None:
    ours = next(one for one in list_proc() if one.pid == os.getpid())
    theirs = next(one for one in list_psutil() if one.pid == os.getpid())
    assert ours.cpu == pytest.approx(theirs.cpu, abs=0.5)
    assert ours.rss == pytest.approx(theirs.rss, rel=0.3)
