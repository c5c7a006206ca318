"""The event log: which events are kept, and what a log refuses."""

import json
import random
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.gossip_harness import NOW
from nodnod_agent.core.events import log as log_module
from nodnod_agent.core.events.log import (
    AHEAD,
    MAX_EVENTS,
    MAX_OF_ORIGIN,
    MAX_SIZE,
    EventLog,
    EventRefused,
)
from simulation.clock import FakeClock
from strategies import documents, examples

EVERY = lambda _: True  # noqa: E731


def event(number: int = 0, origin: str = "i1", **fields: Any) -> dict[str, Any]:
    """An event as in JSON."""
    usual = {"id": f"{origin}-{number}", "at": NOW + number, "node": "kyle", "kind": "down"}
    return usual | {"text": "gone", "instance": "i9"} | fields


def event_log(origin: str = "own", clock: FakeClock | None = None) -> EventLog:
    return EventLog(origin, clock or FakeClock(), lambda: NOW)


def tell(events: EventLog, *told: dict[str, Any]) -> int:
    """Merge all; how many were news."""
    return sum(events.merge(json.dumps(one).encode()) for one in told)


def shown(events: EventLog, since: float | None = None) -> list[dict[str, Any]]:
    return [json.loads(text) for text in events.shown(since, EVERY)]


def ids(events: EventLog) -> list[str]:
    return [one["id"] for one in shown(events)]


def test_events_are_shown_by_their_time_and_not_by_their_arrival() -> None:
    events = event_log()
    tell(events, event(2, node="stan"), event(1), event(3, node="kenny"))
    assert ids(events) == ["i1-1", "i1-2", "i1-3"]
    assert [one["id"] for one in shown(events, since=NOW + 1)] == ["i1-2", "i1-3"]


def test_an_event_is_news_once() -> None:
    events = event_log()
    assert tell(events, event(1), event(1)) == 1
    before = events.digest
    assert tell(events, {"text": "gone", **event(1)}) == 1  # other bytes are another event
    assert events.digest != before


def test_white_space_and_repeated_fields_do_not_make_another_event() -> None:
    events = event_log()
    tell(events, event(1))
    text = json.dumps(event(1)).replace('"at"', ' "at": 1, "at"').encode()
    assert not events.merge(text)


def test_fields_of_newer_agents_are_kept_and_passed_on() -> None:
    events, other = event_log(), event_log()
    tell(events, event(1, severity="high"))
    (record,) = other.beyond("") or events.beyond("")
    other.merge(record.text)
    assert shown(other)[0]["severity"] == "high"
    assert other.digest == events.digest


def test_an_origin_keeps_its_newest_events_and_pushes_out_no_others() -> None:
    events = event_log()
    tell(events, event(0, "calm", at=NOW - 10**6))
    tell(events, *(event(number, "noisy") for number in range(2000)))
    assert len(events) == MAX_OF_ORIGIN + 1
    assert [ids(events)[0], ids(events)[-1]] == ["calm-0", "noisy-1999"]


def test_the_oldest_events_go_first() -> None:
    events = event_log()
    told = [event(number, f"o{number % 7}", node=f"n{number}") for number in range(1500)]
    random.Random(1).shuffle(told)
    tell(events, *told)
    assert len(events) == MAX_EVENTS
    assert {one["at"] for one in shown(events)} == {NOW + number for number in range(500, 1500)}


origins = st.sampled_from(["a", "b", "c"])
told_events = st.builds(
    event,
    st.integers(0, 9),
    origins,
    at=st.integers(0, 40).map(lambda seconds: NOW - seconds),
    kind=st.sampled_from(["down", "up", "reloaded"]),
    node=st.sampled_from(["kyle", "stan"]),
)


@examples(300)
@given(st.lists(told_events, max_size=60), st.randoms(use_true_random=False))
def test_logs_agree_whatever_the_order_in_which_events_arrive(
    told: list[dict[str, Any]], chance: random.Random
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_module, "MAX_EVENTS", 12)
        patch.setattr(log_module, "MAX_OF_ORIGIN", 5)
        logs = [event_log(origin) for origin in "xyz"]
        for events in logs:
            chance.shuffle(told)
            tell(events, *told)
        exchanged = event_log("w")
        for events in logs:  # only what these have kept
            for record in events.beyond(exchanged.have()):
                exchanged.merge(record.text)
        for events in (*logs, exchanged):
            assert events.digest == logs[0].digest
            assert shown(events) == shown(logs[0])
            assert len(events) <= 12


@examples(200)
@given(st.lists(documents(told_events), max_size=20))
def test_any_input_is_taken_or_refused(told: list[bytes]) -> None:
    events = event_log()
    for text in told:
        with suppress(EventRefused):
            events.merge(text)
    assert len(shown(events)) <= len(events) <= len(told)


