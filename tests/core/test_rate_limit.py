"""The rate limit: at most so many events in any window."""

import pytest

from nodnod_agent.core.rate_limit import RateLimit


def test_no_more_events_than_the_limit_are_allowed() -> None:
    limit = RateLimit(3)

    assert limit.left(7.1) == 3
    assert [limit.take(7.1) for _ in range(5)] == [True] * 3 + [False] * 2
    assert limit.left(7.1) == 0


def test_the_window_slides() -> None:
    limit = RateLimit(2)
    assert limit.take(7.9)
    assert limit.take(8.5)

    assert not limit.take(8.8)
    assert limit.take(8.9)
    assert not limit.take(9.4)
    assert limit.take(9.5)


def test_a_window_may_be_of_any_length() -> None:
    limit = RateLimit(1, per=60.0)

    assert [limit.take(now) for now in (5.0, 64.9, 65.0)] == [True, False, True]


def test_an_event_may_count_more_than_others() -> None:
    limit = RateLimit(10)

    assert limit.take(7.0, 10)
    assert not limit.take(7.0)


def test_a_refused_event_uses_up_the_rest() -> None:
    limit = RateLimit(10)
    limit.take(7.0)

    assert not limit.take(7.0, 10)
    assert not limit.take(7.0)


def test_the_time_of_the_next_event_is_known() -> None:
    limit = RateLimit(2, per=10.0)
    assert limit.next_time(3.0) == 3.0

    limit.take(3.0)
    limit.take(5.0)

    assert limit.next_time(6.0) == 13.0
    assert limit.next_time(13.5) == 13.5


@pytest.mark.parametrize("now", [12.999, 13.0])
def test_a_timer_that_fires_early_is_on_time(now: float) -> None:
    limit = RateLimit(1, per=10.0)
    limit.take(3.0)

    assert limit.take(now)


def test_a_clock_that_is_set_back_starts_a_new_window() -> None:
    limit = RateLimit(1)
    limit.take(1000.0)

    assert limit.take(10.0)
