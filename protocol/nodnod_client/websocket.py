"""One WebSocket to an agent: sends and receives text messages."""

import asyncio
import os
import ssl
from collections.abc import Callable
from typing import cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from nodnod_client.errors import ConnectError
from nodnod_client.handshake import read_limit
from nodnod_client.messages import MAX_MESSAGE
from nodnod_client.refusal import refusal
from nodnod_client.tls import CLOSED_AFTER_TLS, explain

SUBPROTOCOL = Subprotocol("nodnod.2")

CLOSED_DURING_HANDSHAKE = (
    "it closed the connection during the handshake: perhaps it has no room (limits.connections)"
)
"""The reason given for a connection that ended before any byte was received."""

MAX_UNSENT = 2**20
"""Bytes that may wait to be sent; an agent that reads less counts as lost."""

KEEPALIVE = 20.0
"""Seconds between pings; an agent that is silent for twice as long counts as lost."""

CLOSE_TIMEOUT = 1.0
"""Seconds in which the agent must complete the close handshake."""


class WebSocket(asyncio.Protocol):
    """The Sans-I/O client of the websockets library on an asyncio transport.

    ``on_message`` is called with each text message. ``on_end`` is called once, with the reason as
    text, when nothing more can be sent. Proxies and redirects are not followed. A ``wss://`` URL
    needs ``tls``.
    """

    def __init__(
        self,
        url: str,
        on_message: Callable[[bytes], None],
        on_end: Callable[[str], None],
        *,
        token: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.url = url
        self.version = 0
        """The protocol version that the agent selected, 2 or 1; 0 before the handshake."""
        self.limit = 0
        """Bytes of the largest message that the agent accepts; 0 if it has not told."""
        self.end_reason: str | None = None
        """Why nothing more can be sent; None while the connection is usable."""
        self._token = token
        self._tls = tls
        self._on_message = on_message
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._closed = asyncio.Event()
        self._protocol = ClientProtocol(
            parse_uri(url), subprotocols=[SUBPROTOCOL], max_size=MAX_MESSAGE
        )
        self._transport: asyncio.Transport | None = None
        self._message = bytearray()
        self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def open(self, within: float) -> None:
        """Connect and complete the handshake within ``within`` seconds. Raises ConnectError."""
        uri = parse_uri(self.url)
        status = 0
        try:
            async with asyncio.timeout(within):
                await self._loop.create_connection(
                    lambda: self,
                    uri.host,
                    uri.port,
                    ssl=self._tls,
                    server_hostname=uri.host.partition("%")[0] if self._tls else None,
                    ssl_shutdown_timeout=CLOSE_TIMEOUT if self._tls else None,
                )
                await self._opened
        except TimeoutError:
            why = f"no handshake within {within:g} s"
        except InvalidStatus as error:
            status = error.response.status_code
            why = refusal(error.response) or (
                f"it answered HTTP {status} instead of opening a WebSocket"
            )
        except InvalidHandshake as error:
            why = f"it is no WebSocket server ({error})"
        except (ConnectionResetError, BrokenPipeError):  # during the TLS handshake
            why = CLOSED_DURING_HANDSHAKE
        except (OSError, UnicodeError) as error:
            why = describe(error)
        except asyncio.CancelledError:
            self.abort("connect() was cancelled")
            raise
        else:
            return
        # A timeout can come after the socket was connected.
        self.abort(why)
        raise ConnectError(f"cannot connect to {self.url}: {why}", status)

    def send(self, text: bytes) -> None:
        """Send one text message; only while ``end_reason`` is None."""
        self._protocol.send_text(text)
        self._flush()
        if self._transport and self._transport.get_write_buffer_size() > MAX_UNSENT:
            self.abort(f"{self.url} has stopped reading")

    async def close(self) -> None:
        """Close the connection; the agent has one second to complete the close handshake."""
        if self._transport is None:
            return
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._flush()
        self._finish(f"disconnected from {self.url}")
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._closed.wait()
        except TimeoutError:
            pass
        finally:
            self._transport.abort()

    def abort(self, reason: str) -> None:
        """End the connection without a close handshake."""
        self._finish(reason)
        if self._transport is not None:
            self._transport.abort()

    # Callbacks of asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the handshake request."""
        # A cast and no check: the class of uvloop is not a subclass of asyncio.Transport.
        self._transport = transport = cast(asyncio.Transport, transport)
        if self.end_reason is not None:  # cancelled while the socket was connecting
            transport.abort()
            return
        request = self._protocol.connect()
        if self._token:
            if "Authorization" in request.headers:  # from a URL with a user name
                del request.headers["Authorization"]
            request.headers["Authorization"] = f"Bearer {self._token}"
            self._protocol.debug = False  # the library would log the header
        self._protocol.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Process received bytes, and send the replies that the WebSocket protocol requires."""
        self._heard = self._loop.time()
        self._protocol.receive_data(data)
        self._flush()
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._on_response(event)
            elif isinstance(event, Frame) and self.end_reason is None:
                self._on_frame(event)
        if self._protocol.handshake_exc is not None:
            self.abort("the handshake failed")
        elif self._protocol.close_expected():
            self._finish(f"{self.url} broke the protocol: {self._protocol.parser_exc}")
            self._later(CLOSE_TIMEOUT, self.abort, "the close handshake took too long")

    def eof_received(self) -> None:
        """End the connection; asyncio closes the transport."""
        self._protocol.receive_eof()
        self._finish(f"{self.url} closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection, if it has not ended."""
        self._finish(f"connection to {self.url} lost: {describe(exc) if exc else 'closed'}")
        if self._timer is not None:
            self._timer.cancel()
        self._closed.set()

    def _on_response(self, response: Response) -> None:
        if self._protocol.handshake_exc is None and self.end_reason is None:
            self.version = 2 if self._protocol.subprotocol == SUBPROTOCOL else 1
            self.limit = read_limit(response.headers)
            self._opened.set_result(None)
            self._later(KEEPALIVE, self._keep_alive)

    def _on_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self._finish(f"{self.url} closed the connection: {self._protocol.close_rcvd}")
        elif frame.opcode is Opcode.BINARY:
            self.abort(f"{self.url} sent a binary message")
        elif frame.opcode in (Opcode.TEXT, Opcode.CONT):
            self._message += frame.data
            if frame.fin:
                message, self._message = bytes(self._message), bytearray()
                self._on_message(message)

    def _finish(self, reason: str) -> None:
        if self.end_reason is not None:
            return
        self.end_reason = reason
        if not self._opened.done():
            error = self._protocol.handshake_exc or ConnectionError(reason)
            if self._transport is not None and not self._heard:
                error = ConnectionError(
                    CLOSED_DURING_HANDSHAKE if self._tls is None else CLOSED_AFTER_TLS
                )
            self._opened.set_exception(error)
            self._opened.exception()  # mark it as retrieved: open() may have been cancelled
        self._on_end(reason)

    def _keep_alive(self) -> None:
        silent = self._loop.time() - self._heard
        if silent > 2 * KEEPALIVE:
            self.abort(f"nothing heard from {self.url} for {silent:.0f} s")
        elif self.end_reason is None:
            self._protocol.send_ping(b"")
            self._flush()
            self._later(KEEPALIVE, self._keep_alive)

    def _later(self, delay: float, callback: Callable[..., None], *args: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay, callback, *args)

    def _flush(self) -> None:
        assert self._transport is not None
        for data in self._protocol.data_to_send():
            if self._transport.is_closing():  # uvloop's write raises then
                break
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()


def describe(error: Exception) -> str:
    """The cause of a network error, as text."""
    if isinstance(error, ssl.SSLError):
        return explain(error)
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    # The error numbers of getaddrinfo are negative, and not those of the system.
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)