REFUSED: list[tuple[dict[str, Any], str]] = [
    (event(id="i1"), "`id`"),
    (event(id="i 1-1"), "`id`"),
    (event(id="x" * 96 + "-1"), "`id`"),
    (event(id=1), "`$.id`"),
    (event(node=""), "`node`"),
    (event(node="a\x1b[2J"), "`node`"),
    (event(node="x" * 129), "`node`"),
    (event(kind="Down"), "`kind`"),
    (event(kind="x" * 33), "`kind`"),
    (event(kind=""), "`kind`"),
    (event(text="a\nb"), "`text`"),
    (event(text="a\u202eb"), "`text`"),
    (event(text="x" * 201), "`text`"),
    (event(instance="x" * 65), "`instance`"),
    (event(more=-1), "`more`"),
    (event(at=-1.0), "`at`"),
    (event(at="now"), "`$.at`"),
    (event(at=NOW + AHEAD + 1), "is a clock wrong?"),
    (event(extra=[1]), "not an event"),
    (event(extra="x" * 1000), "more than 1000"),
    ({"id": "i1-1"}, "`at`"),
]


@pytest.mark.parametrize(
    ("told", "why"), REFUSED, ids=[str(number) for number in range(len(REFUSED))]
)
def test_what_no_agent_writes_is_refused_with_the_field(told: dict[str, Any], why: str) -> None:
    events = event_log()
    with pytest.raises(EventRefused) as refused:
        tell(events, told)
    assert why in str(refused.value)
    assert len(events) == 0


def test_numbers_cannot_make_an_event_longer_than_others_take() -> None:
    numbers = json.dumps(event(1, **{f"x{number}": 0 for number in range(60)}))
    told = numbers.replace(": 0", ": 1e15").encode()
    assert len(told) < MAX_SIZE
    with pytest.raises(EventRefused, match="more than 1000"):
        event_log().merge(told)


def test_unknown_kinds_are_taken() -> None:
    assert tell(event_log(), event(kind="alert-fired")) == 1


def test_own_texts_are_made_printable_and_cut() -> None:
    events, other = event_log(), event_log("other")
    record = events.write("reloaded", "a\nb" * 100, "x\x1b[2J" + "y" * 300, instance="i1")
    assert other.merge(record.text)
    assert record.event.text == "x\ufffd[2J" + "y" * 195


@pytest.mark.parametrize("character", ["\U0001f600", "\u8a9e", '"'])
def test_other_agents_take_what_is_written_in_any_language(character: str) -> None:
    events, other = event_log("0123456789abcdef"), event_log("other")
    name = character * 128
    record = events.write("renamed", name, f"was {name} before; at x:1", instance="i" * 64)
    assert other.merge(record.text)
    assert record.event.text.startswith(f"was {character * 40}")


def test_the_same_that_several_agents_saw_is_shown_once() -> None:
    events = event_log()
    tell(events, event(1, "a"), event(2, "b"), event(3, "b", node="stan"), event(4, "c", kind="up"))
    tell(events, event(5, "b"), event(50, "d"))
    assert ids(events) == ["a-1", "b-3", "c-4", "b-5", "d-50"]


def test_what_one_agent_writes_twice_has_happened_twice() -> None:
    events = event_log()
    tell(events, event(1, kind="reloaded"), event(2, kind="reloaded"))
    assert len(shown(events)) == 2


def test_an_agent_that_lacks_only_the_latest_is_known_by_its_digest() -> None:
    events = event_log()
    tell(events, event(1), event(2))
    digest = events.digest
    tell(events, event(4), event(3))
    assert [record.event.id for record in events.since(digest) or ()] == ["i1-4", "i1-3"]
    assert events.since(events.digest) is None
    assert events.since("0" * 15 + "1") is None


def test_two_logs_find_what_each_lacks_newest_first() -> None:
    events, other = event_log(), event_log("other")
    tell(events, *(event(number) for number in (1, 2, 3)))
    tell(other, event(2))
    assert [record.event.id for record in events.beyond(other.have())] == ["i1-3", "i1-1"]
    assert other.beyond(events.have()) == []
    with pytest.raises(ValueError, match=r"base64|padding|character"):
        other.beyond("x?")


def test_new_arrivals_are_found_by_their_number() -> None:
    events = event_log()
    tell(events, event(2))
    number = events.arrived
    tell(events, event(1), event(1, "b"))
    assert [(one.event.id, one.repeats) for one in events.after(number)] == [
        ("i1-1", False),
        ("b-1", True),
    ]
