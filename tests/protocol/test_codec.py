"""Any bytes are decoded or raise an error of the protocol."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Raw

from nodnod_client.codec import (
    check_node,
    decode_answer,
    decode_entries,
    decode_join,
    decode_members,
    decode_peer_answer,
    decode_request,
    encode,
)
from nodnod_client.errors import RequestError, WireError
from nodnod_client.messages import Request
from strategies import documents, examples, json_values

fields = st.sampled_from(
    (
        *("type", "statType", "id", "detail", "history", "until", "nodes", "timeout", "every"),
        *("match", "ago"),
    )
)
requests = st.dictionaries(fields | st.text(max_size=5), json_values, max_size=6)


def refusal(
    decode: Callable[[bytes], object], data: bytes, kind: type[Exception]
) -> Exception | None:
    """The error of this kind that ``data`` causes, or None; another kind is raised."""
    try:
        decode(data)
    except kind as error:
        return error
    return None


repeated = st.builds(
    lambda text, times: text * times,
    st.sampled_from([b"[", b'{"a":', b"9"]),
    st.integers(0, 5000),
)
any_bytes = documents(requests) | st.binary(max_size=300) | repeated


@examples(300)
@given(data=any_bytes)
@example(data=b'{"timeout":' + b"[" * 600 + b"]" * 600 + b"}")
@example(data=b'{"id":"\\ud800"}')
@example(data=b'{"type":' + b"1" * 5000 + b"}")
@example(data=b'{"nodes":["' + "☃".encode() * 5000 + b'"],"timeout":0}')
@example(data=b'{"\xff":1,"timeout":0}')
def test_any_bytes_are_a_request_or_a_short_error(data: bytes) -> None:
    error = refusal(decode_request, data, RequestError)
    if isinstance(error, RequestError):
        assert error.code in ("bad_json", "bad_request")
        assert len(str(error)) <= 300
        encode(str(error))  # it can be encoded


@examples(300)
@given(
    field=fields,
    value=st.text(st.characters(codec="ascii", categories=["L"]), min_size=201, max_size=9000),
)
def test_an_error_repeats_at_most_200_characters_of_the_sender(field: str, value: str) -> None:
    for document in ({field: value}, {field: [value]}, {field: {value: 1}}, value, [value]):
        with pytest.raises(RequestError) as e:
            decode_request(json.dumps(document).encode())
        assert value[:201] not in str(e.value)


@examples(300)
@given(data=any_bytes, stat_type=st.integers(0, 3))
def test_any_bytes_are_an_answer_or_a_wire_error(data: bytes, stat_type: int) -> None:
    def decode_nodes(data: bytes) -> None:
        answer = decode_peer_answer(b'{"nodes":{"x":%b}}' % data)
        assert all(
            isinstance(check_node(node, stat_type)[0], str) for node in answer.nodes.values()
        )

    for decode in (decode_answer, decode_members, decode_peer_answer, decode_nodes):
        error = refusal(decode, data, WireError)
        assert error is None or 0 < len(str(error)) <= 300
    error = refusal(lambda data: decode_join(data, Request()), data, RequestError)
    assert error is None or 0 < len(str(error)) <= 300


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "request is empty"),
        (b"\n", "request is empty"),
        (b"null", "request must be a JSON object, got null"),
        (b"[1,2]", "request must be a JSON object, got [1,2]"),
        (b'{"timeout":-1}', "`timeout` must be between 0.05 and 30, got -1"),
        (b'{"timeout":0.049}', "`timeout` must be between 0.05 and 30, got 0.049"),
        (b'{"timeout":1e999}', "`timeout` must be between 0.05 and 30, got one out of range"),
        (b'{"until":-1}', "`until` must be Unix seconds, 0 or later, got -1"),
        (b'{"until":1e999}', "`until` must be Unix seconds, 0 or later, got one out of range"),
        (b'{"type":"1"}', '`type` must be an integer, got "1"'),
        (b'{"statType":9}', "`statType` must be 0, 1, 2 or 3, got 9"),
        (b'{"every":3601}', "`every` must be between 0.25 and 3600, got 3601"),
        (b'{"type":"x","type":1}', "`type` must be an integer, each time that it is given"),
        (
            b'{"detail":"cpu","x":[1e999]}',
            "`detail` must be a list of at most 64 section names",
        ),
        (b'{"type":1', "request is not JSON: the text ends too early at line 1, column 10"),
        (
            b'{"nodes": ["\\ud83d"]}',
            "request is not JSON: a \\u escape for half a character at line 1, column 13",
        ),
    ],
)
def test_an_error_names_the_field_and_what_was_expected(data: bytes, message: str) -> None:
    with pytest.raises(RequestError) as e:
        decode_request(data)
    assert str(e.value) == message


@pytest.mark.parametrize(
    "document",
    [
        {"timeout": 0.05},
        {"timeout": 30},
        {"id": 2**53 - 1},
        {"id": -(2**53) + 1},
        {"id": "x" * 64},
        {"id": "☃" * 64},
        {"nodes": ["x" * 128] * 256},
        {"nodes": []},
        {"every": 0.25},
        {"every": 3600},
        {"history": 604_800},
        {"until": 0},
        {"until": 2**53 - 1},
        {"until": 1_700_000_000.25},
        {"ago": 0},
        {"unknown": {"deep": [1]}},
        {},
        {"type": None, "id": None, "timeout": None, "nodes": None, "every": None},
    ],
)
def test_values_at_their_limits_are_accepted(document: dict[str, Any]) -> None:
    assert isinstance(decode_request(json.dumps(document).encode()), Request)


@pytest.mark.parametrize(
    "document",
    [
        {"timeout": 0.0499},
        {"timeout": 30.001},
        {"id": 2**53},
        {"id": -(2**53)},
        {"id": "x" * 65},
        {"id": 1.0},
        {"id": True},
        {"nodes": ["x" * 129]},
        {"nodes": [""]},
        {"nodes": ["x"] * 257},
        {"nodes": {}},
        {"every": 0.2499},
        {"every": 3600.1},
        {"history": 0},
        {"history": -1},
        {"history": 604_801},
        {"until": -1},
        {"until": 2**53},
        {"until": "1700000000"},
        {"until": True},
        {"until": [1]},
        {"ago": -0.1},
        {"ago": "1"},
        {"statType": 4},
        {"type": 1.0},
        {"type": [1]},
        {"detail": ["x" * 65]},
        {"match": ""},
        {"match": "x" * 129},
    ],
)
def test_values_beyond_their_limits_are_refused_by_name(document: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as e:
        decode_request(json.dumps(document).encode())
    (field,) = document
    assert e.value.code == "bad_request"
    assert f"`{field}`" in str(e.value)


@pytest.mark.parametrize(
    ("data", "id_", "fault"),
    [
        (b'{"every":0,"timeout":0,"id":5}', 5, "`timeout`"),  # the first by the order of Request
        (b'{"id":[5],"timeout":0}', None, "`id`"),
        (b'{"timeout":1e999,"id":5}', 5, "got one out of range"),
        (b'{"id":"x","type":%b}' % (b"9" * 5000), "x", "got one out of range"),
        (b'{"id":1e999}', None, "got one out of range"),
        (b'{"type":-1e999,"id":[]}', None, "got one out of range"),
    ],
)
def test_the_first_wrong_field_is_named_and_a_valid_id_is_kept(
    data: bytes, id_: object, fault: str
) -> None:
    with pytest.raises(RequestError, match=fault) as e:
        decode_request(data)
    assert e.value.id == id_


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b'{"name":"\\ud83d"}', "not JSON: a \\u escape for half a character at line 1, column 10"),
        (b'{"name":"\xff"}', "not JSON: bytes that are not utf-8 at line 1, column 10"),
        (b"{" + b" " * 70_000, "not JSON"),
    ],
)
def test_an_invalid_text_of_a_peer_is_refused_with_its_first_fault(text: bytes, fault: str) -> None:
    with pytest.raises(WireError) as e:
        check_node(Raw(text), 0)
    assert str(e.value) == fault
    assert decode_entries([Raw(text)]) == ([], fault)


def test_a_join_request_with_an_invalid_text_is_refused_with_its_first_fault() -> None:
    with pytest.raises(RequestError) as e:
        decode_join(b'{"type":4,"digest":"\xff"}', Request(id=7))
    assert str(e.value) == "join: not JSON: bytes that are not utf-8 at line 1, column 21"
    assert e.value.id == 7


def test_unknown_fields_are_ignored() -> None:
    assert decode_request(b'{"type":1,"colour":"red"}') == Request(type=1)


def test_the_last_of_repeated_fields_counts() -> None:
    assert decode_request(b'{"type":1,"type":0}') == Request(type=0)


def test_absent_fields_are_not_sent() -> None:
    assert json.loads(encode(Request(type=1, stat_type=2))) == {"type": 1, "statType": 2}


def test_unknown_fields_of_an_answer_are_ignored() -> None:
    answer = decode_answer(b'{"host":"kyle","nodes":{},"error":"","planet":"earth","id":"x"}')
    assert (answer.host, answer.id) == ("kyle", "x")


def test_a_deeply_nested_node_is_accepted() -> None:
    node = b'{"name":"x","cpuUsed":1,"error":"","more":' + b"[" * 300 + b"]" * 300 + b"}"
    (raw,) = decode_peer_answer(b'{"nodes":{"x":' + node + b"}}").nodes.values()
    assert check_node(raw, 1) == ("x", node)
