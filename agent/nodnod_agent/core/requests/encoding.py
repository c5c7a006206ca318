"""Whole answers, as JSON bytes: the nodes in their order, errors, and the id at the end."""

from collections.abc import Iterable

from nodnod_agent.core.requests.node_encoding import error_entry
from nodnod_client.codec import encode
from nodnod_client.errors import RequestError


class AnswerEncoder:
    """What this agent says; ``host`` is its name."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.own_key = encode(host) + b":"
        self._head = b'{"host":' + encode(host) + b',"nodes":{'

    def nodes(self, nodes: Iterable[bytes]) -> bytes:
        """An answer of nodes, each given as its key, a colon and its object."""
        return self._head + b",".join(nodes) + b'},"error":""}'

    def alone(self, entry: bytes) -> bytes:
        """An answer of this node only."""
        return b'%b%b%b},"error":""}' % (self._head, self.own_key, entry)

    def refusal(self, error: RequestError) -> bytes:
        """The answer to a request that is refused; its id is not in it yet."""
        return encode({"host": self.host, "nodes": {}, "error": str(error), "code": error.code})

    def done(self) -> bytes:
        """The answer to the end of a stream; its id is not in it yet."""
        return self._head + b'},"error":"","done":true}'


def unknown_node(name: str, stat_type: int) -> bytes:
    """The key and object of a node that was asked for and that nobody has."""
    return encode(name) + b":" + error_entry(name, "unknown node", stat_type)


def with_id(body: bytes, id: int | str) -> bytes:  # noqa: A002
    """The same answer, with the id of the request that it belongs to."""
    return b'%b,"id":%b}' % (body[:-1], encode(id))
