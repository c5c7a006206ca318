"""Encodes and decodes messages. The errors of the library become WireError here."""

import re
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from nodnod_client.alerts import Alerts, Silences
from nodnod_client.errors import RequestError, WireError
from nodnod_client.json_fault import json_fault
from nodnod_client.messages import (
    STAT_SHAPES,
    Answer,
    Event,
    Events,
    FullStats,
    Join,
    MemberEntry,
    Members,
    PeerAnswer,
    Request,
    RequestId,
    SilenceTerms,
)
from nodnod_client.sections import SHAPES

ECHO_LIMIT = 80
"""Most characters of the sender's input that an error repeats."""

# The rule for each request field as text; the rules themselves are in messages.Request.
_EXPECTED = {
    "type": "must be an integer",
    "statType": "must be 0, 1, 2 or 3",
    "id": "must be an integer of 53 bits or a string of at most 64 characters",
    "detail": "must be a list of at most 64 section names",
    "history": "must be seconds, above 0 and at most 604800",
    "nodes": "must be a list of at most 256 node names or patterns of 1 to 128 characters",
    "timeout": "must be between 0.05 and 30",
    "every": "must be between 0.25 and 3600",
    "match": "must be a name or pattern of 1 to 128 characters",
    "since": "must be Unix seconds, 0 or later",
    "until": "must be Unix seconds, 0 or later",
    "ago": "must be seconds, 0 or more",
    "kept": "must give for at most 64 node names seconds, above 0 and at most 3600",
    "silence": "must be an object with `seconds`, and `node`, `rule` and `reason` if you like",
    "silence.seconds": "must be between 1 and 2592000",
    "silence.node": "must be a name or pattern of 1 to 128 characters",
    "silence.rule": "must be a name or pattern of 1 to 128 characters",
    "silence.reason": "must be a text of at most 300 characters",
    "end": "must be the `id` of a silence",
}

MAX_COMMAS = 2**17
"""Commas in a request: 4,096 members with all their tags have 98,304. Each value of a list is an
object of its own while it is decoded: those of 4 MiB would take half a second, and 150 MB."""

# Deeper nesting in a peer's answer could exhaust the stack of another reader.
_MAX_DEPTH = 64
_EXTRA_DEPTH = 128

_FIELD_PATH = re.compile(r"at `\$\.(\w+(?:\.\w+)?)")

encode = msgspec.json.Encoder().encode

_T = TypeVar("_T")


class _RequestId(msgspec.Struct):
    id: RequestId | None = None


@cache
def section_decoder(section: str) -> msgspec.json.Decoder[Any]:
    """The decoder of a section in SHAPES. It is made when it is needed: all together take 0.5 MB."""
    return msgspec.json.Decoder(SHAPES[section] | None)


_any_json: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_request = msgspec.json.Decoder(Request)
_request_id = msgspec.json.Decoder(_RequestId)
_answer = msgspec.json.Decoder(Answer)
_members = msgspec.json.Decoder(Members)
_peer_answer = msgspec.json.Decoder(PeerAnswer)
_shapes = tuple(msgspec.json.Decoder(shape) for shape in STAT_SHAPES)
_full = msgspec.json.Decoder(FullStats)
_join = msgspec.json.Decoder(Join)
_entry = msgspec.json.Decoder(MemberEntry)
_event = msgspec.json.Decoder(Event)
_events = msgspec.json.Decoder(Events)
_alerts = msgspec.json.Decoder(Alerts)
_silences = msgspec.json.Decoder(Silences)
_flat: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(
    dict[str, str | int | float | bool | None]
)
_fields = msgspec.json.Decoder(dict[str, Raw])
_items = msgspec.json.Decoder(list[Raw])
_errors = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


def decode_request(data: bytes) -> Request:
    """Decode a request. Raises RequestError: ``bad_json``, or ``bad_request`` with the field."""
    if len(data) > MAX_COMMAS and data.count(b",") > MAX_COMMAS:
        text = f"request holds more than {MAX_COMMAS} commas"
        raise RequestError("bad_request", text, _id_alone(data))
    try:
        return _request.decode(data)
    except _errors as error:
        raise _explain(data, error) from None


def decode_answer(data: bytes) -> Answer:
    """Decode an answer to type 0, 1 or 2. Raises WireError."""
    return decode(_answer, data)


def decode_members(data: bytes) -> Members:
    """Decode an answer to type 3. Raises WireError."""
    return decode(_members, data)


def decode_events(data: bytes) -> Events:
    """Decode an answer to type 7. Raises WireError."""
    return decode(_events, data)


def decode_alerts(data: bytes) -> Alerts:
    """Decode an answer to type 5. Raises WireError."""
    return decode(_alerts, data)


def decode_silences(data: bytes) -> Silences:
    """Decode an answer to type 6. Raises WireError."""
    return decode(_silences, data)


def decode_event(data: bytes) -> tuple[Event, bytes]:
    """Decode one event of another agent. Raises WireError.

    Also gives its JSON in the one form that all agents make of it: without white space and repeated
    fields, and with the fields that are unknown here, so that hashes of it are equal everywhere.
    """
    return decode(_event, data), encode(decode(_flat, data))


