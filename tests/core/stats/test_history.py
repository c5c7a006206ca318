"""The ring of this node's own numbers."""

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodnod_agent.core.stats.history import MAX_SLOTS, HistoryRing

WALL = 1_700_000_000.0


def filled(every: float, *clocks: float, span: float = 3600) -> HistoryRing:
    """A history whose samples are worth the moment they were taken at."""
    history = HistoryRing(every, span)
    for clock in clocks:
        history.add(clock, WALL + clock, {"cpuUsed": clock})
    return history


def values(history: HistoryRing, seconds: float = 3600, points: int = 600) -> list[float | None]:
    answer: list[float | None] = history.answer(seconds, points).get("cpuUsed", [])
    return answer


def test_an_answer_holds_every_series_and_when_it_ends() -> None:
    history = HistoryRing(1.0)
    assert history.answer(60) == {"every": 1.0, "end": 0.0}
    for clock in (5.0, 6.0, 7.0):
        history.add(clock, WALL + clock, {"cpuUsed": clock, "load1": 0.5})
    assert history.answer(60) == {
        "every": 1.0,
        "end": WALL + 7,
        "cpuUsed": [5.0, 6.0, 7.0],
        "load1": [0.5, 0.5, 0.5],
    }


def test_only_the_seconds_asked_for_are_answered() -> None:
    history = filled(1.0, *range(1, 101))
    assert values(history, 3) == [98, 99, 100]
    assert values(history, 0.1) == [100]
    assert len(values(history, 3600)) == 100, "what was before the first sample is not there"


@pytest.mark.parametrize(("pause", "gap"), [(1.5, 0), (1.6, 1), (2.0, 1), (5.0, 4), (60.0, 59)])
def test_a_pause_of_more_than_one_and_a_half_intervals_is_a_gap(pause: float, gap: int) -> None:
    history = filled(1.0, 1.0, 2.0, 2.0 + pause)
    got = values(history)
    assert got[:2] == [1.0, 2.0]
    assert got.count(None) == gap
    assert got[-1] == pytest.approx(2.0 + pause, abs=0.01)


def test_thinning_averages_and_never_exceeds_the_points() -> None:
    history = filled(1.0, *range(1, 1201))
    answer = history.answer(1200, 600)
    assert answer["every"] == 2.0
    assert answer["cpuUsed"][-2:] == [1197.5, 1199.5]
    assert len(answer["cpuUsed"]) == 600
    assert len(history.answer(1199, 600)["cpuUsed"]) == 600
    assert history.answer(1199, 600)["cpuUsed"][0] == 2, "the oldest is a mean of fewer"


def test_thinning_keeps_gaps() -> None:
    history = filled(1.0, *range(1, 101), *range(301, 1001))
    answer = history.answer(1000, 100)
    assert answer["every"] == 10.0
    assert answer["cpuUsed"][:11] == [*(n * 10 + 5.5 for n in range(10)), None]
    assert answer["cpuUsed"].count(None) == 20
    assert answer["cpuUsed"][30] == 305.5


def test_a_point_with_part_of_a_gap_is_the_mean_of_the_rest() -> None:
    history = filled(1.0, 1, 2, 3, 8, 9, 10)
    assert values(history, 10, 2) == [2.0, 9.0]


def test_the_past_is_forgotten_after_the_span() -> None:
    assert values(filled(1.0, *range(1, 26), span=10)) == list(range(16, 26))


def test_a_sleep_longer_than_the_span_leaves_only_what_came_after() -> None:
    got = values(filled(1.0, 1.0, 2.0, 5000.0, 5001.0, span=10))
    assert got[-2:] == [5000.0, 5001.0]
    assert set(got[:-2]) == {None}


@pytest.mark.parametrize(
    ("clocks", "slots"),
    [
        ([n + (0.3 if n % 2 else -0.15) for n in range(1, 3001)], 3000),
        ([n * 1.01 for n in range(1, 2001)], pytest.approx(2020, abs=2)),
    ],
    ids=["jitter", "an interval a little longer than the slots"],
)
def test_samples_in_time_leave_neither_gap_nor_drift(clocks: list[float], slots: object) -> None:
    got = values(filled(1.0, *clocks), 3600, 3600)
    assert len(got) == slots
    assert None not in got


def test_setting_the_wall_clock_makes_no_gap() -> None:
    history = HistoryRing(1.0)
    for clock, wall in ((1, WALL), (2, WALL + 3601), (3, WALL - 3598), (4, WALL - 3597)):
        history.add(clock, wall, {"cpuUsed": clock})
    assert history.answer(60) == {"every": 1.0, "end": WALL - 3597, "cpuUsed": [1, 2, 3, 4]}


def test_a_repeated_sample_is_ignored() -> None:
    history = filled(1.0, 1, 2)
    history.add(2, WALL + 2, {"cpuUsed": 99.0})
    history.add(2.4, WALL + 2, {"cpuUsed": 99.0})
    history.add(1, WALL + 9, {"cpuUsed": 99.0})
    assert values(history) == [1, 2]


def test_samples_that_come_too_fast_share_a_slot() -> None:
    got = values(filled(1.0, 1.0, 1.2, 2.0))
    assert got == [pytest.approx(1.1), 2.0]


def test_a_series_that_comes_later_is_empty_before() -> None:
    history = filled(1.0, 1, 2)
    history.add(3, WALL + 3, {"cpuUsed": 3, "load1": 1})
    history.add(4, WALL + 4, {"cpuUsed": 4})
    assert history.answer(60)["load1"] == [None, None, 1.0, None]


def test_the_memory_is_bounded_and_as_documented() -> None:
    def size(every: float) -> int:
        history = HistoryRing(every)
        for n in range(3):
            history.add(n * every, n, dict.fromkeys("abcdef", 1.0))
        return sum(len(ring) * ring.itemsize for ring in history._series.values())

    assert size(1.0) == 86_400
    assert size(0.25) == size(0.001) == 345_600 == MAX_SLOTS * 6 * 4
    assert sys.getsizeof(HistoryRing(1.0)) < 1000


def test_an_interval_below_the_slot_keeps_the_hour() -> None:
    history = HistoryRing(0.1)
    for n in range(1, 73_001):
        history.add(n / 10, WALL + n / 10, {"cpuUsed": 1.0})
    answer = history.answer(3600, 14_400)
    assert answer["every"] * len(answer["cpuUsed"]) == 3600
    assert None not in answer["cpuUsed"]


@given(
    st.lists(st.floats(0.001, 40, allow_nan=False), max_size=60),
    st.floats(0.01, 3600),
    st.integers(1, 50),
)
def test_whatever_the_intervals_an_answer_is_bounded_and_ends_with_the_newest(
    gaps: list[float], seconds: float, points: int
) -> None:
    history, clock = HistoryRing(1.0, span=100), 0.0
    for number, gap in enumerate(gaps):
        clock += gap
        history.add(clock, number, {"cpuUsed": 7.0})
    answer: dict[str, Any] = history.answer(seconds, points)
    got = answer.get("cpuUsed", [])
    assert len(got) <= points
    assert set(got) <= {7.0, None}
    if gaps:
        assert got[-1] == 7.0
