"""The last hour of another node, as the node tells it bit by bit."""

import json
import sys
from typing import Any

import pytest

from nodnod_agent.core.stats.kept import MAX_MEANS, SLOTS, KeptHour, Past, decode_past
from nodnod_client.errors import WireError

WALL = 1_700_000_000.0

Points = list[float | None]


class Told:
    """A node that tells its past each 10 s; a point is worth the second it was taken at."""

    def __init__(self, every: float = 1.0) -> None:
        self.hour = KeptHour()
        self.every = every
        self.skew = 0.0

    def tell(
        self, now: float, seconds: float = 20, *, late: float = 0.0, linked: bool = True
    ) -> None:
        count = round(seconds / self.every)
        points = [now - back * self.every for back in range(count - 1, -1, -1)]
        past = Past(self.every, WALL + now + self.skew, {"cpuUsed": list(points)})
        self.hour.take(past, now + late, linked=linked)

    def run(self, since: int, until: int) -> None:
        for now in range(since, until + 1, 10):
            self.tell(now)

    @property
    def past(self) -> Past:
        past = self.hour.last(3600)
        assert past is not None
        return past

    @property
    def points(self) -> Points:
        return self.past.series["cpuUsed"]


@pytest.fixture
def told() -> Told:
    return Told()


def test_nothing_is_known_before_the_first_word(told: Told) -> None:
    assert told.hour.last(60) is None


def test_points_are_means_of_ten_seconds_and_end_with_the_newest(told: Told) -> None:
    told.run(20, 60)
    assert told.past.every == 10
    assert told.past.end == WALL + 60
    assert told.points[1:-1] == [14.5, 24.5, 34.5, 44.5, 54.5]


def test_a_second_that_is_told_twice_counts_once(told: Told) -> None:
    told.run(20, 60)
    before = told.points
    told.tell(60)
    assert told.points == before


def test_only_the_last_hour_stays(told: Told) -> None:
    told.run(20, 8000)
    assert len(told.points) == SLOTS
    assert None not in told.points
    assert told.points[0] == pytest.approx(8000 - 3600, abs=15)


def test_the_first_word_may_be_of_a_whole_hour() -> None:
    told = Told(every=6.0)
    told.tell(3600, 3600)
    assert len(told.points) in (SLOTS, SLOTS - 1)
    assert None not in told.points


def test_only_the_seconds_asked_for_before_the_end_are_answered(told: Told) -> None:
    told.run(20, 600)
    last = told.hour.last(60)
    assert last is not None
    assert last.series["cpuUsed"] == told.points[-6:]
    assert last.end == WALL + 600


@pytest.mark.parametrize("skew", [0.0, -86_400.0])
def test_what_ends_at_a_moment_is_found_by_the_clock_here_and_dated_by_that_of_the_node(
    told: Told, skew: float
) -> None:
    told.skew = skew
    told.run(20, 600)
    last = told.hour.last(60, 305)
    assert last is not None
    assert last.series["cpuUsed"] == told.points[-36:-30]
    assert last.end == WALL + 300 + skew
    assert last.until == WALL + 305 + skew
    assert last.fields()["until"] == last.until
    newest = told.hour.last(60, 700)
    assert newest is not None
    assert newest.series["cpuUsed"] == told.points[-6:]
    assert (newest.end, newest.until) == (WALL + 600 + skew, WALL + 700 + skew)


def test_before_all_that_is_kept_there_is_nothing(told: Told) -> None:
    told.run(20, 8000)
    assert told.hour.last(60, 8000 - 3700) is None
    assert told.hour.last(60, -1e9) is None
    oldest = told.hour.last(600, 8000 - 3580)
    assert oldest is not None
    assert 1 <= oldest.points <= 3


def test_a_time_out_of_reach_is_a_hole(told: Told) -> None:
    told.run(20, 100)
    told.tell(200, linked=False)
    told.run(210, 250)
    holes = [place for place, value in enumerate(told.points) if value is None]
    assert holes == list(range(holes[0], holes[-1] + 1))
    assert len(holes) in (7, 8), "180 to 200 was told"


def test_a_hole_is_filled_with_what_the_node_tells_of_it_later(told: Told) -> None:
    told.run(20, 100)
    told.tell(200, 120, linked=False)
    assert None not in told.points


def test_after_a_sleep_of_this_machine_the_clock_of_the_node_tells_how_long_it_was(
    told: Told,
) -> None:
    told.run(20, 100)
    told.tell(400, late=-295, linked=False)
    assert told.points.count(None) >= 26


@pytest.mark.parametrize("step", [-86_400.0, -30.0, 30.0, 86_400.0])
def test_setting_the_clock_of_the_node_makes_no_hole_and_dates_all_anew(
    told: Told, step: float
) -> None:
    told.run(20, 100)
    told.skew = step
    told.run(110, 200)
    assert None not in told.points
    assert told.points[-2] == pytest.approx(190, abs=10)
    assert told.past.end == WALL + 200 + step


