"""Node objects: checked and spliced if they are valid, else an error of that node alone."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.harness.invariants.form import FIELDS, parse
from nodnod_agent.core.encoding import (
    RICH_LIMIT,
    encode_node,
    error_node,
    peer_node,
    relabeled_node,
    renamed_node,
    split_id,
    with_id,
)
from nodnod_agent.core.question import Question
from nodnod_client.codec import decode_peer_answer, encode
from nodnod_client.errors import WireError
from nodnod_client.messages import FullStats
from nodnod_client.sections import truncated

STATS = FullStats("kyle", 5.0, 100, 25, 25.0, 1000, 500, 50.0, "")


def node(**fields: Any) -> dict[str, Any]:
    known: dict[str, Any] = json.loads(encode(STATS))
    return known | fields


def splice(
    answer: object,
    *,
    question: Question = Question(),  # noqa: B008  # immutable
    name: str = "kyle",
    listed: str = "kyle",
    version: int = 2,
) -> bytes:
    text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    peer_answer = decode_peer_answer(text)
    return peer_node(peer_answer, question, name=name, listed=listed, version=version)


def answered(*nodes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"host": "kyle", "nodes": {one["name"]: one for one in nodes}, "error": "", **fields}


@pytest.mark.parametrize("stat_type", [0, 1, 2, 3])
def test_a_node_object_has_the_fields_asked_for_in_their_order(stat_type: int) -> None:
    assert tuple(parse(encode_node(STATS, stat_type))) == FIELDS[stat_type]
    failed = parse(error_node("kyle", "down: gone", stat_type))
    assert tuple(failed) == FIELDS[stat_type]
    assert (failed.pop("name"), failed.pop("error")) == ("kyle", "down: gone")
    assert set(failed.values()) == {0}


def test_a_peers_object_is_spliced_as_it_came() -> None:
    text = b'{"error":"","memoryTotal":1,"memoryUsed":1,"memoryUsedPercent":1,"diskTotal":1,'
    text += b'"diskUsed":1,"diskUsedPercent":1.5,"cpuUsed":2,"name":"kyle","more":[1,2]}'
    assert splice(b'{"nodes":{"kyle":' + text + b'},"id":3}') == text


def test_an_object_with_a_field_twice_is_encoded_again() -> None:
    twice = json.dumps(answered(node(more=[{"a": 1}])))
    twice = twice.replace('"error"', '"error": "x", "error"').replace('"a"', '"a": 2, "a"')
    entry = splice(twice.encode())
    assert parse(entry) == node(more=[{"a": 1}])
    assert (entry.count(b'"error"'), entry.count(b'"a"')) == (1, 1)


def test_more_fields_than_were_asked_for_and_an_own_error_stay() -> None:
    answer = answered(node(extra={"a": [1]}, error="disk on fire"))
    assert parse(splice(answer)) == node(extra={"a": [1]}, error="disk on fire")
    entry = parse(splice(answer, listed="kyle@10.0.0.2:7070"))
    assert entry == node(extra={"a": [1]}, error="disk on fire", name="kyle@10.0.0.2:7070")


MATCHING = Question(detail=("processes",), match="x*")


@pytest.mark.parametrize(
    "section", [{"count": 3, "matching": [], "sums": {"count": 0}}, {"error": "EPERM"}, None]
)
def test_processes_that_match_are_passed_on(section: object) -> None:
    there = node(detail={"processes": section, "load": 1})
    assert parse(splice(answered(there), question=MATCHING)) == there


@pytest.mark.parametrize("section", [{"count": 3, "byCpu": [{"pid": 1}]}, [], 7])
def test_the_processes_of_an_agent_that_does_not_know_match_are_no_answer_to_it(
    section: object,
) -> None:
    there = node(detail={"processes": section, "load": 1})
    error = {"error": "the agent of this node does not know `match`"}
    for listed in ("kyle", "kyle@10.0.0.2:7070"):
        found = parse(splice(answered(there), question=MATCHING, listed=listed))
        assert found == node(name=listed, detail={"processes": error, "load": 1})
    assert parse(splice(answered(there), question=Question(detail=("processes",)))) == there


@pytest.mark.parametrize("fields", [{}, {"detail": None}, {"detail": {}}, {"detail": [1]}])
def test_a_node_without_processes_stays_as_it_is(fields: dict[str, Any]) -> None:
    assert parse(splice(answered(node(**fields)), question=MATCHING)) == node(**fields)


@pytest.mark.parametrize("error", ["shutting down", "x" * 10_000])
def test_a_refusal_becomes_the_error_of_the_peer_with_at_most_200_characters(error: str) -> None:
    with pytest.raises(WireError) as e:
        splice({"host": "kyle", "nodes": {}, "error": error, "code": "shutting_down"})
    assert str(e.value) == error[:200]


@pytest.mark.parametrize("stat_type", [1, 2, 3])
def test_the_object_of_a_version_1_peer_is_cut_to_the_fields_asked_for(stat_type: int) -> None:
    question = Question(stat_type=stat_type)
    assert splice(answered(node()), question=question, version=1) == encode_node(STATS, stat_type)
    entry = splice(answered(node()), question=question, version=1, listed="other")
    assert parse(entry)["name"] == "other"


def without(field: str) -> dict[str, Any]:
    fields = node()
    del fields[field]
    return fields


INVALID: dict[str, tuple[object, str]] = {
    "no node": (answered(), "expected one node, got 0"),
    "two nodes": (answered(node(), node(name="stan")), "expected one node, got 2"),
    "another's name": (answered(node(name="stan")), "it is about node 'stan'"),
    "a long other name": (answered(node(name="x" * 9000)), "about node 'xxx"),
    "a negative share": (answered(node(cpuUsed=-1)), "`$.cpuUsed`"),
    "a negative size": (answered(node(diskTotal=-5)), "`$.diskTotal`"),
    "a size that is a string": (answered(node(memoryTotal="much")), "`$.memoryTotal`"),
    "a size that is null": (answered(node(memoryUsed=None)), "`$.memoryUsed`"),
    "a fraction of a byte": (answered(node(memoryUsed=1.5)), "`$.memoryUsed`"),
    "a boolean": (answered(node(cpuUsed=True)), "`$.cpuUsed`"),
    "a name that is a number": (b'{"nodes":{"kyle":{"name":5}}}', "`$.name`"),
    "no error field": ({"nodes": {"kyle": without("error")}}, "`error`"),
    "no memory": ({"nodes": {"kyle": without("memoryTotal")}}, "`memoryTotal`"),
    "an empty object": (b'{"nodes":{"kyle":{}}}', "missing required field"),
    "a list": (b'{"nodes":{"kyle":[]}}', "Expected `object`"),
    "null": (b'{"nodes":{"kyle":null}}', "Expected `object`"),
    "a huge object": (answered(node(more="x" * 20_000)), "more than 16384 bytes"),
    "a number beyond floats": (
        json.dumps(answered(node())).replace("5.0", "1e999").encode(),
        "out of range",
    ),
    "a number of 5,000 digits among the rest": (
        json.dumps(answered(node(more=0))).replace('"more": 0', '"more": ' + "1" * 5000).encode(),
        "out of range",
    ),
    "values nested too deeply for other parsers": (
        json.dumps(answered(node(more=0))).replace("0}", "[" * 950 + "]" * 950 + "}").encode(),
        "recursion",
    ),
    "a broken character": (
        json.dumps(answered(node(more=0))).encode().replace(b'"more": 0', b'"more": "\xff"'),
        "utf-8",
    ),
}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("answer", "why"), INVALID.values(), ids=INVALID.keys())
def test_an_invalid_object_is_refused_with_a_reason(answer: object, why: str, version: int) -> None:
    with pytest.raises(WireError, match=r".") as e:
        splice(answer, version=version)
    assert why in str(e.value)
    assert len(str(e.value)) <= 300


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "05", "5.", "+5", "0x5", "'5'"])
def test_a_number_that_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        splice(json.dumps(answered(node())).replace("5.0", text, 1).encode())


def test_detail_and_history_may_make_an_object_larger_up_to_a_limit() -> None:
    for question in (Question(detail=("cpu",)), Question(history=60)):
        assert len(splice(answered(node(detail="y" * 20_000)), question=question)) > 20_000
        with pytest.raises(WireError, match="more than 262144 bytes"):
            splice(answered(node(detail="y" * 300_000)), question=question)


def test_an_older_agents_detail_that_is_too_large_is_cut_here() -> None:
    rows = [{"mount": f"/{number}", "total": 1} for number in range(30_000)]
    entry = splice(answered(node(detail={"filesystems": rows})), question=Question(detail=("cpu",)))
    assert len(entry) <= RICH_LIMIT
    kept = parse(entry)["detail"]["filesystems"]
    assert parse(entry) == node(detail={"filesystems": kept})
    assert len(kept) + truncated(kept) == 30_000


def test_of_a_field_that_is_there_twice_the_last_counts() -> None:
    twice = json.dumps(answered(node())).replace('"error"', '"name": "stan", "error"', 1)
    with pytest.raises(WireError, match="about node 'stan'"):
        splice(twice.encode())


@pytest.mark.parametrize(
    "more", ['":{": "a:b"', '"a" : {"b":[{"b":1e0}]}', r'"\"": "\\", ":":"\u003c"']
)
def test_any_valid_json_is_read(more: str) -> None:
    text = json.dumps(answered(node())).replace('"error"', f'{more}, "error"', 1)
    assert parse(splice(text.encode()))["name"] == "kyle"


@pytest.mark.parametrize(
    ("own", "error", "expected"),
    [("", "stale", "stale"), ("on fire", "stale", "stale"), ("on fire", "", "on fire")],
)
def test_a_relabeled_object_has_the_given_error_or_else_its_own(
    own: str, error: str, expected: str
) -> None:
    raw = json.dumps(node(error=own)).encode()
    assert parse(relabeled_node(raw, "kyle@x", error, 0)) == node(name="kyle@x", error=expected)


def test_renaming_changes_nothing_but_the_name() -> None:
    raw = json.dumps(node(more=[1, {"name": "kyle"}])).encode()
    assert parse(renamed_node(raw, "stan")) == node(name="stan", more=[1, {"name": "kyle"}])


# Ids.


@given(st.integers(0, 10**15 - 1))
def test_an_id_at_the_end_is_split_off(number: int) -> None:
    beginning, found = split_id(with_id(b'{"type":1}', number))
    assert (beginning, found) == (b'{"type":1,', number)
    assert split_id(json.dumps({"type": 1, "id": number}).encode())[1] == number


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b'{"type":1}',
        b'{"id":5,"type":1}',
        b'{"id":"5"}',
        b'{"id":-5}',
        b'{"id":05}',
        b'{"id":5.0}',
        b'{"id":5e3}',
        b'{"id":null}',
        b'{"id":1000000000000000}',
        b'{"id":\x0b5}',
        b'{"id":}',
        b'{"id":5',
        b'{"id":5}}',
        b'{"id":5} ',
        b'{"a\\"id":5}',
    ],
)
def test_any_other_message_stays_whole(text: bytes) -> None:
    assert split_id(text) == (text, None)