def decode_join(data: bytes, request: Request) -> Join:
    """Decode the fields of a request of type 4. Raises RequestError with the id of ``request``."""
    try:
        return _join.decode(data)
    except _errors as error:
        raise RequestError("bad_request", f"join: {_reason(data, error)}", request.id) from None


def decode_entries(raw: list[Raw]) -> tuple[list[MemberEntry], str]:
    """Decode a list of members: the valid ones, and the error of the last invalid one or ""."""
    entries, fault = [], ""
    for item in raw:
        try:
            entries.append(_entry.decode(item))
        except _errors as error:
            fault = _reason(bytes(item), error)
    return entries, fault


def decode_peer_answer(data: bytes) -> PeerAnswer:
    """Decode an answer; its node objects stay raw. Raises WireError."""
    return decode(_peer_answer, data)


def decode_node(node: Raw) -> FullStats:
    """Decode a node object of ``statType`` 0. Raises WireError."""
    return decode(_full, bytes(node))


def decode_fields(data: bytes) -> dict[str, Raw]:
    """Decode a JSON object; its values stay raw. Raises WireError."""
    return decode(_fields, data)


def decode_items(data: bytes) -> list[Raw]:
    """Decode a JSON array; its items stay raw. Raises WireError."""
    return decode(_items, data)


def check_node(node: Raw, stat_type: int) -> tuple[str, bytes]:
    """Check a node object; its name, and the object encoded again. Raises WireError.

    Numbers must be finite and not negative, and all fields of ``stat_type`` must be present. Other
    fields must be JSON that every reader accepts; repeated fields and white space are removed.
    """
    data = bytes(node)
    stats = decode(_shapes[stat_type], data)
    document = decode(_any_json, data)
    if data.count(b"[") + data.count(b"{") > _MAX_DEPTH:
        decode(_any_json, b"[" * _EXTRA_DEPTH + data + b"]" * _EXTRA_DEPTH)
    return stats.name, encode(document)


def decode(decoder: msgspec.json.Decoder[_T], data: bytes) -> _T:
    """Decode a message of a peer. Raises WireError."""
    try:
        return decoder.decode(data)
    except _errors as error:
        raise WireError(_reason(data, error)) from None


def _reason(data: bytes, error: Exception) -> str:
    """Why the library refused a text, in words that do not mislead."""
    if isinstance(error, msgspec.ValidationError | RecursionError):
        return str(error)[:200]
    fault = json_fault(data)
    return f"not JSON: {fault}" if fault else "not JSON"


def _explain(data: bytes, refusal: Exception) -> RequestError:
    """The reason why the typed decoder refused a request."""
    try:
        document = _any_json.decode(data)
    except msgspec.ValidationError:
        # A number out of range: only the error of the typed decoder has its field.
        name = _field_name(refusal)
        text = "request holds a number that is out of range"
        if name:
            text = f"`{name}` {_EXPECTED[name]}"
            if "out of range" in str(refusal):
                text += ", got one out of range"
        return RequestError("bad_request", text, _id_alone(data))
    except RecursionError:
        return RequestError("bad_json", "request is nested too deeply")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        text = f"request is {_reason(data, error)}" if data.strip() else "request is empty"
        return RequestError("bad_json", text)
    if not isinstance(document, dict):
        return RequestError(
            "bad_request", f"request must be a JSON object, got {_excerpt(document)}"
        )
    id_ = _field(document, "id", RequestId)
    known_id = None if id_ is _WRONG else id_
    if (found := _wrong_field(document, Request)) is not None:
        name, value = found
        if name == "silence" and isinstance(value, dict):
            inner = _wrong_field(value, SilenceTerms)
            name, value = (f"silence.{inner[0]}", inner[1]) if inner is not None else found
        text = f"`{name}` {_EXPECTED[name]}, got {_excerpt(value)}"
        return RequestError("bad_request", text, known_id)
    # The last value of a repeated field is right, an earlier one is not.
    name = _field_name(refusal)
    text = f"`{name}` {_EXPECTED[name]}, each time that it is given" if name else str(refusal)[:200]
    return RequestError("bad_request", text, known_id)


def _field_name(refusal: Exception) -> str:
    """The request field in an error of the typed decoder, if it names one."""
    path = _FIELD_PATH.search(str(refusal))
    return path[1] if path and path[1] in _EXPECTED else ""


def _id_alone(data: bytes) -> int | str | None:
    """The id of a request of which nothing else can be decoded."""
    try:
        return _request_id.decode(data).id
    except _errors:
        return None


def _wrong_field(document: dict[str, Any], shape: type[Struct]) -> tuple[str, Any] | None:
    """The first field that is not of its type, and its value."""
    for field in msgspec.structs.fields(shape):
        name = field.encode_name
        if _field(document, name, field.type, required=field.required) is _WRONG:
            return name, document.get(name)
    return None


_WRONG: Any = object()


def _field(document: dict[str, Any], name: str, type_: Any, *, required: bool = False) -> Any:
    try:
        return msgspec.convert(document.get(name), type_ if required else type_ | None)
    except msgspec.ValidationError:
        return _WRONG


def _excerpt(value: object) -> str:
    text = encode(value).decode()
    return text if len(text) <= ECHO_LIMIT else text[: ECHO_LIMIT - 1] + "…"
