"""The target ``codec``: bytes into everything that makes messages of bytes.

The first byte of an input says what reads the rest; see ``READERS``. Whatever the rest is, only our
own errors come out, in few words; and what was read is the same when it is written and read again.
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
"""Characters of an error, at most."""

LISTED = "kyle@10.0.0.2:7070"
OWN = MemberEntry("own", "10.0.0.1:7070", "i-own", 1000)


def run(data: bytes) -> None:
    """Read one input. AssertionError, or any other but our own, is a fault in what reads."""
    if data:
        readers = list(READERS.values())
        READERS.get(data[:1], readers[data[0] % len(readers)])(data[1:])


def _in_few_words(error: Exception, start: str = "") -> None:
    told = str(error)
    assert 0 < len(told) <= SHORT
    assert told.startswith(start)
    codec.encode(told)  # it can be sent


def _in_a_line(error: Exception, start: str = "") -> None:
    _in_few_words(error, start)
    assert str(error).isprintable()


def _with_a_code(error: RequestError) -> None:
    _in_few_words(error)
    assert error.code in ("bad_json", "bad_request", "unknown_section")
    assert codec.decode_request(codec.encode(Request(id=error.id))).id == error.id


def _again(decode: Callable[[bytes], Any], message: Any) -> None:
    """What was read says the same when written; so it can be compared, raw parts and all."""
    text = codec.encode(message)
    assert codec.encode(decode(text)) == text


def _message(decode: Callable[[bytes], Any]) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        try:
            message = decode(data)
        except WireError as error:
            _in_few_words(error)
        else:
            _again(decode, message)

    return read


def _request(data: bytes) -> None:
    try:
        request = codec.decode_request(data)
        question = Question.of(request)
    except RequestError as error:
        _with_a_code(error)
        return
    assert codec.decode_request(codec.encode(request)) == request
    asked = Question.of(codec.decode_request(question.to_peer(1, request.timeout or 2.0)))
    assert asked == question._replace(local=True, nodes=None)


def _join(data: bytes) -> None:
    try:
        request = codec.decode_request(data)
        join = codec.decode_join(data, request)
    except RequestError as error:
        _in_few_words(error)
        return
    assert join.id == request.id
    _again(lambda text: codec.decode_join(text, request), join)


def _entries(data: bytes) -> None:
    """A list of members, into two views: in its order, and in the other."""
    try:
        answer = codec.decode_peer_answer(b'{"members":%b}' % data)
    except WireError as error:
        _in_few_words(error)
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
    """A peer's node object, into an answer under another name than its own."""
    question = Question(stat_type=stat_type)

    def read(data: bytes) -> None:
        try:
            answer = codec.decode_peer_answer(b'{"nodes":{"kyle":%b}}' % data)
            entry = peer_node(answer, question, name="kyle", listed="kyle", version=version)
        except WireError as error:
            _in_few_words(error)
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
        _in_a_line(error)
    else:
        assert parse_address(str(address), any_port=True) == address
        assert str(address).isprintable()


def _hello(data: bytes) -> None:
    """The headers by which agents name themselves, as lines."""
    names = ("NodNod-Name", "NodNod-Instance", "NodNod-Address")
    lines = data.decode("ascii", "surrogateescape").split("\n")
    try:
        headers = Headers(list(zip(names, lines, strict=False)))
    except InvalidHeaderValue:  # so says the library, and it never comes to us
        return
    hello = read_hello(headers, SUBPROTOCOL)
    told = (hello.name, hello.instance, hello.address)
    assert all(text.isprintable() and len(text) <= MAX_NAME_LENGTH for text in told)
    headers = Headers()
    write_hello(headers, hello)
    assert all(value.isascii() and value.isprintable() for _, value in headers.raw_items())
    assert read_hello(headers, SUBPROTOCOL) == hello


def _settings(data: bytes) -> None:
    try:
        given = gather({}, {}, data, "conf.json")
        Settings(**{"name": "kyle", **given.values})
    except ConfigError as error:
        _in_a_line(error, "conf.json: ")


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
"""What reads, by the first byte of an input; another first byte chooses one too."""
