from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from nodnod_agent.collectors.cgroup import Cgroup, CpuUse
from nodnod_agent.collectors.cpu import (
    ALL,
    CpuCollector,
    compute,
    compute_quota,
    parse_cpu_times,
    parse_frequency,
)
from nodnod_agent.collectors.kernel_files import SharedFile
from nodnod_agent.core.stats.rates import CpuTimes

# A machine with a virtual one: the guest columns (9, 10) are included in user and nice.
STAT = b"""\
cpu  2182 10 1630 161781 116 3 22 12 700 5
cpu0 466 4 679 81626 8 1 3 3 200 5
cpu1 1716 6 951 80155 108 2 19 9 500 0
intr 90481 0 0 0 0
ctxt 163453
btime 1795356763
"""
# A kernel from before steal was counted.
OLD_STAT = b"cpu  100 0 50 850 0 0 0\ncpu0 100 0 50 850 0 0 0\nintr 1\n"


def test_the_cpu_lines_are_read_and_nothing_after_them() -> None:
    times = parse_cpu_times(STAT)
    assert times.keys() == {ALL, 0, 1}
    assert times[ALL] == CpuTimes(2182, 10, 1630, 161781, 116, 3, 22, 12)


def test_a_line_that_has_no_numbers_costs_its_own_core() -> None:
    times = parse_cpu_times(b"cpu  9 0 0 9\ncpu0 x 0 0 9\ncpuidle 1\ncpu1 9 0 0 0\nintr 1\n")
    assert times == {ALL: CpuTimes(9, idle=9), 1: CpuTimes(9)}


def test_columns_that_an_old_kernel_does_not_have_are_0() -> None:
    assert parse_cpu_times(OLD_STAT)[0] == CpuTimes(100, 0, 50, 850, 0, 0, 0, 0)


def test_each_core_has_its_own_share() -> None:
    before = {ALL: CpuTimes(), 0: CpuTimes(), 1: CpuTimes()}
    after = {ALL: CpuTimes(user=100, idle=100), 0: CpuTimes(user=100), 1: CpuTimes(idle=100)}
    section = compute(before, after, 2400.0)
    assert (section.used, section.cores, section.frequency) == (50, [100, 0], 2400.0)


BUSY, IDLE = CpuTimes(user=10), CpuTimes(idle=10)


@pytest.mark.parametrize(
    ("before", "after", "cores"),
    [
        ({ALL, 0}, {ALL: IDLE, 0: IDLE, 1: CpuTimes(user=9000)}, [0, None]),
        ({ALL, 0, 1, 2}, {ALL: IDLE, 0: IDLE, 2: BUSY}, [0, None, 100]),
        (
            {ALL, 0, 4, 8, 12},
            {ALL: IDLE, 0: BUSY, 4: IDLE, 8: BUSY, 12: IDLE},
            [100, *[None] * 3, 0, *[None] * 3, 100, *[None] * 3, 0],
        ),
    ],
    ids=["a core that came online", "a core that went offline", "cores without their siblings"],
)
def test_the_place_of_a_core_is_its_number(
    before: set[int], after: dict[int, CpuTimes], cores: list[float | None]
) -> None:
    assert compute(dict.fromkeys(before, CpuTimes()), after, None).cores == cores


def test_a_core_keeps_its_place_when_it_goes_offline() -> None:
    lines = b"cpu  %d 0 0 0\ncpu0 %d 0 0 0\n"
    readings = iter([lines % (1, 1) + b"cpu1 0 0 0 7\n", lines % (2, 2), lines % (3, 3)])
    collector = CpuCollector(Cgroup(), lambda: parse_cpu_times(next(readings)))
    assert [collector.read(float(now)).cores for now in range(3)] == [
        [None, None],
        [100, None],
        [100, None],
    ]


def test_a_machine_that_grows_shows_all_its_cores(tmp_path: Path) -> None:
    path = tmp_path / "stat"
    collector = CpuCollector(Cgroup(), stat=SharedFile(str(path)))
    for now, count in enumerate((2, 512, 512)):
        names = [b"cpu ", *(b"cpu%d" % number for number in range(count))]
        lines = [b"%b %d 0 0 %d 0 0 0 0 0 0" % (name, now * 10**15, 10**15) for name in names]
        path.write_bytes(b"\n".join([*lines, b"intr" + b" 0" * 50_000, b""]))
        cores = collector.read(float(now)).cores
    assert cores == [100] * 512


@pytest.mark.parametrize(
    ("stat", "error"),
    [
        (b"cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\n", "stand still"),
        (STAT, "stand still"),
        (b"", "no counters"),
    ],
    ids=["zeros", "the same numbers", "an empty file"],
)
def test_counters_that_stand_still_are_an_error(stat: bytes, error: str) -> None:
    collector = CpuCollector(Cgroup(), lambda: parse_cpu_times(stat))
    with suppress(ValueError):
        assert collector.read(1.0).used == 0
    with pytest.raises(ValueError, match=error):
        collector.read(2.0)


