"""What an agent tells in the headers of a handshake."""

import re

from websockets.datastructures import Headers

LIMIT = "NodNod-Limit"
"""The size in bytes of the largest message that the sender of the header accepts."""


def read_limit(headers: Headers) -> int:
    """The largest message that the other side accepts, in bytes; 0 if it does not tell."""
    values = headers.get_all(LIMIT)
    return int(values[0]) if values and re.fullmatch(r"[0-9]{1,12}", values[0]) else 0
