"""Type 7: the events that are known, and streams of those that come in."""

from typing import Any

import pytest

from core.events.test_event_log import event, tell
from core.harness import WALL, CoreHarness, FakeClient


@pytest.fixture
def client(harness: CoreHarness) -> FakeClient:
    tell(harness.node.events, *EVENTS)
    return harness.client()


EVENTS = [event(3, at=WALL - 60), event(1, at=WALL - 2), event(2, at=WALL - 1, node="stan")]


def ids(answer: dict[str, Any]) -> list[str]:
    return [one["id"] for one in answer["events"]]


def streamed(client: FakeClient) -> list[str]:
    """The ids of all events that it was sent, in their order."""
    return [one for answer in client.answers for one in ids(answer)]


def test_events_come_with_all_their_fields_newest_last(client: FakeClient) -> None:
    client.ask(type=7, id="e")
    assert list(client.answer) == ["host", "events", "error", "id"]
    assert ids(client.answer) == ["i1-3", "i1-1", "i1-2"]
    assert client.answer["events"] == EVENTS


@pytest.mark.parametrize(
    ("request_fields", "found"),
    [
        ({"since": WALL - 2}, ["i1-2"]),
        ({"since": 0}, ["i1-3", "i1-1", "i1-2"]),
        ({"nodes": ["s*"]}, ["i1-2"]),
        ({"nodes": ["kyle", "nobody"], "since": WALL - 10}, ["i1-1"]),
        ({"nodes": []}, []),
        ({"since": None, "nodes": None}, ["i1-3", "i1-1", "i1-2"]),
    ],
)
def test_since_and_nodes_select_events(
    client: FakeClient, request_fields: dict[str, Any], found: list[str]
) -> None:
    client.ask(type=7, **request_fields)
    assert ids(client.answer) == found


def test_nodes_may_be_selected_by_tags() -> None:
    harness = CoreHarness(tags={"role": "db"})
    tell(harness.node.events, event(1), event(2, node="own"))
    client = harness.client()
    client.ask(type=7, nodes=["tag:role=db"])
    assert ids(client.answer) == ["i1-2"]


@pytest.mark.parametrize(
    ("request_fields", "why"),
    [
        ({"since": -1}, "`since` must be Unix seconds, 0 or later, got -1"),
        ({"since": "1h"}, '`since` must be Unix seconds, 0 or later, got "1h"'),
        ({"every": 1}, "`every` needs an `id`"),
        ({"nodes": ["*"] * 33}, "at most 32 patterns"),
    ],
)
def test_a_wrong_request_is_refused(
    client: FakeClient, request_fields: dict[str, Any], why: str
) -> None:
    client.ask(type=7, **request_fields)
    assert client.answer["code"] == "bad_request"
    assert why in client.answer["error"]


def test_a_stream_begins_with_what_is_known_and_goes_on_with_what_is_new(
    harness: CoreHarness, client: FakeClient
) -> None:
    client.ask(type=7, id=1, every=0.5)
    assert ids(client.answer) == ["i1-3", "i1-1", "i1-2"]
    harness.clock.advance(0.6)
    tell(harness.node.events, event(9, at=WALL - 100))  # late, but new
    harness.clock.advance(1)
    assert streamed(client)[3:] == ["i1-9"]
    assert [answer["seq"] for answer in client.answers] == [0, 1, 2, 3]
    client.ask(type=2, id=1)
    harness.clock.advance(5)
    assert client.answers[-1]["done"] is True
    assert len(harness.node.responder.event_streams) == 0


def test_what_another_agent_has_told_already_is_not_streamed_again(
    harness: CoreHarness, client: FakeClient
) -> None:
    client.ask(type=7, id=1, every=0.5)
    tell(harness.node.events, event(4, "b", at=WALL), event(7, "c", kind="up"))
    harness.clock.advance(1)
    assert streamed(client)[3:] == ["c-7"]


def test_a_slow_client_gets_later_all_that_it_has_missed(
    harness: CoreHarness, client: FakeClient
) -> None:
    client.ask(type=7, id=1, every=1, nodes=["n*"])
    client.wire.unsent = 1
    for number in range(10, 20):
        tell(harness.node.events, event(number, node=f"n{number}"))
        harness.clock.advance(1)
    assert len(client.answers) == 1
    client.wire.unsent = 0
    harness.clock.advance(1)
    assert streamed(client) == [f"i1-{number}" for number in range(10, 20)]


def test_streams_of_events_and_of_stats_share_their_limit_and_end_with_the_client(
    harness: CoreHarness, client: FakeClient
) -> None:
    for number in range(8):
        client.ask(type=7, id=number, every=1)
        client.ask(type=0, id=100 + number, every=1)
    harness.clock.turn()
    client.ask(type=7, id="x", every=1)
    assert client.answers[-1]["code"] == "too_many_streams"
    client.ask(type=2, id=7)
    client.ask(type=7, id=100, every=1)
    assert client.answers[-1]["code"] == "duplicate_id"
    client.session.ended()
    assert len(harness.node.responder.event_streams) == len(harness.node.responder.streams) == 0


def test_a_clock_that_is_set_is_an_event_and_a_reading_that_is_off_once_is_none(
    harness: CoreHarness,
) -> None:
    steps = harness.node._clock_steps
    readings = [(100.0, 1.0), (101.2, 2.0), (109.0, 3.0), (103.2, 4.0), (7304.0, 5.0)]
    assert [steps.step(*reading) for reading in readings] == [None] * 5
    assert steps.step(7304.0, 5.0) is None
    assert steps.step(7305.0, 6.0) == pytest.approx(7200.0, abs=2)
    assert steps.step(7306.0, 7.0) is None
