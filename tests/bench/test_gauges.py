import os
from typing import Any

import pytest

from bench.harness.gauges import FLAT, FLAT_BOUND, LONG, WARM, Gauge, Sample, grown, rows, slope

MEGABYTE = 1024 * 1024


def gauge(seconds: float, agent: str = "kenny", **per_second: Any) -> Gauge:
    samples = [
        Sample(
            float(moment),
            int(40 * MEGABYTE + per_second.get("rss", 0) * moment),
            int(4 + per_second.get("threads", 0) * moment),
            int(40 + per_second.get("files", 0) * moment),
        )
        for moment in range(int(seconds) + 1)
    ]
    return Gauge(agent, 1, samples)


def test_a_slope_is_the_median_of_all_pairs() -> None:
    assert slope([(float(x), 2.0 * x) for x in range(10)]) == 2.0
    assert slope([(float(x), 2.0 * x if x != 5 else 1000.0) for x in range(10)]) == 2.0
    assert slope([(1.0, 1.0)]) == slope([]) == 0.0
    assert slope([(float(x), 3.0 * x) for x in range(3000)]) == 3.0


def test_growth_is_measured_in_the_second_half_of_a_life() -> None:
    early = gauge(300)
    early.samples = [
        Sample(one.moment, 1000 * min(150, int(one.moment)), one.threads, one.files)
        for one in early.samples
    ]
    assert early.per_minute("rss") == 0
    assert gauge(300, rss=1000).per_minute("rss") == pytest.approx(60_000, rel=0.01)


@pytest.mark.parametrize("what", ["rss", "threads", "files"])
def test_a_long_lived_process_that_grows_is_reported(what: str) -> None:
    much = {"rss": MEGABYTE / 10, "threads": 0.1, "files": 0.2}
    assert list(grown([gauge(LONG + 60)])) == []
    (line,) = grown([gauge(LONG + 60, **{what: much[what]})])
    assert line.startswith(f"kenny (1): {what} grew by ")


def test_a_short_lived_process_is_not_judged() -> None:
    assert list(grown([gauge(LONG - 1, rss=MEGABYTE)])) == []


def test_memory_must_be_flat_at_the_end_of_a_very_long_life() -> None:
    slow = {"rss": 1.1 * FLAT_BOUND / 60}
    assert list(grown([gauge(WARM + FLAT - 1, **slow)])) == []
    (line,) = grown([gauge(WARM + FLAT, **slow)])
    assert line == "kenny (1): memory grew by 18,022 bytes a minute in the last 30 minutes"
    early = gauge(WARM + FLAT)
    early.samples = [
        Sample(one.moment, 1000 * min(int(WARM), int(one.moment)), one.threads, one.files)
        for one in early.samples
    ]
    assert list(grown([early])) == [], "what it grew before is no fault"


def test_the_table_has_the_longest_lived_process_of_each_agent() -> None:
    lines = list(rows([gauge(10), gauge(20), gauge(5, "kyle"), Gauge("stan", 9)]))
    assert [line[:3] for line in lines] == [["kenny", "2", "20"], ["kyle", "1", "5"]]


def test_a_process_is_read_while_it_runs() -> None:
    own, gone = Gauge("me", os.getpid()), Gauge("gone", 2**22 + 1)
    for one in (own, gone):
        one.read(1.0)
    assert own.samples[0].rss > MEGABYTE
    assert own.samples[0].threads >= 1
    assert own.samples[0].files >= 3
    assert gone.samples == []
