"""The rate limit on log messages, with times as arguments."""

from nodnod_agent.log.rate_limit import LogRateLimit, Repeated


def counts(ended: list[Repeated]) -> list[tuple[object, int]]:
    return [(repeated.last, repeated.suppressed) for repeated in ended]


def admit(limiter: LogRateLimit, kind: str, now: float) -> bool:
    repeated = limiter.admit(kind, now)
    if repeated is not None:
        repeated.last = kind
    return repeated is not None


def test_suppressed_messages_are_reported_once_when_the_window_ends() -> None:
    limiter = LogRateLimit(most=1)
    for kind, now in (("a", 100), ("b", 100), ("a", 101), ("a", 102)):
        admit(limiter, kind, now)
    assert limiter.next_end() == 160
    assert limiter.ended(159.9) == []
    assert counts(limiter.ended(160)) == [("a", 2)]
    assert limiter.ended(160) == []
    assert limiter.next_end() is None


def test_the_next_message_after_a_window_begins_a_new_one() -> None:
    limiter = LogRateLimit(most=1)
    admit(limiter, "a", 0)
    admit(limiter, "a", 1)
    assert admit(limiter, "a", 75)
    assert limiter.next_end() == 135
    assert counts(limiter.ended(75)) == [("a", 1)]


def test_new_kinds_end_the_oldest_window_and_no_count_is_lost() -> None:
    limiter = LogRateLimit(most=1, kinds=2)
    for kind in ("a", "a", "b", "c", "d"):
        admit(limiter, kind, 0)
    assert counts(limiter.ended(0)) == [("a", 1)]
    assert not admit(limiter, "d", 1)
    assert admit(limiter, "b", 1)
