"""The ring of this node's own numbers."""

from math import ceil
from statistics import mean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodnod_agent.core.stats.history import History, HistoryRing

WALL = 1_700_000_000.0
SERIES = (
    *("cpuUsed", "memoryUsedPercent", "diskUsedPercent", "recvBytes", "sentBytes", "load1"),
    *("readBytes", "writeBytes", "cpuPressure", "memoryPressure", "ioPressure"),
    *("cpuUser", "cpuSystem", "cpuIowait", "cpuSteal"),
)


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
    history = HistoryRing(1.0, 3600)
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


@pytest.mark.parametrize("pause", [1.51, 1.6, 1.9, 2.4])
def test_samples_that_are_all_late_take_as_many_slots_as_their_time(pause: float) -> None:
    late = [number * pause for number in range(400)]
    history = filled(1.0, *late, *(late[-1] + number for number in range(1, 61)))
    got = values(history, 3600, 3600)
    assert len(got) == pytest.approx(late[-1] + 61, abs=2)
    assert got[-50:] == pytest.approx([late[-1] + number for number in range(11, 61)])
    assert None in got


def test_setting_the_wall_clock_makes_no_gap() -> None:
    history = HistoryRing(1.0, 3600)
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


def size(history: History) -> int:
    """Bytes of all slots."""
    series = [one for ring in history.rings for one in ring.series.values()]
    arrays = [array for one in series for array in (one.means, one.highest) if array is not None]
    return sum(len(array) * array.itemsize for array in arrays)


@pytest.mark.parametrize(
    ("interval", "bytes_"),
    [(1.0, 1_638_720), (0.25, 1_840_320), (10.0, 1_284_480), (60.0, 604_800)],
)
def test_the_memory_is_bounded_and_as_documented(interval: float, bytes_: int) -> None:
    history = History(interval)
    for n in range(1, 4):
        history.add(n * interval, WALL + n, dict.fromkeys(SERIES, 1.0))
    assert size(history) == bytes_
    assert size(history) <= 1.9e6


@pytest.mark.parametrize(
    ("interval", "tiers"),
    [
        (1.0, [(1, 3600), (10, 86_400), (60, 604_800)]),
        (0.25, [(0.25, 600), (1, 3600), (10, 86_400), (60, 604_800)]),
        (7.0, [(7, 3605), (10, 86_400), (60, 604_800)]),
        (20.0, [(20, 86_400), (60, 604_800)]),
        (60.0, [(60, 604_800)]),
    ],
)
def test_steps_are_never_shorter_than_the_interval(
    interval: float, tiers: list[tuple[float, float]]
) -> None:
    rings = History(interval).rings
    assert [(ring.every, ring.every * ring.slots) for ring in rings] == tiers


def sampled(seconds: int, interval: int = 1) -> History:
    """A history of so many seconds of an agent that samples so often."""
    history = History(float(interval))
    for clock in range(1, seconds + 1, interval):
        history.add(float(clock), WALL + clock, {"cpuUsed": float(clock % 100)})
    return history


DAYS_END = 200_001
DAYS = sampled(DAYS_END, 1)


@pytest.mark.parametrize(
    ("age", "seconds", "every"),
    [
        (100, 60, 1),
        (100, 604_800, 1),
        (3600, 3600, 6),
        (7200, 3600, 6),
        (7200, 7200, 20),
        (7200, 86_400, 20),
        (7200, 604_800, 20),
    ],
)
def test_the_finest_steps_that_reach_as_far_back_as_any_are_taken(
    age: int, seconds: float, every: float
) -> None:
    assert sampled(age).answer(seconds)["every"] == every


def test_a_week_has_the_steps_of_a_minute() -> None:
    history = sampled(604_800, 20)
    answer = history.answer(604_800)
    assert answer["every"] == 17 * 60
    assert len(answer["cpuUsed"]) == 593
    assert None not in answer["cpuUsed"]
    assert history.answer(600)["every"] == 20


@pytest.mark.parametrize("interval", [1, 3, 7, 9, 13, 45, 60])
def test_samples_in_time_leave_no_hole_in_any_step_whatever_the_interval(interval: int) -> None:
    for ring in sampled(20_000, interval).rings:
        assert None not in ring.answer(20_000)["cpuUsed"]


