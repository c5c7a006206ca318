from nodnod_agent.log.rate_limit import LogRateLimit, Repeated


def counts(ended: list[Repeated]) -> list[tuple[object, int]]:
    return [(repeated.last, repeated.suppressed) for repeated in ended]


def admit(limiter: LogRateLimit, kind: str, now: float) -> bool:
    repeated = limiter.admit(kind, now)
    if repeated is not None:
        repeated.last = kind
    return repeated is not None


def test_the_first_ten_of_a_kind_get_through_in_a_minute() -> None:
    limiter = LogRateLimit()
    assert [admit(limiter, "a", now) for now in range(12)] == [True] * 10 + [False] * 2


def test_kinds_are_counted_apart() -> None:
    limiter = LogRateLimit(most=1)
    assert admit(limiter, "a", 0)
    assert admit(limiter, "b", 0)
    assert not admit(limiter, "a", 0)


def test_the_count_of_the_suppressed_comes_once_when_the_minute_ends() -> None:
    limiter = LogRateLimit(most=1)
    for now in (100, 101, 102):
        admit(limiter, "a", now)
    assert limiter.next_end() == 160
    assert limiter.ended(159.9) == []
    assert counts(limiter.ended(160)) == [("a", 2)]
    assert limiter.ended(160) == []
    assert limiter.next_end() is None


def test_a_minute_in_which_nothing_was_suppressed_ends_in_silence() -> None:
    limiter = LogRateLimit()
    admit(limiter, "a", 0)
    assert limiter.ended(60) == []


def test_a_new_minute_begins_with_the_next_of_the_kind() -> None:
    limiter = LogRateLimit(most=1)
    admit(limiter, "a", 0)
    admit(limiter, "a", 1)
    assert admit(limiter, "a", 75)
    assert limiter.next_end() == 135
    assert counts(limiter.ended(75)) == [("a", 1)]


def test_ever_new_kinds_take_no_more_memory_and_lose_no_count() -> None:
    limiter = LogRateLimit(most=1, kinds=2)
    for kind in ("a", "a", "b", "c", "d"):
        admit(limiter, kind, 0)
    assert counts(limiter.ended(0)) == [("a", 1)]
    assert not admit(limiter, "d", 1)
    assert admit(limiter, "b", 1)
