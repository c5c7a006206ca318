"""Percentages and rates from two readings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodnod_agent.core.stats.rates import CpuShares, CpuTimes, cpu_shares, per_second, percent


@pytest.mark.parametrize(
    ("before", "after", "shares"),
    [
        (CpuTimes(), CpuTimes(20, 0, 5, 50, 25), CpuShares(25, 20, 5, 25, 0)),
        (CpuTimes(), CpuTimes(10, 20, 3, 60, 0, 2, 5), CpuShares(40, 30, 10, 0, 0)),
        (CpuTimes(), CpuTimes(idle=90, steal=10), CpuShares(10, 0, 0, 0, 10)),
        (CpuTimes(100, 0, 0, 1000, 50), CpuTimes(110, 0, 0, 1030, 40), CpuShares(25, 25, 0, 0, 0)),
        (CpuTimes(0, 0, 0, 7), CpuTimes(9, 0, 0, 2**64 - 7), CpuShares(100, 100, 0, 0, 0)),
        (CpuTimes(5, 5, 5, 5), CpuTimes(5, 5, 5, 5), CpuShares()),
    ],
    ids=[
        "idle and iowait are not busy",
        "nice is user time, and interrupts are system time",
        "stolen time is busy time",
        "a counter that goes backwards counts as unchanged",
        "a counter that goes below 0 counts as unchanged",
        "no time is no share",
    ],
)
def test_shares_are_percent_of_the_time_between_two_readings(
    before: CpuTimes, after: CpuTimes, shares: CpuShares
) -> None:
    assert cpu_shares(before, after) == pytest.approx(shares)


ticks = st.integers(0, 2**64 - 1)
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
        (100, 2**64 - 5, 1.0, 0.0),  # it went below 0
        (2**64 - 5, 100, 1.0, 0.0),
        (0, (2**64 - 5) * 512, 1.0, 0.0),  # sectors as bytes
    ],
)
def test_a_rate_divides_by_the_real_time_and_is_never_negative(
    before: int, after: int, elapsed: float, rate: float
) -> None:
    assert per_second(before, after, elapsed) == rate


def test_a_percentage_of_nothing_is_nothing() -> None:
    assert percent(5, 0) == 0
    assert percent(1, 4) == 25
