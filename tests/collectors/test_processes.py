import os
import time

import msgspec
import pytest

from nodnod_agent.collectors import processes
from nodnod_agent.collectors.processes import (
    TOP,
    USERS_FOR,
    NotReady,
    ProcessesCollector,
    ProcessStat,
    compute,
    list_proc,
    list_psutil,
    parse_process_stat,
    parse_users,
)

STAT = (
    b"8249 (python) S 1 8249 8249 0 -1 4194304 2816 0 0 0 150 50 0 0 20 0 3 0 181942 "
    b"33910784 6068 18446744073709551615 1 1 0 0 0 0 0 16781312 134235650 0 0 0 17 1 0 0 0 0 0\n"
)
HOSTILE = STAT.replace(b"python", b') R 0 0 (\xff\n\x1b[2J"')
PASSWD = b"""\
root:x:0:0:root:/root:/bin/bash
toor:x:0:0:second name of root:/root:/bin/sh
# a comment
www-data:x:33:33::/var/www:/usr/sbin/nologin
broken
"""


def process_stat(pid: int, cpu: float = 0.0, rss: int = 0, started: float = 1.0) -> ProcessStat:
    return ProcessStat(pid, started, f"p{pid}", cpu, rss)


def user_of(pid: int) -> str:
    return "app"


def test_a_process_is_read_from_its_stat_file() -> None:
    process = parse_process_stat(STAT, 100, 4096)
    assert process == ProcessStat(8249, 1819.42, "python", 2.0, 6068 * 4096)


def test_a_hostile_name_is_just_data() -> None:
    process = parse_process_stat(HOSTILE, 100, 4096)
    assert (process.pid, process.rss) == (8249, 6068 * 4096)
    assert process.name == ') R 0 0 (\ufffd\n\x1b[2J"'
    section = compute({}, [process], 1.0, user_of)
    assert msgspec.json.decode(msgspec.json.encode(section))["byCpu"][0]["name"] == process.name


def test_the_first_name_of_a_user_id_counts() -> None:
    assert parse_users(PASSWD) == {0: "root", 33: "www-data"}


def test_cpu_is_percent_of_one_core_over_the_elapsed_time() -> None:
    before = {(1, 1.0): 10.0, (2, 1.0): 10.0}
    section = compute(before, [process_stat(1, 20.0), process_stat(2, 11.0)], 5.0, user_of)
    assert [(row.pid, row.cpu) for row in section.by_cpu] == [(1, 200.0), (2, 20.0)]


def test_a_process_with_a_reused_pid_is_a_new_one() -> None:
    section = compute({(1, 1.0): 500.0}, [process_stat(1, 0.5, started=9.0)], 1.0, user_of)
    assert section.by_cpu[0].cpu == 50.0


def test_the_top_fifteen_by_cpu_and_by_memory_are_sorted() -> None:
    many = [process_stat(n, cpu=float(n), rss=1000 - n) for n in range(100)]
    section = compute({}, many, 1.0, user_of)
    assert section.count == 100
    assert [row.pid for row in section.by_cpu] == list(range(99, 99 - TOP, -1))
    assert [row.pid for row in section.by_memory] == list(range(TOP))


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
    collector = ProcessesCollector()
    monkeypatch.setattr(collector, "_list", lambda: [process_stat(os.getpid())])
    seen = [collector.read(now) for now in (0.0, 1.0, 1.0 + USERS_FOR / 2, 1.0 + USERS_FOR)]
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


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_proc_and_psutil_agree_on_this_process() -> None:
    ours = next(one for one in list_proc() if one.pid == os.getpid())
    theirs = next(one for one in list_psutil() if one.pid == os.getpid())
    assert ours.cpu == pytest.approx(theirs.cpu, abs=0.5)
    assert ours.rss == pytest.approx(theirs.rss, rel=0.3)
