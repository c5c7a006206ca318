"""How much of something is borne in a second."""

from nodnod_agent.core.rate_limit import RateLimit


def test_so_many_are_borne_in_a_second_and_no_more() -> None:
    allowance = RateLimit(3)

    assert [allowance.take(7.1) for _ in range(5)] == [True] * 3 + [False] * 2


def test_the_next_second_begins_anew() -> None:
    allowance = RateLimit(1)
    assert allowance.take(7.9)
    assert not allowance.take(7.95)

    assert allowance.take(8.0)


def test_some_count_more_than_others() -> None:
    allowance = RateLimit(10)

    assert allowance.take(7.0, 10)
    assert not allowance.take(7.0)


def test_what_was_too_much_uses_up_the_rest() -> None:
    allowance = RateLimit(10)
    allowance.take(7.0)

    assert not allowance.take(7.0, 10)
    assert not allowance.take(7.0)
