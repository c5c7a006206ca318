"""One client: what it may ask, in which order it is answered, and how much of it is borne."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from nodnod_agent.core.session import MAX_IN_FLIGHT
from nodnod_agent.core.world import Hello
from simulation.answers import FIELDS
from simulation.stage import FakeClient, Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def client(stage: Stage) -> FakeClient:
    return stage.client()


def kinds(client: FakeClient) -> list[tuple[str, ...]]:
    """The fields of the first node of each answer: they tell which question it answers."""
    return [tuple(next(iter(answer["nodes"].values()), ())) for answer in client.answers]


# What a good request gets.


def test_a_version_1_answer_to_the_letter(client: FakeClient) -> None:
    client.ask(type=0, statType=0)
    assert list(client.answer) == ["host", "nodes", "error"]
    assert client.answer["host"] == "own"
    assert list(client.nodes) == ["own"]
    assert tuple(client.nodes["own"]) == FIELDS[0]
    assert (client.nodes["own"]["error"], client.answer["error"]) == ("", "")


@pytest.mark.parametrize(
    "text", [b"{}", b' {"type":null, "statType": null}\n', b'{"colour":"red"}']
)
def test_an_absent_type_means_this_node(client: FakeClient, text: bytes) -> None:
    client.say(text)
    assert list(client.nodes) == ["own"]


@pytest.mark.parametrize("stat_type", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", [0, 1])
def test_granular_stats(stage: Stage, client: FakeClient, kind: int, stat_type: int) -> None:
    client.ask(type=kind, statType=stat_type)
    stage.clock.turn()
    assert tuple(client.nodes["own"]) == FIELDS[stat_type]


@pytest.mark.parametrize(
    "id_", [0, -1, 1, 2**53 - 1, -(2**53) + 1, "", "x", "☃" * 64, '"\\\n', "1"]
)
@pytest.mark.parametrize("kind", [0, 1])
def test_an_id_comes_back_last_and_as_it_was(
    stage: Stage, client: FakeClient, kind: int, id_: object
) -> None:
    client.ask(type=kind, id=id_)
    stage.clock.turn()
    assert list(client.answer) == ["host", "nodes", "error", "id"]
    assert client.answer["id"] == id_
    assert type(client.answer["id"]) is type(id_)


def test_an_id_that_is_null_is_none(client: FakeClient) -> None:
    client.ask(id=None)
    assert "id" not in client.answer


def test_requests_with_one_id_are_answered_each(stage: Stage, client: FakeClient) -> None:
    client.ask(type=1, id=1)
    client.ask(type=0, id=1)
    stage.clock.turn()
    assert [answer["id"] for answer in client.answers] == [1, 1]


# Order.


def test_answers_without_id_come_in_the_order_of_the_requests(
    stage: Stage, client: FakeClient
) -> None:
    peer = stage.peer("kyle")
    for kind, stat_type in [(0, 1), (1, 0), (0, 2), (1, 0), (0, 3), (0, 0)]:
        client.ask(type=kind, statType=stat_type)
    stage.clock.turn()
    assert kinds(client) == [FIELDS[1]]
    peer.answer()
    assert kinds(client) == [FIELDS[n] for n in (1, 0, 2, 0, 3, 0)]
    assert [len(answer["nodes"]) for answer in client.answers] == [1, 2, 1, 2, 1, 1]


def test_a_refusal_without_id_waits_for_its_turn(stage: Stage, client: FakeClient) -> None:
    peer = stage.peer("kyle")
    client.ask(type=1)
    client.say(b"nonsense")
    stage.clock.turn()
    assert client.answers == []
    peer.answer()
    assert [answer.get("code") for answer in client.answers] == [None, "bad_json"]


def test_a_short_deadline_behind_a_long_one_waits_for_its_turn(
    stage: Stage, client: FakeClient
) -> None:
    stage.peer("frozen")
    client.ask(type=1, timeout=1)
    client.ask(type=1, timeout=0.1)
    stage.clock.advance(0.9)
    assert client.answers == []
    stage.clock.advance(0.2)
    silences = [answer["nodes"]["frozen"]["error"] for answer in client.answers]
    assert silences == ["no answer within 1 s", "no answer within 0.1 s"]


def test_answers_with_id_wait_for_nobody(stage: Stage, client: FakeClient) -> None:
    stage.peer("frozen")
    client.ask(type=1)
    client.ask(type=1, id="slow")
    client.ask(type=1, id="hasty", timeout=0.1)
    client.ask(id="at once")
    client.ask(type=99, id="bad")
    stage.clock.advance(3)
    ids = [answer.get("id") for answer in client.answers]
    assert ids[:3] == ["at once", "bad", "hasty"]
    assert sorted(map(str, ids[3:])) == ["None", "slow"]


def test_one_client_waits_for_no_other(stage: Stage, client: FakeClient) -> None:
    stage.peer("frozen")
    client.ask(type=1)
    other = stage.client()
    other.ask()
    assert len(other.answers) == 1


# What is no request.

REFUSED: list[tuple[bytes, str, str]] = [
    (b"", "bad_json", "request is empty"),
    (b" \n", "bad_json", "request is empty"),
    (b"null", "bad_request", "request must be a JSON object, got null"),
    (b"[]", "bad_request", "request must be a JSON object, got []"),
    (b'"x"', "bad_request", 'request must be a JSON object, got "x"'),
    (b"5", "bad_request", "request must be a JSON object, got 5"),
    (b"hello", "bad_json", "request is not JSON"),
    (b'{"type":0}x', "bad_json", "trailing characters"),
    (b"{}{}", "bad_json", "trailing characters"),
    (b'{"type":0,}', "bad_json", "request is not JSON"),
    (b"{'type':0}", "bad_json", "request is not JSON"),
    (b"[" * 100_000, "bad_json", "request is nested too deeply"),
    (b'{"a":' * 100_000, "bad_json", "request is nested too deeply"),
    (b'{"type":NaN}', "bad_json", "request is not JSON"),
    (b'{"type":"1"}', "bad_request", '`type` must be an integer, got "1"'),
    (b'{"type":1.5}', "bad_request", "`type` must be an integer, got 1.5"),
    (b'{"type":true}', "bad_request", "`type` must be an integer, got true"),
    (b'{"type":99}', "unknown_type", "`type` must be one of 0, 1, 2, 3, 4, got 99"),
    (b'{"type":-1}', "unknown_type", "got -1"),
    (b'{"type":' + b"9" * 4000 + b"}", "unknown_type", "got 999"),
    (b'{"statType":4}', "bad_request", "`statType` must be 0, 1, 2 or 3, got 4"),
    (b'{"statType":-1}', "bad_request", "`statType` must be 0, 1, 2 or 3, got -1"),
    (b'{"id":' + b"1" * 4000 + b"}", "bad_request", "`id` must be an integer of 53 bits or"),
    (b'{"id":"' + b"x" * 65 + b'"}', "bad_request", "or a string of at most 64 characters"),
    (b'{"id":9007199254740992}', "bad_request", "`id` must be"),
    (b'{"id":1.5}', "bad_request", "`id` must be"),
    (b'{"id":[]}', "bad_request", "`id` must be"),
    (b'{"timeout":0}', "bad_request", "`timeout` must be between 0.05 and 30, got 0"),
    (b'{"timeout":-1}', "bad_request", "`timeout` must be between 0.05 and 30, got -1"),
    (b'{"timeout":1e9}', "bad_request", "`timeout` must be between 0.05 and 30, got 1000000000"),
    (b'{"timeout":1e999}', "bad_request", "`timeout` must be between 0.05 and 30"),
    (b'{"timeout":"1"}', "bad_request", "`timeout` must be between 0.05 and 30"),
    (b'{"nodes":"kyle"}', "bad_request", "`nodes` must be a list of at most 256 node names"),
    (b'{"nodes":[1]}', "bad_request", "`nodes` must be a list"),
    (b'{"nodes":[""]}', "bad_request", "`nodes` must be a list"),
    (json.dumps({"nodes": ["x"] * 257}).encode(), "bad_request", "`nodes` must be a list"),
    (json.dumps({"nodes": ["x" * 129]}).encode(), "bad_request", "`nodes` must be a list"),
    (b'{"detail":"cpu"}', "bad_request", "`detail` must be a list"),
    (b'{"detail":["weather"]}', "unknown_section", "got 'weather'"),
    (b'{"history":0}', "bad_request", "`history` must be seconds"),
    (b'{"history":3601}', "bad_request", "`history` must be seconds"),
    (b'{"every":0.1,"id":1}', "bad_request", "`every` must be between 0.25 and 3600, got 0.1"),
    (b'{"every":1}', "bad_request", "`every` needs an `id`"),
    (b'{"type":2}', "bad_request", "`type` 2 needs the `id`"),
    (b'{"type":2,"id":1}', "no_such_stream", "1"),
    (b'{"type":4}', "forbidden", "`type` 4 is for agents"),
]


@pytest.mark.parametrize(
    ("text", "code", "why"), REFUSED, ids=[text[:30].decode() for text, _, _ in REFUSED]
)
def test_a_bad_request_is_told_what_where_and_what_was_expected(
    client: FakeClient, text: bytes, code: str, why: str
) -> None:
    client.say(text)
    answer = client.answer
    assert (answer["host"], answer["nodes"], answer["code"]) == ("own", {}, code)
    assert why in answer["error"]
    assert len(answer["error"]) < 300
    assert client.wire.open


@pytest.mark.parametrize(
    ("text", "code", "why"), REFUSED, ids=[text[:30].decode() for text, _, _ in REFUSED]
)
def test_after_a_bad_request_a_good_one_is_answered(
    client: FakeClient, text: bytes, code: str, why: str
) -> None:
    client.say(text)
    client.ask()
    assert client.answers[-1]["error"] == ""


@pytest.mark.parametrize("request_", [{"type": 99}, {"timeout": 0}, {"detail": ["weather"]}])
def test_a_refusal_carries_the_id_where_there_is_one(
    client: FakeClient, request_: dict[str, Any]
) -> None:
    client.ask(id="mine", **request_)
    assert list(client.answer) == ["host", "nodes", "error", "code", "id"]
    assert client.answer["id"] == "mine"


def test_a_refusal_echoes_no_id_that_is_none(client: FakeClient) -> None:
    client.ask(id="x" * 65, type=99)
    assert "id" not in client.answer


@pytest.mark.parametrize(
    "text",
    [
        b'{"type":"%b"}' % (b"x" * 16_000),
        b'"%b"' % (b"x" * 16_000),
        b'{"id":"%b"}' % (b"x" * 16_000),
        b'{"nodes":["%b"]}' % (b"x" * 16_000),
        b'{"type":%b}' % (b"1" * 4_000),
        b"x" * 16_000,
    ],
)
def test_no_more_than_200_characters_of_a_request_come_back(
    client: FakeClient, text: bytes
) -> None:
    client.say(text)
    assert "x" * 201 not in client.answer["error"]
    assert len(client.answer["error"]) < 300


BAD: list[Callable[[FakeClient], None]] = [
    lambda client: client.say(b"nonsense"),
    lambda client: client.ask(type=99),
    lambda client: client.ask(type=2, id=5),
]


@pytest.mark.parametrize("bad", BAD)
def test_ten_bad_requests_in_a_row_close_the_connection_with_1008(
    client: FakeClient, bad: Callable[[FakeClient], None]
) -> None:
    for _ in range(9):
        bad(client)
    assert client.wire.open
    bad(client)
    assert len(client.answers) == 10
    assert client.wire.closed is not None
    assert client.wire.closed[0] == 1008


def test_a_good_request_begins_the_count_anew(client: FakeClient) -> None:
    for _ in range(10):
        for _ in range(9):
            client.say(b"nonsense")
        client.ask()
    assert client.wire.open
    assert len(client.answers) == 100


def test_after_the_tenth_nothing_is_answered(client: FakeClient) -> None:
    for _ in range(11):
        client.say(b"nonsense")
    client.ask()
    assert len(client.answers) == 10


# How much is borne.


def test_so_many_unanswered_requests_are_enough(stage: Stage, client: FakeClient) -> None:
    stage.peer("frozen")
    for number in range(MAX_IN_FLIGHT):
        assert not client.session.full
        client.ask(type=1, id=number)
    assert client.session.full
    stage.clock.advance(2.1)
    assert not client.session.full
    assert len(client.answers) == MAX_IN_FLIGHT


@pytest.mark.parametrize("request_", [{"type": 0}, {"type": 99}, {"type": 1, "timeout": 0.1}])
def test_what_waits_for_its_turn_counts_as_unanswered(
    stage: Stage, client: FakeClient, request_: dict[str, Any]
) -> None:
    stage.peer("frozen")
    client.ask(type=1, timeout=30)
    sent = 1
    while not client.session.full:
        client.ask(**request_) if sent % 9 else client.ask()
        stage.clock.advance(0.02)
        sent += 1
        assert sent <= MAX_IN_FLIGHT
    stage.clock.advance(31)
    assert len(client.answers) == sent
    assert not client.session.full
    assert not client.session.in_flight


def test_requests_that_are_answered_at_once_never_fill_it(client: FakeClient) -> None:
    for number in range(10 * MAX_IN_FLIGHT):
        client.ask(type=0, id=number)
        client.ask(type=0)
    assert not client.session.full


# The end.


def test_a_client_that_is_gone_is_sent_nothing(stage: Stage, client: FakeClient) -> None:
    peer = stage.peer("kyle")
    client.ask(type=1)
    client.ask(type=1, id=1)
    stage.clock.turn()
    client.session.ended()
    peer.answer()
    stage.clock.advance(3)
    assert client.answers == []
    assert client.session not in stage.cluster.sessions


def test_what_is_unanswered_when_the_agent_stops_is_told_so_before_the_goodbye(
    stage: Stage, client: FakeClient
) -> None:
    stage.peer("frozen")
    client.ask(type=1)
    client.ask(type=0, statType=1)
    client.ask(type=1, id="mine")
    stage.clock.turn()
    stage.cluster.stop()
    answers = sorted(client.answers, key=lambda answer: "id" in answer)
    assert [answer.get("code") for answer in answers] == ["shutting_down", None, "shutting_down"]
    assert answers[2]["id"] == "mine"
    assert client.wire.closed is not None
    assert client.wire.closed[0] == 1001


def test_nobody_is_answered_twice_when_the_agent_stops(stage: Stage, client: FakeClient) -> None:
    peer = stage.peer("kyle")
    client.ask(type=1, id=1)
    stage.clock.turn()
    stage.cluster.stop()
    peer.answer()
    stage.clock.advance(5)
    assert len(client.answers) == 1


def test_a_peer_that_dialled_us_is_answered_like_any_client(stage: Stage) -> None:
    peer = stage.client(Hello(2, "kyle", "instance of kyle", "10.0.0.2:7070"))
    peer.ask(type=0, id=3)
    assert list(peer.answer) == ["host", "nodes", "error", "id"]
