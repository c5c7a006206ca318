"""The target ``codec``: bytes into everything that decodes messages.

The first byte of an input selects a reader (``READERS``) for the rest. Whatever the rest is, the
reader raises only errors of this project, with short texts. A message that was read is the same
when it is written and read again.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from msgspec import Raw
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeaderValue

from bench.harness.invariants.form import FIELDS, parse
from core.harness import WALL
from nodnod_agent.config.settings import Settings
from nodnod_agent.config.sources import gather
from nodnod_agent.config.validators import ConfigError
from nodnod_agent.core.encoding import peer_node, relabeled_node, renamed_node
from nodnod_agent.core.membership.table import EntryRefused, MembershipTable
from nodnod_agent.core.question import Question
from nodnod_agent.transport.handshake import SUBPROTOCOL, read_hello, write_hello
from nodnod_client import codec
from nodnod_client.address import parse_address
from nodnod_client.errors import AddressError, RequestError, WireError
from nodnod_client.messages import MAX_NAME_LENGTH, MemberEntry, Request
from simulation.table_invariants import check_table

SHORT = 300
"""Characters of an error text, at most."""

LISTED = "kyle@10.0.0.2:7070"
OWN = MemberEntry("own", "10.0.0.1:7070", "i-own", 1000)


def run(data: bytes) -> None:
    """Read one input. Any error that comes out is a fault of the reader."""
    if data:
        readers = list(READERS.values())
        READERS.get(data[:1], readers[data[0] % len(readers)])(data[1:])


def _check_text(error: Exception, start: str = "") -> None:
    text = str(error)
    assert 0 < len(text) <= SHORT
    assert text.startswith(start)
    codec.encode(text)  # it can be sent


def _check_line(error: Exception, start: str = "") -> None:
    _check_text(error, start)
    assert str(error).isprintable()


def _check_code(error: RequestError) -> None:
    _check_text(error)
    assert error.code in ("bad_json", "bad_request", "unknown_section")
    assert codec.decode_request(codec.encode(Request(id=error.id))).id == error.id


def _check_round_trip(decode: Callable[[bytes], Any], message: Any) -> None:
    """A message is the same when it is written and read again, raw parts included."""
    text = codec.encode(message)
    assert codec.encode(decode(text)) == text


def _message(decode: Callable[[bytes], Any]) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        try:
            message = decode(data)
        except WireError as error:
            _check_text(error)
        else:
            _check_round_trip(decode, message)

    return read


def _request(data: bytes) -> None:
    try:
        request = codec.decode_request(data)
        question = Question.of(request)
    except RequestError as error:
        _check_code(error)
        return
    assert codec.decode_request(codec.encode(request)) == request
    asked = Question.of(codec.decode_request(question.to_peer(1, request.timeout or 2.0)))
    assert asked == question._replace(local=True, nodes=None)


def _join(data: bytes) -> None:
    try:
        request = codec.decode_request(data)
        join = codec.decode_join(data, request)
    except RequestError as error:
        _check_text(error)
        return
    assert join.id == request.id
    _check_round_trip(lambda text: codec.decode_join(text, request), join)


def _entries(data: bytes) -> None:
    """A list of members, merged in its order into one table, in the reverse order into another."""
    try:
        answer = codec.decode_peer_answer(b'{"members":%b}' % data)
    except WireError as error:
        _check_text(error)
        return
    entries, wrong = codec.decode_entries(answer.members or [])
    assert len(wrong) <= SHORT
    for order in (entries, entries[::-1]):
        view = MembershipTable(OWN, lambda: WALL)
        for entry in order:
            with suppress(EntryRefused):
                view.merge(entry)
        check_table(view, OWN)


def _node(stat_type: int, version: int) -> Callable[[bytes], None]:
    """The node object of a peer, for an answer under another name."""
    question = Question(stat_type=stat_type)

    def read(data: bytes) -> None:
        try:
            answer = codec.decode_peer_answer(b'{"nodes":{"kyle":%b}}' % data)
            entry = peer_node(answer, question, name="kyle", listed="kyle", version=version)
        except WireError as error:
            _check_text(error)
            return
        for name, text in (("kyle", entry), (LISTED, renamed_node(Raw(entry), LISTED))):
            node = parse(text)
            assert node["name"] == name
            assert set(FIELDS[stat_type]) <= set(node)
        if stat_type == 0:
            again = parse(relabeled_node(entry, LISTED, "stale", 1))
            assert (again["name"], again["error"]) == (LISTED, "stale")

    return read


def _address(data: bytes) -> None:
    text = data.decode(errors="surrogateescape")
    try:
        address = parse_address(text, any_port=True)
    except AddressError as error:
        _check_line(error)
    else:
        assert parse_address(str(address), any_port=True) == address
        assert str(address).isprintable()


def _hello(data: bytes) -> None:
    """Lines, as the headers by which agents name themselves."""
    fields = ("NodNod-Name", "NodNod-Instance", "NodNod-Address")
    lines = data.decode("ascii", "surrogateescape").split("\n")
    try:
        headers = Headers(list(zip(fields, lines, strict=False)))
    except InvalidHeaderValue:  # the library raises it before the agent gets a request
        return
    hello = read_hello(headers, SUBPROTOCOL)
    names = (hello.name, hello.instance, hello.address)
    assert all(name.isprintable() and len(name) <= MAX_NAME_LENGTH for name in names)
    headers = Headers()
    write_hello(headers, hello)
    assert all(value.isascii() and value.isprintable() for _, value in headers.raw_items())
    assert read_hello(headers, SUBPROTOCOL) == hello


def _settings(data: bytes) -> None:
    try:
        given = gather({}, {}, data, "conf.json")
        Settings(**{"name": "kyle", **given.values})
    except ConfigError as error:
        _check_line(error, "conf.json: ")


READERS: dict[bytes, Callable[[bytes], None]] = {
    b"r": _request,
    b"j": _join,
    b"a": _message(codec.decode_answer),
    b"m": _message(codec.decode_members),
    b"p": _message(codec.decode_peer_answer),
    b"e": _entries,
    b"0": _node(0, 2),
    b"1": _node(1, 2),
    b"2": _node(2, 2),
    b"3": _node(3, 2),
    b"v": _node(1, 1),
    b"@": _address,
    b"h": _hello,
    b"c": _settings,
}
"""Readers by the first byte of an input; any other byte selects one of them too."""
