"""The headers by which both agents name themselves in the upgrade."""

from urllib.parse import quote, unquote

from msgspec import structs
from websockets.datastructures import Headers
from websockets.typing import Subprotocol

from nodnod_agent.core.interfaces import Hello
from nodnod_client.handshake import LIMIT, read_limit
from nodnod_client.messages import MAX_MESSAGE, MAX_NAME_LENGTH
from nodnod_client.printable import replace_unprintable

SUBPROTOCOL = Subprotocol("nodnod.2")

# Header values are ASCII, names need not be: they are percent-encoded UTF-8.
_FIELDS = {
    "NodNod-Name": "name",
    "NodNod-Instance": "instance",
    "NodNod-Address": "address",
    "NodNod-Digest": "digest",
}


def read_hello(headers: Headers, subprotocol: str | None) -> Hello:
    """Read how the other side names itself; a version-1 agent does not."""
    if subprotocol != SUBPROTOCOL:
        return Hello(version=1)
    fields = {
        field: _read_name(values[0])
        for header, field in _FIELDS.items()
        if (values := headers.get_all(header))
    }
    limit = read_limit(headers) or MAX_MESSAGE
    return structs.replace(Hello(version=2, limit=limit), **fields)


def write_hello(headers: Headers, hello: Hello) -> None:
    """Add the headers that name this agent."""
    for header, field in _FIELDS.items():
        value = getattr(hello, field)
        if value:
            headers[header] = quote(value, safe=" !#$&'()*+,/:;=?@[]")
    headers[LIMIT] = str(hello.limit)


def _read_name(value: str) -> str:
    return replace_unprintable(unquote(value)[:MAX_NAME_LENGTH])
