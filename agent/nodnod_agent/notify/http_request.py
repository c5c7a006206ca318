"""One HTTP request to a server that may do anything: slow, endless, or no HTTP at all.

It goes straight to the server: no proxy, no redirect, no cookie, and no password from a file.
"""

import io
import os
import socket
import ssl
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, RemoteDisconnected

from msgspec import Struct

from nodnod_agent.notify.outgoing import Deadline, SendError
from nodnod_agent.notify.urls import Endpoint
from nodnod_client import __version__
from nodnod_client.tls import cause, client_context

MAX_ANSWER = 64 * 1024
"""Bytes that are read of an answer, with its head."""

MAX_TEXT = 4096
"""Bytes of the body of an error."""


class Answer(Struct, frozen=True):
    """What a server answered; ``time`` is its clock in Unix seconds, if it told, cut to a second.

    ``text`` is the beginning of the body of an error.
    """

    status: int
    time: float | None
    text: str

    @property
    def ok(self) -> bool:
        """Whether the server took what it was sent."""
        return 200 <= self.status < 300

    @property
    def words(self) -> str:
        """The status, for people."""
        redirect = ", a redirect, which is not followed" if 300 <= self.status < 400 else ""
        return f"HTTP {self.status}{redirect}"


class Trust:
    """The system's authorities, loaded when a server is first met: that takes 30 ms and 1 MB."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Load them again for the next connection."""
        self._context: Callable[[], ssl.SSLContext] = cache(lambda: client_context(None))

    def __call__(self) -> ssl.SSLContext:
        """The context. Raises OSError."""
        return self._context()


def request(
    endpoint: Endpoint, method: str, body: bytes | None, trust: Trust, deadline: Deadline
) -> Answer:
    """Send a request and read the answer; a body is JSON. Raises SendError."""
    try:
        with _connect(endpoint, trust, deadline) as sock:
            connection = HTTPConnection(endpoint.host, endpoint.port)
            connection.sock = _Timed(sock, deadline)
            connection.request(method, endpoint.path, body, _headers(endpoint, body))
            return _read(connection, deadline)
    except TimeoutError:
        raise deadline.passed() from None
    except RemoteDisconnected:
        raise SendError("closed without an answer") from None
    except HTTPException:
        raise SendError("the answer is not HTTP") from None
    except (OSError, UnicodeError) as error:
        raise SendError(_words(error)) from None


def _connect(endpoint: Endpoint, trust: Trust, deadline: Deadline) -> socket.socket:
    found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    for index, (family, kind, number, _, address) in enumerate(found, 1):
        sock = socket.socket(family, kind, number)
        try:
            # A dead address must leave time for the others.
            sock.settimeout(deadline.left() / (len(found) - index + 1))
            sock.connect(address)
            break
        except OSError:
            sock.close()
            if index == len(found):
                raise
    if endpoint.scheme == "http":
        return sock
    try:
        context = trust()
        sock.settimeout(deadline.left())
        return context.wrap_socket(sock, server_hostname=endpoint.host)
    except BaseException:
        sock.close()
        raise


def _headers(endpoint: Endpoint, body: bytes | None) -> dict[str, str]:
    headers = {
        "Host": endpoint.name,
        "User-Agent": f"nodnod/{__version__}",
        "Connection": "close",
    }
    if body is not None:
        headers["Content-Type"] = "application/json"
    if endpoint.authorization:
        headers["Authorization"] = endpoint.authorization
    return headers


def _read(connection: HTTPConnection, deadline: Deadline) -> Answer:
    response = connection.getresponse()
    answer = Answer(response.status, _time(response), "")
    if answer.ok:
        return answer
    try:
        text = response.read(MAX_TEXT).decode(errors="replace")
    except (OSError, HTTPException, SendError):  # the status is what counts
        text = ""
    return Answer(answer.status, answer.time, text)


def _time(response: HTTPResponse) -> float | None:
    try:
        return parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


class _Timed:
    """The socket of a connection, with one deadline for all that it does.

    ``http.client`` knows only a time for each operation, in which a server may send a byte.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._deadline.left())
        self._sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Input(self._sock, self._deadline))

    def close(self) -> None:
        """Nothing: the connection is closed before its answer is read."""


class _Input(io.RawIOBase):
    """What comes in, until the deadline, and no more than MAX_ANSWER."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline
        self._room = MAX_ANSWER

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._sock.settimeout(self._deadline.left())
        taken = self._sock.recv_into(buffer)
        self._room -= taken
        if self._room < 0:
            raise SendError(f"the answer has more than {MAX_ANSWER // 1024} KiB")
        return taken


def _words(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return f"its name is not found: {(error.strerror or '').lower()}"
    if isinstance(error, ssl.SSLError):
        return cause(error)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return "its name cannot be looked up" if isinstance(error, UnicodeError) else "connection lost"
