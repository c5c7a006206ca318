"""Types 5 and 6: the alerts, streams of them, and silences."""

import json
from typing import Any

import pytest

from core.alerts.alerted_node import START, alert, judge, known
from core.harness import CoreHarness, FakeClient
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.requests.silence_requests import MAX_CHANGES

FIELDS = ["node", "rule", "object", "epoch", "severity", "state", "value", "threshold", "since"]


@pytest.fixture
def operator(harness: CoreHarness) -> FakeClient:
    return harness.client(Hello(2, operator="kyle"))


def rules(answer: dict[str, Any]) -> list[str]:
    return [one["rule"] for one in answer["alerts"]]


# Alerts.


def test_an_alert_comes_with_all_its_fields(harness: CoreHarness) -> None:
    judge(harness, alert("filesystem", object="/var", value=97.2, threshold=95.0))
    client = harness.client()
    client.ask(type=5, id="a")
    assert list(client.answer) == ["host", "alerts", "error", "id"]
    (one,) = client.answer["alerts"]
    assert list(one) == [*FIELDS, "told", "silenced", "text"]
    assert (one["object"], one["value"], one["threshold"]) == ("/var", 97.2, 95.0)
    assert (one["told"], one["silenced"]) == ([], False)


def test_fields_without_a_value_are_there_too(harness: CoreHarness) -> None:
    judge(harness, alert())
    client = harness.client()
    client.ask(type=5)
    (one,) = client.answer["alerts"]
    assert (one["object"], one["value"], one["threshold"]) == ("", None, None)


@pytest.mark.parametrize(
    ("nodes", "found"),
    [
        (None, ["cpu", "down"]),
        (["st*"], ["down"]),
        (["own"], ["cpu"]),
        (["tag:role=db"], ["cpu"]),
        (["tag:role=db", "stan"], ["cpu", "down"]),
        (["nobody"], []),
        ([], []),
    ],
)
def test_nodes_select_alerts(nodes: list[str] | None, found: list[str]) -> None:
    harness = CoreHarness(tags={"role": "db"})
    known(harness, "stan", "10.0.0.8:7070", "instance of stan")
    judge(harness, alert("cpu", at=1), alert("down", node="stan", address="10.0.0.8:7070"))
    client = harness.client()
    client.ask(type=5, nodes=nodes)
    assert rules(client.answer) == found


def test_a_stream_sends_the_whole_list_with_each_tick(harness: CoreHarness) -> None:
    client = harness.client()
    client.ask(type=5, every=1, id="s")
    harness.clock.turn()
    judge(harness, alert())
    harness.clock.advance(2)
    client.ask(type=2, id="s")
    harness.clock.advance(5)
    assert [(rules(tick), tick["seq"]) for tick in client.answers[:-1]] == [
        ([], 0),
        (["cpu"], 1),
        (["cpu"], 2),
    ]
    assert client.answers[-1]["done"]


def test_equal_streams_share_one_answer_and_a_slow_client_skips_ticks(
    harness: CoreHarness,
) -> None:
    clients = [harness.client(), harness.client()]
    for client in clients:
        client.ask(type=5, every=1, id=1)
    harness.clock.turn()
    clients[0].wire.unsent = 1
    harness.clock.advance(1)
    assert [len(client.answers) for client in clients] == [1, 2]
    assert len(harness.node.responder.alert_streams) == 2
    assert harness.node.responder.alert_streams.skipped == 1


def test_what_does_not_fit_into_an_answer_is_left_out_and_counted(harness: CoreHarness) -> None:
    for number in range(60):
        address = f"10.1.0.{number}:7070"
        known(harness, f"n{number}", address, f"i{number}")
        judge(
            harness,
            *(
                alert(
                    f"r{one}",
                    node=f"n{number}",
                    address=address,
                    object="ü" * 200,
                    text="€" * 300,
                    severity="critical" if one == 5 else "warning",
                )
                for one in range(64)
            ),
        )
    client = harness.client()
    client.ask(type=5, id=1)
    alerts = client.answer["alerts"]
    assert len(client.wire.sent[0]) < 4 * 2**20
    left_out = alerts[-1].pop("truncated")
    assert len(alerts) + left_out == 60 * 64
    assert [one["severity"] for one in alerts[:61]] == ["critical"] * 60 + ["warning"]


# Silences.


