"""The JSON of answers: the objects of nodes, and the whole answers that hold them."""

from collections.abc import Iterable

import msgspec

from nodnod_agent.core.question import Question
from nodnod_client.codec import check_node, decode_node, encode
from nodnod_client.errors import RequestError, WireError
from nodnod_client.messages import STAT_SHAPES, FullStats, PeerAnswer

PLAIN_LIMIT = 16 * 1024
"""Bytes that a node object without detail or history may have."""

RICH_LIMIT = 256 * 1024
"""Bytes that one with detail or history may have: some thousand network interfaces. Each answer is
to be read by clients that are cut when a megabyte waits for them."""


def granular(stats: FullStats, stat_type: int) -> bytes:
    """Encode the fields of ``stats`` that ``stat_type`` asks for."""
    shape = STAT_SHAPES[stat_type]
    return encode(shape(*(getattr(stats, field) for field in shape.__struct_fields__)))


def error_entry(name: str, error: str, stat_type: int) -> bytes:
    """A node that could not be read: all numbers 0 and ``error`` saying why."""
    return granular(FullStats(name, 0.0, 0, 0, 0.0, 0, 0, 0.0, error), stat_type)


def from_peer(
    answer: PeerAnswer, question: Question, *, name: str, listed: str, version: int
) -> bytes:
    """The node object in a peer's answer, checked once and then spliced.

    ``name`` is what the peer calls itself, ``listed`` what it is called here. Raises WireError,
    whose text is fit to stand as the node's error.
    """
    if answer.error and not answer.nodes:
        raise WireError(answer.error[:200])
    if len(answer.nodes) != 1:
        raise WireError(f"bad answer: expected one node, got {len(answer.nodes)}")
    (raw,) = answer.nodes.values()
    stat_type = question.stat_type if version >= 2 else 0
    limit = PLAIN_LIMIT if question.plain else RICH_LIMIT
    if len(bytes(raw)) > limit:
        raise WireError(f"bad answer: a node object of more than {limit} bytes")
    try:
        said, node = check_node(raw, stat_type)
    except WireError as error:
        raise WireError(f"bad answer: {error}") from None
    if said != name:
        raise WireError(f"bad answer: it speaks for node {said[:64]!r}")
    if stat_type != question.stat_type:
        stats = decode_node(raw)
        return granular(msgspec.structs.replace(stats, name=listed), question.stat_type)
    return node if listed == name else renamed(node, listed)


def relabelled(raw: bytes, listed: str, error: str, stat_type: int) -> bytes:
    """A whole node object again, under the name it is listed by, with an error if it has none."""
    stats = decode_node(msgspec.Raw(raw))
    stats = msgspec.structs.replace(stats, name=listed, error=error or stats.error)
    return granular(stats, stat_type)


def renamed(raw: msgspec.Raw | bytes, listed: str) -> bytes:
    """A node object as it is, but for its name."""
    node = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    node["name"] = msgspec.Raw(encode(listed))
    return encode(node)


class AnswerEncoder:
    """Encodes whole answers; ``host`` is the name of this agent. Their ids come last, later."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._own_key = encode(host) + b":"
        self._head = b'{"host":' + encode(host) + b',"nodes":{'

    def nodes(
        self,
        nodes: list[bytes],
        own: bytes | None,
        place: int,
        unknown: Iterable[str],
        stat_type: int,
    ) -> bytes:
        """A cluster answer.

        ``nodes`` holds each node as its key, a colon and its object. If this node is asked for,
        its object ``own`` comes in at ``place``. ``unknown`` are names that no node has.
        """
        if own is not None:
            nodes.insert(place, self._own_key + own)
        nodes += [
            b"%b:%b" % (encode(name), error_entry(name, "unknown node", stat_type))
            for name in unknown
        ]
        return self._head + b",".join(nodes) + b'},"error":""}'

    def own(self, entry: bytes) -> bytes:
        """An answer with this node only."""
        return b'%b%b%b},"error":""}' % (self._head, self._own_key, entry)

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