def test_where_a_step_is_longer_than_the_interval_there_are_the_highest_samples() -> None:
    history = History(1.0)
    for clock in range(1, 7201):
        peak = 90.0 if clock % 60 == 0 else 10.0
        history.add(clock, WALL + clock, {"cpuUsed": peak, "load1": peak})
    single, hour, day = (history.answer(seconds) for seconds in (60, 3600, 7200))
    assert "cpuUsedMax" not in single
    assert set(hour["cpuUsed"]) == {10.0, 23.33}
    assert set(hour["cpuUsedMax"]) == set(day["cpuUsedMax"]) == {10.0, 90.0}
    assert "load1Max" not in day


def test_a_point_is_dated_by_its_middle() -> None:
    history = sampled(7199)
    answer = history.answer(7200)
    assert answer["every"] == 20.0
    # The last two slots of ten seconds are around the seconds 7191 and 7201.
    assert answer["end"] == WALL + 7196
    assert answer["cpuUsed"][-1] == 94.0


def test_seconds_without_a_sample_are_a_hole_only_where_a_whole_step_has_none() -> None:
    history = History(1.0)
    for clock in [*range(1, 101), *range(106, 201), *range(231, 301)]:
        history.add(clock, WALL + clock, {"cpuUsed": 1.0})
    fine, ten, minute = (ring.answer(300)["cpuUsed"].count(None) for ring in history.rings)
    assert (fine, ten, minute) == (5 + 30, 2, 0)


def test_in_every_step_a_night_is_a_hole_and_a_clock_that_was_set_is_none() -> None:
    history = History(1.0)
    night = range(7201, 7201 + 8 * 3600)
    for clock in [*range(1, 7201), *range(night.stop, night.stop + 7200)]:
        skew = 0 if clock < 3600 else -86_400 if clock < 10_000 else 5000
        history.add(clock, WALL + clock + skew, {"cpuUsed": 1.0})
    for ring in history.rings[1:]:
        answer = ring.answer(604_800, 10_000)
        holes = answer["cpuUsed"].count(None) * ring.every
        assert holes == pytest.approx(len(night), abs=2 * ring.every)
        assert len(answer["cpuUsed"]) * ring.every == pytest.approx(44_000, abs=900)
        assert answer["end"] == pytest.approx(WALL + night.stop + 7200 + 5000, abs=ring.every)
    assert history.answer(60)["end"] == WALL + night.stop + 7199 + 5000


# A past that ends at a moment


def test_a_past_that_ends_at_a_moment_has_the_points_before_it_and_repeats_it() -> None:
    history = filled(1.0, *range(1, 101))
    assert history.answer(3, until=WALL + 50.5) == {
        "every": 1.0,
        "end": WALL + 50,
        "until": WALL + 50.5,
        "cpuUsed": [48, 49, 50],
    }
    assert history.answer(600, until=WALL + 3)["cpuUsed"] == [1, 2, 3]


@pytest.mark.parametrize("later", [0.0, 0.5, 1e6])
def test_a_moment_after_the_newest_sample_means_the_newest(later: float) -> None:
    history = sampled(7199)
    for seconds in (60, 3600, 7200):
        newest, moment = history.answer(seconds), WALL + 7199 + later
        assert history.answer(seconds, until=moment) == newest | {"until": moment}


@pytest.mark.parametrize("until", [0.0, WALL, WALL + 0.9])
def test_before_all_that_is_known_the_series_are_empty(until: float) -> None:
    for ring in sampled(7200).rings[:1]:
        answer = ring.answer(60, until=WALL + 3600)
        assert answer["cpuUsed"] == []
    answer = sampled(100).answer(60, until=until)
    assert answer["cpuUsed"] == []
    assert answer["end"] <= until
    assert answer["every"] == 1


@pytest.mark.parametrize(
    ("ago", "seconds", "every"),
    [
        (0, 600, 1),
        (1800, 600, 1),
        (1800, 1800, 3),
        (3600, 600, 10),
        (40_000, 600, 10),
        (80_000, 6000, 10),
        (85_000, 6000, 60),
        (90_000, 600, 60),
        (90_000, 86_400, 180),
    ],
)
def test_the_steps_are_the_finest_that_reach_back_so_far(
    ago: int, seconds: float, every: float
) -> None:
    answer = DAYS.answer(seconds, until=WALL + DAYS_END - ago)
    assert answer["every"] == every
    assert WALL + DAYS_END - ago - 2 * every < answer["end"] <= WALL + DAYS_END - ago
    assert len(answer["cpuUsed"]) == pytest.approx(seconds / every, abs=1)
    assert None not in answer["cpuUsed"]


