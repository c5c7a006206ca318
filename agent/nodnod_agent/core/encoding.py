"""The JSON of answers: node objects, and the whole answers that hold them."""

from collections.abc import Sequence
from contextlib import suppress

import msgspec

from nodnod_agent.core.fitting import ANSWER_LIMIT, fit_node, fit_nodes
from nodnod_agent.core.question import MATCHED, Question
from nodnod_client.codec import check_node, decode, decode_node, encode
from nodnod_client.errors import RequestError, WireError
from nodnod_client.messages import STAT_SHAPES, FullStats, PeerAnswer

PLAIN_LIMIT = 16 * 1024
"""Bytes of a node object without detail or history."""

RICH_LIMIT = 256 * 1024
"""Bytes of a node object with detail or history, between agents: about a thousand network interfaces.
All agents of version 2 refuse a larger one, so its sender cuts it."""

_node_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])

_NODES_END = b'},"error":""}'

MIN_ROOM = 32 * 1024
"""Bytes that a node object may have for an agent that names the lowest limit, 64 KiB, or less."""

_ANSWERS = frozenset({"sums", "error"})
"""The fields of which the processes have one, if their agent knows ``match``."""

_OF_UNTIL = frozenset({"until", "error"})
"""The fields of which a history has one, if its agent knows ``until``."""

NO_MATCH = "the agent of this node does not know `match`"

NO_UNTIL = "the agent of this node does not know `until`"


def encode_node(stats: FullStats, stat_type: int) -> bytes:
    """Encode the fields of ``stats`` that ``stat_type`` asks for."""
    shape = STAT_SHAPES[stat_type]
    return encode(shape(*(getattr(stats, field) for field in shape.__struct_fields__)))


def error_node(name: str, error: str, stat_type: int) -> bytes:
    """The object of a node that could not be read: all numbers 0, and ``error`` says why."""
    return encode_node(FullStats(name, 0.0, 0, 0, 0.0, 0, 0, 0.0, error), stat_type)


def peer_node(
    answer: PeerAnswer, question: Question, *, name: str, listed: str, version: int
) -> bytes:
    """The node object in a peer's answer, checked, and spliced in if possible.

    ``name`` is the peer's own name, ``listed`` the name by which it is listed here. Raises
    WireError, whose text can be the error of the node.
    """
    if answer.error and not answer.nodes:
        raise WireError(answer.error[:200])
    if len(answer.nodes) != 1:
        raise WireError(f"bad answer: expected one node, got {len(answer.nodes)}")
    (raw,) = answer.nodes.values()
    stat_type = question.stat_type if version >= 2 else 0
    limit = PLAIN_LIMIT if question.plain else RICH_LIMIT
    if len(bytes(raw)) > limit and not question.plain:  # an older agent sends all that it has
        with suppress(WireError):
            raw = msgspec.Raw(fit_node(bytes(raw), limit))
    if len(bytes(raw)) > limit:
        raise WireError(f"bad answer: a node object of more than {limit} bytes")
    try:
        found, node = check_node(raw, stat_type)
    except WireError as error:
        raise WireError(f"bad answer: {error}") from None
    if found != name:
        raise WireError(f"bad answer: it is about node {found[:64]!r}")
    if question.match is not None or question.until is not None:
        node = _as_asked(node, question)
    if stat_type != question.stat_type:
        stats = decode_node(raw)
        return encode_node(msgspec.structs.replace(stats, name=listed), question.stat_type)
    return node if listed == name else renamed_node(node, listed)


def _as_asked(node: bytes, question: Question) -> bytes:
    """A node object that answers ``match`` and ``until`` as far as they are asked.

    An agent that does not know these fields sends its top processes and its newest history. An error
    stands in their place.
    """
    document = msgspec.json.decode(node)
    known = True
    detail = document.get("detail")
    section = detail.get(MATCHED) if isinstance(detail, dict) else None
    if question.match is not None and not answers_match(section):
        detail[MATCHED] = {"error": NO_MATCH}
        known = False
    history = document.get("history")
    if question.until is not None and not answers_until(history):
        document["history"] = {"error": NO_UNTIL}
        known = False
    return node if known else encode(document)