def test_a_group_that_counts_no_time_is_passed_over() -> None:
    readings = iter([{ALL: CpuTimes()}, {ALL: BUSY}, {ALL: BUSY}])
    collector = CpuCollector(Cgroup(cpu=lambda: CpuUse(1, 0, 0, 0)), lambda: next(readings))
    assert [collector.read(0.0).used, collector.read(1.0).used] == [0, 100]
    with pytest.raises(ValueError, match="stand still"):
        collector.read(2.0)


def test_a_counter_of_a_group_that_goes_back_counts_as_unchanged() -> None:
    section = compute_quota(CpuUse(1, 9, 5, 4), CpuUse(1, 8, 6, 2), 2.0, 8, None)
    assert (section.used, section.user, section.system) == (0, 50, 0)


def test_under_a_quota_the_shares_are_of_the_quota() -> None:
    section = compute_quota(CpuUse(1.5, 10, 6, 4), CpuUse(1.5, 11.5, 7, 4.5), 2.0, 8, None)
    assert section.used == 50
    assert (section.user, section.system) == (pytest.approx(33.33), pytest.approx(16.67))
    assert (section.iowait, section.steal, section.cores) == (None, None, [])


def test_a_burst_over_the_quota_is_still_100_percent() -> None:
    assert compute_quota(CpuUse(0.5, 0, 0, 0), CpuUse(0.5, 4, 4, 0), 1.0, 8, None).used == 100


def test_a_reading_that_failed_does_not_lengthen_the_next() -> None:
    uses = iter([CpuUse(1, 1, 1, 0), CpuUse(1, 2, 2, 0), CpuUse(1, 3, 3, 0)])
    readings = iter([{ALL: BUSY}, {}, {ALL: IDLE}])

    def source() -> dict[int, CpuTimes]:
        times = next(readings)
        if not times:
            raise OSError(107, "Transport endpoint is not connected")
        return times

    collector = CpuCollector(Cgroup(cpu=lambda: next(uses)), source)
    collector.read(0.0)
    with pytest.raises(OSError, match="Transport"):
        collector.read(1.0)
    assert collector.read(2.0).used == 100, "two seconds of CPU in two seconds"


def test_a_quota_above_the_cores_of_the_machine_counts_all_of_them() -> None:
    assert compute_quota(CpuUse(64, 0, 0, 0), CpuUse(64, 1, 1, 0), 1.0, 2, None).used == 50


def test_shares_are_since_the_previous_reading() -> None:
    times = iter([{ALL: CpuTimes(idle=0)}, {ALL: CpuTimes(user=5, idle=5)}] * 2)
    collector = CpuCollector(Cgroup(), lambda: next(times))
    assert collector.read(1.0).used == 0
    assert collector.read(2.0).used == 50
    with pytest.raises(ValueError, match="stand still"):
        collector.read(3.0)  # they went back
    assert collector.read(4.0).used == 50


def test_shares_of_a_quota_are_of_the_elapsed_time() -> None:
    uses = iter([CpuUse(1, 0, 0, 0), CpuUse(1, 0.5, 0.5, 0), CpuUse(1, 3.0, 3.0, 0)])
    collector = CpuCollector(Cgroup(cpu=lambda: next(uses)), lambda: {ALL: CpuTimes()})
    assert [collector.read(when).used for when in (0.0, 1.0, 6.0)] == [0, 50, 50]


def test_the_frequency_is_that_of_the_first_core_or_unknown() -> None:
    x86 = b"processor\t: 0\ncpu MHz\t\t: 2596.122\n\nprocessor\t: 1\ncpu MHz\t\t: 800.0\n"
    assert parse_frequency(x86) == 2596.1
    assert parse_frequency(b"processor\t: 0\nBogoMIPS\t: 108.00\n") is None
    assert parse_frequency(b"processor\t: 0\ncpu MHz\t\t: unknown\n") is None


def test_columns_that_the_system_lacks_are_none() -> None:
    before, after = {ALL: CpuTimes(idle=0)}, {ALL: CpuTimes(user=5, idle=5)}
    found = compute(before, after, None, columns=("user", "nice", "system", "idle"))  # of macOS
    assert (found.used, found.iowait, found.steal) == (50, None, None)
    assert compute(before, after, None).iowait == 0


def test_a_system_without_proc_is_read_through_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    class Times(NamedTuple):
        user: float
        nice: float
        system: float
        idle: float

    times = iter([Times(0, 0, 0, 0), Times(5, 0, 0, 5)])
    now = next(times)
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu=False: [now] if percpu else now)
    collector = CpuCollector(Cgroup(), stat=SharedFile("/nonexistent/stat"))
    collector.read(0.0)
    now = next(times)
    found = collector.read(1.0)
    assert (found.used, found.user, found.iowait, found.steal) == (50, 50, None, None)