def test_a_silence_begins_and_is_listed_and_ends(
    harness: CoreHarness, operator: FakeClient
) -> None:
    terms = {"node": "db-*", "rule": "cpu", "seconds": 3600, "reason": "upgrade"}
    operator.ask(type=6, silence=terms, id=1)
    operator.ask(type=6, id=2)
    begun, listed = operator.answers
    (silence,) = begun["silences"]
    assert list(begun) == ["host", "silences", "silence", "error", "id"]
    assert list(listed) == ["host", "silences", "error", "id"]
    assert begun["silence"] == silence
    assert listed["silences"] == [silence]
    assert silence == {
        "id": silence["id"],
        "node": "db-*",
        "rule": "cpu",
        "until": START + 3600,
        "reason": "upgrade",
        "by": "kyle",
        "at": START,
    }
    operator.ask(type=6, end=silence["id"], id=3)
    assert operator.answers[-1]["silences"] == []
    assert operator.answers[-1]["silence"] == silence


def test_what_is_not_named_is_everything_and_by_is_this_agent_if_nobody_is_known(
    harness: CoreHarness,
) -> None:
    judge(harness, alert())
    client = harness.client(Hello(2, operator=""))
    client.ask(type=6, silence={"seconds": 60, "node": None})
    (silence,) = client.answer["silences"]
    assert (silence["node"], silence["rule"], silence["reason"]) == ("*", "*", "")
    assert silence["by"] == "own"
    client.ask(type=5)
    assert client.answers[-1]["alerts"][0]["silenced"]


@pytest.mark.parametrize("fields", [{"silence": {"seconds": 60}}, {"end": "0000000a"}])
def test_who_may_only_read_may_list_silences_and_no_more(
    harness: CoreHarness, fields: dict[str, Any]
) -> None:
    reader = harness.client(Hello(2))
    reader.ask(type=6, id=1)
    reader.ask(type=6, id=2, **fields)
    assert reader.answers[0]["silences"] == []
    assert reader.answers[1]["code"] == "forbidden"
    assert "role `operate`" in reader.answers[1]["error"]


@pytest.mark.parametrize(
    ("fields", "code", "why"),
    [
        (
            {"silence": {}},
            "bad_request",
            "`silence.seconds` must be between 1 and 2592000, got null",
        ),
        ({"silence": {"seconds": 0.5}}, "bad_request", "`silence.seconds` must be between"),
        ({"silence": {"seconds": 2592001}}, "bad_request", "`silence.seconds` must be between"),
        ({"silence": {"seconds": 60, "node": ""}}, "bad_request", "`silence.node` must be a name"),
        ({"silence": {"seconds": 60, "node": "tag:a=b"}}, "bad_request", "not of tags"),
        ({"silence": {"seconds": 60, "rule": 5}}, "bad_request", "`silence.rule` must be a name"),
        ({"silence": {"seconds": 60, "rule": "a\n"}}, "bad_request", "`silence.rule` must be prin"),
        ({"silence": {"seconds": 60, "reason": "x" * 301}}, "bad_request", "at most 300 charact"),
        ({"silence": "cpu"}, "bad_request", "`silence` must be an object with `seconds`"),
        ({"end": 5}, "bad_request", "`end` must be the `id` of a silence"),
        ({"end": "0000000a"}, "no_such_silence", "no silence with the id '0000000a'"),
        ({"end": "a", "silence": {"seconds": 9}}, "bad_request", "cannot be in one request"),
    ],
)
def test_a_refusal_names_the_field(
    operator: FakeClient, fields: dict[str, Any], code: str, why: str
) -> None:
    operator.ask(type=6, id=1, **fields)
    assert operator.answer["code"] == code
    assert why in operator.answer["error"]
    assert operator.answer["id"] == 1


def test_a_length_beyond_what_numbers_hold_is_refused(operator: FakeClient) -> None:
    operator.say(b'{"type":6,"silence":{"seconds":1e999},"id":1}')
    assert operator.answer["code"] == "bad_request"
    assert "`silence.seconds` must be between" in operator.answer["error"]


def test_silences_change_only_so_often(harness: CoreHarness, operator: FakeClient) -> None:
    for number in range(MAX_CHANGES + 1):
        operator.ask(type=6, silence={"seconds": 60}, id=number)
    assert [answer.get("code") for answer in operator.answers] == [
        *[None] * MAX_CHANGES,
        "forbidden",
    ]
    harness.clock.advance(1)
    operator.ask(type=6, silence={"seconds": 60}, id="later")
    assert "silence" in operator.answers[-1]


def test_there_may_be_only_so_many(harness: CoreHarness, operator: FakeClient) -> None:
    for number in range(257):
        harness.clock.advance(1)
        operator.ask(type=6, silence={"seconds": 3600}, id=number)
    assert operator.answers[-1]["code"] == "too_many_silences"
    assert len(json.loads(operator.wire.sent[-2])["silences"]) == 256
