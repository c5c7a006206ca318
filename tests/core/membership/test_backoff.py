"""The waits before redials: doubling, with a ceiling, and random."""

import random
from typing import Any

from nodnod_agent.core.membership.backoff import Backoff


class LongestWaits:
    """Randomness that always draws the longest wait."""

    def uniform(self, a: float, b: float) -> float:
        assert a == 0
        return b


LONGEST: Any = LongestWaits()


def test_waits_double_from_a_quarter_second_to_fifteen_and_start_over_after_a_reset() -> None:
    backoff = Backoff(LONGEST)
    assert [backoff.wait() for _ in range(9)] == [0.25, 0.5, 1, 2, 4, 8, 15, 15, 15]
    backoff.reset()
    assert [backoff.wait(), backoff.wait()] == [0.25, 0.5]


def test_the_jitter_is_full() -> None:
    backoff = Backoff(random.Random(1))
    for _ in range(10):
        backoff.wait()
    waits = [backoff.wait() for _ in range(1000)]
    assert 0 <= min(waits) < 0.5
    assert 14.5 < max(waits) <= 15
    assert 6.5 < sum(waits) / len(waits) < 8.5


def test_the_longest_wait_can_be_had_at_once_and_lasts() -> None:
    backoff = Backoff(LONGEST)
    assert backoff.longest() == 15
    assert backoff.wait() == 15
