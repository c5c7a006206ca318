"""Percentages and rates from two readings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodnod_agent.core.stats.rates import CpuShares, CpuTimes, cpu_shares, per_second, percent


def test_idle_and_iowait_are_not_busy() -> None:
    shares = cpu_shares(CpuTimes(), CpuTimes(user=20, system=5, idle=50, iowait=25))
    assert shares == CpuShares(used=25, user=20, system=5, iowait=25, steal=0)


def test_nice_is_user_time_and_interrupts_are_system_time() -> None:
    shares = cpu_shares(CpuTimes(), CpuTimes(10, 20, 3, 60, 0, 2, 5, 0))
    assert (shares.user, shares.system, shares.used) == pytest.approx((30, 10, 40))


def test_stolen_time_is_busy_time() -> None:
    assert cpu_shares(CpuTimes(), CpuTimes(idle=90, steal=10)).used == pytest.approx(10)


def test_an_idle_counter_that_goes_backwards_counts_as_unchanged() -> None:
    before = CpuTimes(user=100, idle=1000, iowait=50)
    after = CpuTimes(user=110, idle=1030, iowait=40)
    assert cpu_shares(before, after).used == pytest.approx(25)


def test_no_time_between_two_readings_is_no_share() -> None:
    times = CpuTimes(5, 5, 5, 5)
    assert cpu_shares(times, times) == CpuShares()


ticks = st.integers(0, 2**63)
times = st.builds(CpuTimes, *[ticks] * 8)


@given(times, times)
def test_no_two_readings_give_a_share_outside_0_to_100(before: CpuTimes, after: CpuTimes) -> None:
    assert all(0 <= share <= 100.0001 for share in cpu_shares(before, after))


@pytest.mark.parametrize(
    ("before", "after", "elapsed", "rate"),
    [
        (100, 300, 2.0, 100.0),
        (100, 600, 5.0, 100.0),  # stopped for five seconds: still per second
        (300, 100, 1.0, 0.0),  # the counter was reset
        (100, 100, 1.0, 0.0),
        (0, 100, 0.0, 0.0),
        (0, 100, -1.0, 0.0),
    ],
)
def test_a_rate_divides_by_the_real_time_and_is_never_negative(
    before: int, after: int, elapsed: float, rate: float
) -> None:
    assert per_second(before, after, elapsed) == rate


def test_a_percentage_of_nothing_is_nothing() -> None:
    assert percent(5, 0) == 0
    assert percent(1, 4) == 25
