"""HTTP over the unix socket of a container engine, with one deadline for all of a request."""

import http.client
import socket
import time
from typing import Any

_MAX_ANSWER = 4 << 20
"""Bytes of an answer: some 3,000 containers."""


class EngineError(Exception):
    """An engine did not answer as its API says; the text is for the user."""


class _DeadlineSocket(socket.socket):
    """Ends all reading at a moment: a timeout alone would let an engine send a byte now and then."""

    deadline = 0.0

    def recv_into(self, *args: Any, **options: Any) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.settimeout(left)
        return super().recv_into(*args, **options)


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, deadline: float) -> None:
        super().__init__("localhost")
        self._path = path
        self._deadline = deadline

    def connect(self) -> None:
        connecting = _DeadlineSocket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock = connecting
        connecting.deadline = self._deadline
        connecting.settimeout(max(0.001, self._deadline - time.monotonic()))
        connecting.connect(self._path)


def get(path: str, target: str, deadline: float) -> tuple[bytes, http.client.HTTPMessage]:
    """The body and the headers of a page. ``deadline`` is on the monotonic clock.

    Raises EngineError, OSError, and HTTPException if the answer is no HTTP. A connection for each
    request: one that is kept open keeps the service of Podman from ending.
    """
    connection = _Connection(path, deadline)
    try:
        connection.request("GET", target, headers={"Connection": "close"})
        response = connection.getresponse()
        body = response.read(_MAX_ANSWER + 1)
        if response.status != 200:
            raise EngineError(f"status {response.status} for {target}")
        if len(body) > _MAX_ANSWER:
            raise EngineError(f"more than {_MAX_ANSWER >> 20} MiB for {target}")
        return body, response.headers
    finally:
        connection.close()