def test_a_point_of_the_past_is_as_it_was_when_it_was_new() -> None:
    history = History(1.0)
    for clock in range(1, 5001):
        history.add(clock, WALL + clock, {"cpuUsed": float(clock % 97)})
        if clock == 4001:
            then = history.rings[1].answer(600)
    now = history.rings[1].answer(600, until=then["end"])
    assert now["end"] == then["end"]
    assert now["cpuUsed"][:-1] == then["cpuUsed"][:-1], "the newest had not all its samples"


def test_after_the_clock_was_set_the_past_is_dated_and_found_by_the_new_time() -> None:
    history = HistoryRing(1.0, 3600)
    for clock in range(1, 101):
        history.add(clock, WALL + clock + (3600 if clock > 90 else 0), {"cpuUsed": clock})
    assert history.answer(2, until=WALL + 3600 + 50)["cpuUsed"] == [49, 50]


RUNS = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from([2, 9, 14, 31, 59, 200, 3600, 90_000, 700_000])),
    min_size=1,
    max_size=8,
)
"""So many samples, one a second, and the seconds until the next run."""


SECONDS = st.sampled_from([30, 3600, 86_400, 604_800])


@given(RUNS, SECONDS, st.integers(1, 700), st.none() | st.integers(-5, 700_000), st.data())
def test_every_ring_is_what_a_list_of_all_samples_gives(
    runs: list[tuple[int, int]], seconds: int, points: int, ago: int | None, data: st.DataObject
) -> None:
    history, clock, samples = History(1.0), 1000, []
    values = data.draw(st.lists(st.integers(0, 100), min_size=320, max_size=320))
    for count, pause in runs:
        for _ in range(count):
            samples.append((clock, values[len(samples)]))
            clock += 1
        clock += pause - 1
    for at, value in samples:
        history.add(at, WALL + at, {"cpuUsed": value})
    until = None if ago is None else WALL + samples[-1][0] - ago
    for ring in history.rings:
        assert ring.answer(seconds, points, until) == modelled(
            ring, samples, seconds, points, until
        )


def modelled(
    ring: HistoryRing,
    samples: list[tuple[int, int]],
    seconds: int,
    points: int,
    until: float | None,
) -> dict[str, Any]:
    """The answer of a ring, from all samples that it ever got."""
    slots: dict[int, list[int]] = {}
    for clock, value in samples:
        slots.setdefault(int((clock - samples[0][0]) / ring.every + 0.5), []).append(value)
    newest, last = max(slots), samples[-1][0]
    oldest = max(0, newest + 1 - ring.slots)
    middle = WALL + (samples[0][0] + newest * ring.every if ring.every > 1 else last)
    if until is not None and until < WALL + last:
        while middle > until:
            newest, middle = newest - 1, middle - ring.every
    first = max(oldest, newest + 1 - max(1, round(seconds / ring.every)))
    size = max(1, ceil((newest + 1 - first) / points))
    groups: list[list[list[int]]] = []
    for stop in range(newest + 1, first, -size):
        numbers = range(max(stop - size, first), stop)
        groups.insert(0, [slots[number] for number in numbers if number in slots])
    answer: dict[str, Any] = {
        "every": ring.every * size,
        "end": pytest.approx(middle - (size - 1) / 2 * ring.every),
        **({} if until is None else {"until": until}),
        "cpuUsed": [
            pytest.approx(mean([mean(slot) for slot in group]), abs=0.011) if group else None
            for group in groups
        ],
    }
    if ring.every * size > 1:
        answer["cpuUsedMax"] = [max(map(max, group)) if group else None for group in groups]
    return answer


@given(
    st.lists(st.floats(0.001, 40, allow_nan=False), max_size=60),
    st.floats(0.01, 3600),
    st.integers(1, 50),
)
def test_whatever_the_intervals_an_answer_is_bounded_and_ends_with_the_newest(
    gaps: list[float], seconds: float, points: int
) -> None:
    history, clock = HistoryRing(1.0, 100), 0.0
    for number, gap in enumerate(gaps):
        clock += gap
        history.add(clock, number, {"cpuUsed": 7.0})
    answer: dict[str, Any] = history.answer(seconds, points)
    got = answer.get("cpuUsed", [])
    assert len(got) <= points
    assert set(got) <= {7.0, None}
    if gaps:
        assert got[-1] == 7.0
