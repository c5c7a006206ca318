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


def test_columns_that_an_old_kernel_does_not_have_are_0() -> None:
    assert parse_cpu_times(OLD_STAT)[0] == CpuTimes(100, 0, 50, 850, 0, 0, 0, 0)


def test_each_core_has_its_own_share() -> None:
    before = {ALL: CpuTimes(), 0: CpuTimes(), 1: CpuTimes()}
    after = {ALL: CpuTimes(user=100, idle=100), 0: CpuTimes(user=100), 1: CpuTimes(idle=100)}
    section = compute(before, after, 2400.0)
    assert (section.used, section.cores, section.frequency) == (50, [100, 0], 2400.0)


def test_a_core_that_came_online_is_absent_until_its_second_reading() -> None:
    before = {ALL: CpuTimes(), 0: CpuTimes()}
    after = {ALL: CpuTimes(idle=10), 0: CpuTimes(idle=10), 1: CpuTimes(user=9000)}
    assert compute(before, after, None).cores == [0]


def test_under_a_quota_the_shares_are_of_the_quota() -> None:
    section = compute_quota(CpuUse(1.5, 10, 6, 4), CpuUse(1.5, 11.5, 7, 4.5), 2.0, 8, None)
    assert section.used == 50
    assert (section.user, section.system) == (pytest.approx(33.33), pytest.approx(16.67))
    assert (section.iowait, section.steal, section.cores) == (None, None, [])


def test_a_burst_over_the_quota_is_still_100_percent() -> None:
    assert compute_quota(CpuUse(0.5, 0, 0, 0), CpuUse(0.5, 4, 4, 0), 1.0, 8, None).used == 100


def test_a_quota_above_the_cores_of_the_machine_counts_all_of_them() -> None:
    assert compute_quota(CpuUse(64, 0, 0, 0), CpuUse(64, 1, 1, 0), 1.0, 2, None).used == 50


def test_shares_are_since_the_previous_reading() -> None:
    times = iter([{ALL: CpuTimes(idle=0)}, {ALL: CpuTimes(user=5, idle=5)}] * 2)
    collector = CpuCollector(Cgroup(), lambda: next(times))
    assert collector.read(1.0).used == 0
    assert collector.read(2.0).used == 50
    assert collector.read(3.0).used == 0, "a counter that went back"
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