def test_a_node_that_restarts_with_its_clock_set_back_goes_on(told: Told) -> None:
    told.run(20, 100)
    told.skew = -86_400.0
    told.tell(130, 5, linked=False)
    told.run(140, 160)
    assert told.points[-1] == pytest.approx(158, abs=5)


@pytest.mark.parametrize("late", [0.5, 3.0])
def test_an_answer_that_comes_late_makes_no_hole(told: Told, late: float) -> None:
    for turn, now in enumerate(range(20, 600, 10)):
        told.tell(now, late=late * (turn % 2))
    assert None not in told.points


def test_a_node_that_is_sampled_rarely_has_no_holes() -> None:
    told = Told(every=60.0)
    for now in range(120, 3600, 60):
        told.tell(now, 120)
        told.tell(now, 120, late=10)
    assert None not in told.points


def test_a_hole_of_the_node_itself_is_a_hole(told: Told) -> None:
    told.run(20, 40)
    past = Past(1.0, WALL + 80, {"cpuUsed": [None] * 35 + [1.0] * 5})
    told.hour.take(past, 80, linked=True)
    assert told.points[-4:-1].count(None) >= 2


def test_a_series_that_comes_later_is_aligned_at_the_end(told: Told) -> None:
    told.run(20, 60)
    past = Past(1.0, WALL + 70, {"cpuUsed": [1.0] * 20, "load1": [2.0] * 3})
    told.hour.take(past, 70, linked=True)
    load = told.past.series["load1"]
    assert len(load) == len(told.points)
    assert load[-1] == 2.0
    assert set(load[:-2]) == {None}


def test_the_memory_of_a_node_is_bounded(told: Told) -> None:
    for now in range(20, 8000, 10):
        names = ["cpuUsed", "memoryUsedPercent", *(f"s{number}" for number in range(28))]
        series: dict[str, Points] = {name: [1.0] * 20 for name in names}
        told.hour.take(Past(1.0, WALL + now, series), now, linked=True)
    rings = told.hour._series.values()
    assert len(rings) == MAX_MEANS
    lists = [one for ring in rings for one in (ring.means, ring.highest) if one is not None]
    assert len(lists) == 17
    assert sum(map(sys.getsizeof, lists)) <= 26 * 1024


def test_the_highest_sample_of_ten_seconds_is_kept_beside_the_mean(told: Told) -> None:
    for now in range(20, 100, 10):
        points: Points = [0.0] * 20
        points[-5] = 80.0
        told.hour.take(
            Past(1.0, WALL + now, {"cpuUsed": points, "load1": points}), now, linked=True
        )
    assert told.past.series["cpuUsedMax"][-3] == 80
    assert told.past.series["cpuUsed"][-3] == 8
    assert "load1Max" not in told.past.series


def test_the_highest_samples_that_the_node_tells_are_kept(told: Told) -> None:
    series: dict[str, Points] = {"cpuUsed": [1.0] * 100, "cpuUsedMax": [90.0] * 100}
    told.hour.take(Past(6.0, WALL, series | {"recvBytesMax": [5.0] * 100}), 0, linked=True)
    assert set(told.past.series) == {"cpuUsed", "cpuUsedMax"}
    assert set(told.past.series["cpuUsedMax"]) == {90.0}
    assert set(told.past.series["cpuUsed"]) == {1.0}


GOOD = {"every": 1.0, "end": WALL, "cpuUsed": [1.0, None, 2]}


def test_a_history_object_is_decoded_whatever_else_it_has() -> None:
    past = decode_past(
        json.dumps(GOOD | {"truncated": 3, "keptBy": "x", "more": {"a": [1]}}).encode()
    )
    assert past == Past(1.0, WALL, {"cpuUsed": [1.0, None, 2.0]})


@pytest.mark.parametrize(
    "wrong",
    [
        {"every": 0},
        {"every": -1},
        {"every": 1e9},
        {"every": None},
        {"every": "1"},
        {"every": [1.0]},
        {"end": -1},
        {"end": 1e300},
        {"until": "1"},
        {"until": [1.0]},
        {"until": True},
        {"end": None},
        {"cpuUsed": ["1"]},
        {"cpuUsed": [True]},
        {"cpuUsed": [[1.0]]},
        {"cpuUsed": [1e60]},
        {"cpuUsed": [0] * 601},
        {"a b": [1.0]},
        {"x" * 40: [1.0]},
        {f"s{number}": [1.0] for number in range(31)},
        {f"s{number}": [1.2345678901e-9] * 600 for number in range(29)},
    ],
)
def test_a_malformed_history_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        decode_past(json.dumps(GOOD | wrong).encode())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"every":1,"end":2,"cpuUsed":[1e999]}',
        b'{"every":1,"end":2,"cpuUsed":[NaN]}',
    ],
)
def test_what_is_no_history_at_all_is_refused(text: bytes) -> None:
    with pytest.raises(WireError):
        decode_past(text)