def answers_match(section: object) -> bool:
    """Whether the JSON of the processes is an answer to ``match``: sums, an error, or nothing."""
    return section is None or (isinstance(section, dict) and bool(section.keys() & _ANSWERS))


def answers_until(history: object) -> bool:
    """Whether the JSON of a history is an answer to ``until``: it says when it ends, an error, or none."""
    return not isinstance(history, dict) or bool(history.keys() & _OF_UNTIL)


def relabeled_node(raw: bytes, listed: str, error: str, stat_type: int) -> bytes:
    """The fields of ``stat_type`` of a whole node object, with its listed name and an error."""
    stats = decode_node(msgspec.Raw(raw))
    stats = msgspec.structs.replace(stats, name=listed, error=error or stats.error)
    return encode_node(stats, stat_type)


def renamed_node(raw: msgspec.Raw | bytes, listed: str) -> bytes:
    """A node object with another name, else unchanged. Raises WireError if it is none."""
    node = decode(_node_fields, bytes(raw))
    node["name"] = msgspec.Raw(encode(listed))
    return encode(node)


class AnswerEncoder:
    """Encodes whole answers, without their ids; ``host`` is the name of this agent."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._own_entry = self._own_answer = b""
        self._own_key = encode(host) + b":"
        self._head = b'{"host":' + encode(host) + b',"nodes":{'

    def nodes(
        self,
        nodes: list[bytes],
        own: bytes | None,
        place: int,
        unknown: Sequence[str],
        stat_type: int,
    ) -> bytes:
        """A cluster answer.

        ``nodes`` holds each node as its key, a colon and its object. If this node is asked for,
        its object ``own`` comes in at ``place``. ``unknown`` are names that no node has.
        """
        if own is not None:
            nodes.insert(place, self._own_key + own)
        if unknown:
            nodes += [
                b"%b:%b" % (encode(name), error_node(name, "unknown node", stat_type))
                for name in unknown
            ]
        answer = self._head + b",".join(nodes) + _NODES_END
        if len(answer) > ANSWER_LIMIT:
            nodes = fit_nodes(nodes, ANSWER_LIMIT - len(self._head) - len(_NODES_END))
            answer = self._head + b",".join(nodes) + _NODES_END
        return answer

    def own(self, entry: bytes) -> bytes:
        """An answer with this node only; the same object while ``entry`` is the same."""
        if entry is not self._own_entry:
            self._own_entry = entry
            self._own_answer = b'%b%b%b},"error":""}' % (self._head, self._own_key, entry)
        return self._own_answer

    def refusal(self, error: RequestError) -> bytes:
        """The answer to a request that is refused."""
        return encode({"host": self.host, "nodes": {}, "error": str(error), "code": error.code})

    def end_of_stream(self) -> bytes:
        """The answer to the end of a stream."""
        return self._head + b'},"error":"","done":true}'

    def fields(self, **fields: object) -> bytes:
        """An answer without nodes: to types 3 and 4."""
        return encode({"host": self.host, **fields, "error": ""})


def with_id(body: bytes, id: int | str) -> bytes:  # noqa: A002
    """The same answer with the id of its request."""
    return b'%b,"id":%b}' % (body[:-1], encode(id))


MAX_DIGITS = 15
"""Digits of an id that `split_id` finds; larger numbers may exceed what JSON numbers carry."""

_ID_KEY = b'"id":'


def split_id(text: bytes) -> tuple[bytes, int | None]:
    """What stands before the id of a message, and the id, if that is a number at the end.

    Any other message is returned whole. Valid JSON texts with the same beginning differ in nothing
    but their ids.
    """
    at = text.rfind(_ID_KEY, -len(_ID_KEY) - MAX_DIGITS - 2)  # a space and a brace
    digits = text[at + len(_ID_KEY) : -1].strip(b" ")
    if at < 0 or text[-1:] != b"}" or not digits.isdigit() or len(digits) > MAX_DIGITS:
        return text, None
    if (
        digits[:1] == b"0" != digits or text[at - 1 : at] == b"\\"
    ):  # no number; the end of another key
        return text, None
    return text[:at], int(digits)
