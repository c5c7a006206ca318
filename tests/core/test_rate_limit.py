"""The rate limit: at most so many events in any window."""

import pytest

from nodnod_agent.core.rate_limit import RateLimit


@pytest.mark.parametrize(
    ("limit", "per", "events"),
    [
        (3, 1.0, [(7.1, True)] * 3 + [(7.1, False)] * 2),
        (2, 1.0, [(7.9, True), (8.5, True), (8.8, False), (8.9, True), (9.4, False)]),
        (1, 60.0, [(5.0, True), (64.9, False), (65.0, True)]),
        (1, 10.0, [(3.0, True), (12.998, False), (12.999, True)]),
        (1, 1.0, [(1000.0, True), (10.0, True)]),
    ],
    ids=[
        "no more events than the limit",
        "the window slides",
        "a window of any length",
        "a timer that fires early is on time",
        "a clock that is set back starts a new window",
    ],
)
def test_an_event_is_allowed_or_refused(
    limit: int, per: float, events: list[tuple[float, bool]]
) -> None:
    window = RateLimit(limit, per)
    assert [(now, window.take(now)) for now, _ in events] == events


def test_an_event_may_count_more_than_others_and_uses_up_the_rest_if_it_is_refused() -> None:
    limit = RateLimit(10)
    assert limit.left(7.0) == 10
    assert limit.take(7.0, 4)
    assert limit.left(7.0) == 6
    assert not limit.take(7.0, 10)
    assert limit.left(7.0) == 0
    assert limit.take(8.0, 10)


def test_the_time_of_the_next_event_is_known() -> None:
    limit = RateLimit(2, per=10.0)
    assert limit.next_time(3.0) == 3.0
    limit.take(3.0)
    limit.take(5.0)
    assert limit.next_time(6.0) == 13.0
    assert limit.next_time(13.5) == 13.5
