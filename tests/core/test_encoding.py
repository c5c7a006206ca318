"""One node's object: checked once, then spliced; a bad one is an error of that node alone."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.harness.invariants.form import FIELDS, parse
from nodnod_agent.core.encoding import (
    encode_node,
    error_node,
    peer_node,
    relabeled_node,
    renamed_node,
)
from nodnod_agent.core.question import Question
from nodnod_client.codec import decode_peer_answer, encode
from nodnod_client.errors import WireError
from nodnod_client.messages import FullStats
from strategies import examples, json_values

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
def test_a_granular_object_has_the_fields_asked_for_in_their_order(stat_type: int) -> None:
    assert tuple(parse(encode_node(STATS, stat_type))) == FIELDS[stat_type]


@pytest.mark.parametrize("stat_type", [0, 1, 2, 3])
def test_a_node_that_could_not_be_read_is_zeros_and_a_reason(stat_type: int) -> None:
    entry = parse(error_node("kyle", "down: gone", stat_type))
    assert tuple(entry) == FIELDS[stat_type]
    assert (entry.pop("name"), entry.pop("error")) == ("kyle", "down: gone")
    assert set(entry.values()) == {0}


def test_a_peers_object_is_spliced_as_it_came() -> None:
    text = b'{"error":"","memoryTotal":1,"memoryUsed":1,"memoryUsedPercent":1,"diskTotal":1,'
    text += b'"diskUsed":1,"diskUsedPercent":1.5,"cpuUsed":2,"name":"kyle","more":[1,2]}'
    assert splice(b'{"nodes":{"kyle":' + text + b'},"id":3}') == text


def test_what_some_could_not_read_is_written_anew() -> None:
    twice = json.dumps(answered(node(more=[{"a": 1}])))
    twice = twice.replace('"error"', '"error": "x", "error"').replace('"a"', '"a": 2, "a"')
    entry = splice(twice.encode())
    assert parse(entry) == node(more=[{"a": 1}])
    assert (entry.count(b'"error"'), entry.count(b'"a"')) == (1, 1)


def test_a_peer_may_say_more_than_was_asked() -> None:
    assert parse(splice(answered(node(extra={"a": [1]}))))["extra"] == {"a": [1]}


def test_a_peer_that_is_listed_under_another_name_stands_there_under_it() -> None:
    entry = parse(splice(answered(node()), listed="kyle@10.0.0.2:7070"))
    assert entry == node(name="kyle@10.0.0.2:7070")


def test_an_error_that_a_peer_reports_of_itself_stands() -> None:
    assert parse(splice(answered(node(error="disk on fire"))))["error"] == "disk on fire"


def test_a_refusal_becomes_the_error_of_the_peer() -> None:
    with pytest.raises(WireError, match="shutting down"):
        splice({"host": "kyle", "nodes": {}, "error": "shutting down", "code": "shutting_down"})


def test_a_peers_long_refusal_is_cut() -> None:
    with pytest.raises(WireError) as e:
        splice({"host": "kyle", "nodes": {}, "error": "x" * 10_000})
    assert len(str(e.value)) == 200


@pytest.mark.parametrize("stat_type", [1, 2, 3])
def test_a_version_1_peer_that_gives_all_is_cut_to_what_was_asked(stat_type: int) -> None:
    entry = splice(answered(node()), question=Question(stat_type=stat_type), version=1)
    assert tuple(parse(entry)) == FIELDS[stat_type]
    assert entry == encode_node(STATS, stat_type)


def test_a_version_1_peer_cut_to_what_was_asked_keeps_its_listed_name() -> None:
    question = Question(stat_type=1)
    entry = splice(answered(node()), question=question, version=1, listed="other")
    assert parse(entry)["name"] == "other"


def without(field: str) -> dict[str, Any]:
    fields = node()
    del fields[field]
    return fields


SPOILT: dict[str, tuple[object, str]] = {
    "no node": (answered(), "expected one node, got 0"),
    "two nodes": (answered(node(), node(name="stan")), "expected one node, got 2"),
    "another's name": (answered(node(name="stan")), "it is about node 'stan'"),
    "a long other name": (answered(node(name="x" * 9000)), "about node 'xxx"),
    "a negative share": (answered(node(cpuUsed=-1)), "`$.cpuUsed`"),
    "a negative size": (answered(node(diskTotal=-5)), "`$.diskTotal`"),
    "a size in words": (answered(node(memoryTotal="much")), "`$.memoryTotal`"),
    "a size that is null": (answered(node(memoryUsed=None)), "`$.memoryUsed`"),
    "a broken size": (answered(node(memoryUsed=1.5)), "`$.memoryUsed`"),
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
    "what is nested too deeply for others": (
        json.dumps(answered(node(more=0))).replace("0}", "[" * 950 + "]" * 950 + "}").encode(),
        "recursion",
    ),
    "a broken character": (
        json.dumps(answered(node(more=0))).encode().replace(b'"more": 0', b'"more": "\xff"'),
        "utf-8",
    ),
}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("answer", "why"), SPOILT.values(), ids=SPOILT.keys())
def test_what_is_no_such_object_is_refused_with_a_reason(
    answer: object, why: str, version: int
) -> None:
    with pytest.raises(WireError, match=r".") as e:
        splice(answer, version=version)
    assert why in str(e.value)
    assert len(str(e.value)) <= 300


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "05", "5.", "+5", "0x5", "'5'"])
def test_what_is_no_json_number_spoils_the_answer(text: str) -> None:
    with pytest.raises(WireError):
        splice(json.dumps(answered(node())).replace("5.0", text, 1).encode())


def test_detail_may_make_an_object_larger() -> None:
    entry = splice(answered(node(detail={"x": "y" * 20_000})), question=Question(detail=("cpu",)))
    assert len(entry) > 20_000


def test_detail_and_history_have_a_limit_too() -> None:
    answer = answered(node(detail={"x": "y" * 300_000}))
    for question in (Question(detail=("cpu",)), Question(history=60)):
        with pytest.raises(WireError, match="more than 262144 bytes"):
            splice(answer, question=question)


def test_of_a_field_named_twice_the_check_and_the_reader_take_the_same() -> None:
    twice = json.dumps(answered(node())).replace('"error"', '"name": "stan", "error"', 1)
    with pytest.raises(WireError, match="about node 'stan'"):
        splice(twice.encode())


@pytest.mark.parametrize(
    "more", ['":{": "a:b"', '"a" : {"b":[{"b":1e0}]}', r'"\"": "\\", ":":"\u003c"']
)
def test_what_is_written_otherwise_than_by_us_is_read_all_the_same(more: str) -> None:
    text = json.dumps(answered(node())).replace('"error"', f'{more}, "error"', 1)
    assert parse(splice(text.encode()))["name"] == "kyle"


def test_an_object_can_be_told_again_with_an_error() -> None:
    entry = relabeled_node(encode(STATS), "kyle@x", "stale", 0)
    assert parse(entry) == node(name="kyle@x", error="stale")


def test_an_object_told_again_keeps_its_own_error_where_there_is_no_other() -> None:
    raw = json.dumps(node(error="disk on fire")).encode()
    assert parse(relabeled_node(raw, "kyle", "", 1))["error"] == "disk on fire"


def test_renaming_changes_nothing_but_the_name() -> None:
    raw = json.dumps(node(more=[1, {"name": "kyle"}])).encode()
    assert parse(renamed_node(raw, "stan")) == node(name="stan", more=[1, {"name": "kyle"}])


odd_nodes = json_values | st.dictionaries(
    st.sampled_from([*FIELDS[0], "more"]), json_values | st.just("kyle")
).map(lambda fields: node() | fields)
odd_answers = json_values | st.fixed_dictionaries(
    {"nodes": st.dictionaries(st.sampled_from(["kyle", "stan"]), odd_nodes)},
    optional={"error": json_values, "host": json_values, "id": json_values},
)


@examples(400)
@given(
    answer=odd_answers.map(lambda value: json.dumps(value).encode()) | st.binary(),
    stat_type=st.integers(0, 3),
    listed=st.sampled_from(["kyle", "kyle@10.0.0.2:7070"]),
    version=st.sampled_from([1, 2]),
)
def test_whatever_a_peer_says_its_entry_is_right_or_refused(
    answer: bytes, stat_type: int, listed: str, version: int
) -> None:
    question = Question(stat_type=stat_type)
    try:
        entry = splice(answer, question=question, listed=listed, version=version)
    except WireError:
        return
    read = parse(entry)
    assert read["name"] == listed
    assert set(FIELDS[stat_type]) <= set(read)
    numbers = [read[field] for field in FIELDS[stat_type][1:-1]]
    assert all(isinstance(number, int | float) and number >= 0 for number in numbers)
