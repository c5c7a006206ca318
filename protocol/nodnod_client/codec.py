"""Bytes to messages and back; the one place where a decode error becomes ours."""

import re
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from nodnod_client.errors import RequestError, WireError
from nodnod_client.messages import (
    STAT_SHAPES,
    Answer,
    FullStats,
    Join,
    MemberEntry,
    Members,
    PeerAnswer,
    Request,
    RequestId,
)

ECHO_LIMIT = 80
"""Characters of the sender's own input that an error repeats, at most."""

# What each request field has to be, in words; the rules themselves are in messages.Request.
_EXPECTED = {
    "type": "must be an integer",
    "statType": "must be 0, 1, 2 or 3",
    "id": "must be an integer of 53 bits or a string of at most 64 characters",
    "detail": "must be a list of at most 64 section names",
    "history": "must be seconds, above 0 and at most 3600",
    "nodes": "must be a list of at most 256 node names or patterns of 1 to 128 characters",
    "timeout": "must be between 0.05 and 30",
    "every": "must be between 0.25 and 3600",
}

# Deeper nesting than this in a peer's answer could exhaust the stack of whoever reads it next.
_MAX_DEPTH = 64
_MARGIN = 128

_PLACE = re.compile(r"at `\$\.(\w+)")

encode = msgspec.json.Encoder().encode

_T = TypeVar("_T")


class _Identified(msgspec.Struct):
    id: RequestId | None = None


_any: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_request = msgspec.json.Decoder(Request)
_identified = msgspec.json.Decoder(_Identified)
_answer = msgspec.json.Decoder(Answer)
_members = msgspec.json.Decoder(Members)
_peer_answer = msgspec.json.Decoder(PeerAnswer)
_shapes = tuple(msgspec.json.Decoder(shape) for shape in STAT_SHAPES)
_full = msgspec.json.Decoder(FullStats)
_join = msgspec.json.Decoder(Join)
_entry = msgspec.json.Decoder(MemberEntry)
_failures = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


def decode_request(data: bytes) -> Request:
    """Read a request. Raises RequestError (``bad_json`` or ``bad_request``, naming the field)."""
    try:
        return _request.decode(data)
    except _failures as error:
        raise _explain(data, error) from None


def decode_answer(data: bytes) -> Answer:
    """Read an answer to type 0, 1 or 2. Raises WireError."""
    return _decode(_answer, data)


def decode_members(data: bytes) -> Members:
    """Read an answer to type 3. Raises WireError."""
    return _decode(_members, data)


def decode_join(data: bytes, request: Request) -> Join:
    """Read the rest of what was read as a request of type 4. Raises RequestError."""
    try:
        return _join.decode(data)
    except _failures as error:
        raise RequestError("bad_request", f"join: {error}"[:200], request.id) from None


def decode_entries(raw: list[Raw]) -> tuple[list[MemberEntry], str]:
    """Read what can be read of a list of members; the second value says what could not, and why."""
    entries, wrong = [], ""
    for item in raw:
        try:
            entries.append(_entry.decode(item))
        except _failures as error:
            wrong = str(error)[:200]
    return entries, wrong


def decode_peer_answer(data: bytes) -> PeerAnswer:
    """Read an answer and leave its node objects raw. Raises WireError."""
    return _decode(_peer_answer, data)


def decode_node(node: Raw) -> FullStats:
    """Read a node object of ``statType`` 0. Raises WireError."""
    return _decode(_full, bytes(node))


def check_node(node: Raw, stat_type: int) -> tuple[str, bytes]:
    """Check a node object whole; its name, and the object. Raises WireError where it is wrong.

    Numbers must be finite and not negative, and all fields of ``stat_type`` must be there; what
    else the object carries must at least be JSON that anybody can read. What only some can, a field
    that stands there twice, is written anew, as is white space.
    """
    data = bytes(node)
    stats = _decode(_shapes[stat_type], data)
    document = _decode(_any, data)
    if data.count(b"[") + data.count(b"{") > _MAX_DEPTH:
        _decode(_any, b"[" * _MARGIN + data + b"]" * _MARGIN)
    return stats.name, encode(document)


def _decode(decoder: msgspec.json.Decoder[_T], data: bytes) -> _T:
    try:
        return decoder.decode(data)
    except _failures as error:
        raise WireError(str(error)[:200] or type(error).__name__) from None


def _explain(data: bytes, refusal: Exception) -> RequestError:
    """Say what is wrong with a request that the typed decoder refused."""
    try:
        document = _any.decode(data)
    except msgspec.ValidationError:  # a number that no float can hold: the refusal has its place
        place = _PLACE.search(str(refusal))
        name = place[1] if place else ""
        what = "request holds a number that is out of range"
        if name in _EXPECTED:
            what = f"`{name}` {_EXPECTED[name]}, got one out of range"
        return RequestError("bad_request", what, _id_alone(data))
    except RecursionError:
        return RequestError("bad_json", "request is nested too deeply")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        what = "request is empty" if not data.strip() else f"request is not JSON: {error}"
        return RequestError("bad_json", what[:200])
    if not isinstance(document, dict):
        return RequestError("bad_request", f"request must be a JSON object, got {_shown(document)}")
    id_ = _field(document, "id", RequestId)
    known_id = None if id_ is _WRONG else id_
    for field in msgspec.structs.fields(Request):
        name = field.encode_name
        if _field(document, name, field.type) is _WRONG:
            got = _shown(document[name])
            return RequestError("bad_request", f"`{name}` {_EXPECTED[name]}, got {got}", known_id)
    return RequestError("bad_request", str(refusal)[:200], known_id)


def _id_alone(data: bytes) -> int | str | None:
    """The id of a request in which nothing else can be read."""
    try:
        return _identified.decode(data).id
    except _failures:
        return None


_WRONG: Any = object()


def _field(document: dict[str, Any], name: str, type_: Any) -> Any:
    try:
        return msgspec.convert(document.get(name), type_ | None)
    except msgspec.ValidationError:
        return _WRONG


def _shown(value: object) -> str:
    text = encode(value).decode()
    return text if len(text) <= ECHO_LIMIT else text[: ECHO_LIMIT - 1] + "…"
