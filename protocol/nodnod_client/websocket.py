"""One WebSocket to an agent: text messages out and in, and how it ended."""

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
from nodnod_client.refusal import refusal
from nodnod_client.tls import SHUT_OUT, explain

SUBPROTOCOL = Subprotocol("nodnod.2")

NO_WORD = (
    "it closed the connection during the handshake: perhaps it has no room (limits.connections)"
)
"""What became of a connection that ended before a word, where nobody can tell why."""

MAX_MESSAGE = 4 * 2**20
"""Bytes of one message from the agent, at most: about 10,000 nodes."""

MAX_UNSENT = 2**20
"""Bytes that the agent may leave unread before it counts as gone."""

KEEPALIVE = 20.0
"""Seconds between pings; an agent silent for twice as long counts as gone."""

CLOSE_PATIENCE = 1.0
"""Seconds that the agent has for its part of the goodbye."""


class WebSocket(asyncio.Protocol):
    """The websockets library's Sans-I/O client on an asyncio transport.

    ``on_message`` gets each text message; ``on_end`` is called once, with the reason in words,
    as soon as nothing more can be sent. Proxies and redirects are not followed. ``tls`` goes with a
    ``wss://`` URL.
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
        """2 or 1, as the agent selected; 0 until the handshake is done."""
        self.end: str | None = None
        """Why nothing more can be sent, in words."""
        self._token = token
        self._tls = tls
        self._on_message = on_message
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._closed = asyncio.Event()
        self._websocket = ClientProtocol(
            parse_uri(url), subprotocols=[SUBPROTOCOL], max_size=MAX_MESSAGE
        )
        self._transport: asyncio.Transport | None = None
        self._message = bytearray()
        self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def open(self, patience: float) -> None:
        """Connect and shake hands within ``patience`` seconds. Raises ConnectError."""
        uri = parse_uri(self.url)
        status = 0
        try:
            async with asyncio.timeout(patience):
                await self._loop.create_connection(
                    lambda: self,
                    uri.host,
                    uri.port,
                    ssl=self._tls,
                    server_hostname=uri.host.partition("%")[0] if self._tls else None,
                    ssl_shutdown_timeout=CLOSE_PATIENCE if self._tls else None,
                )
                await self._opened
        except TimeoutError:
            why = f"no handshake within {patience:g} s"
        except InvalidStatus as error:
            status = error.response.status_code
            why = refusal(error.response) or (
                f"it answered HTTP {status} instead of opening a WebSocket"
            )
        except InvalidHandshake as error:
            why = f"it is no WebSocket server ({error})"
        except (ConnectionResetError, BrokenPipeError):  # while TLS shook hands
            why = NO_WORD
        except (OSError, UnicodeError) as error:
            why = reason(error)
        except asyncio.CancelledError:
            self.abort("given up")
            raise
        else:
            return
        # A timeout can strike after the socket was made.
        self.abort(why)
        raise ConnectError(f"cannot connect to {self.url}: {why}", status)

    def send(self, text: bytes) -> None:
        """Send one text message; call it only while ``end`` is None."""
        self._websocket.send_text(text)
        self._flush()
        if self._transport and self._transport.get_write_buffer_size() > MAX_UNSENT:
            self.abort(f"{self.url} has stopped reading")

    async def close(self) -> None:
        """Say goodbye, and leave the other side a second to do so too."""
        if self._transport is None:
            return
        if self._websocket.state is State.OPEN:
            self._websocket.send_close(1000)
            self._flush()
        self._finish(f"disconnected from {self.url}")
        try:
            async with asyncio.timeout(CLOSE_PATIENCE):
                await self._closed.wait()
        except TimeoutError:
            pass
        finally:
            self._transport.abort()

    def abort(self, why: str) -> None:
        """End at once."""
        self._finish(why)
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        # Not a check: uvloop has a class of its own.
        self._transport = transport = cast(asyncio.Transport, transport)
        if self.end is not None:  # given up while the socket was being made
            transport.abort()
            return
        request = self._websocket.connect()
        if self._token:
            if "Authorization" in request.headers:  # a URL with a user in it
                del request.headers["Authorization"]
            request.headers["Authorization"] = f"Bearer {self._token}"
            self._websocket.debug = False  # or the library would log what it sends
        self._websocket.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take in what came; answer what the WebSocket protocol wants answered."""
        self._heard = self._loop.time()
        self._websocket.receive_data(data)
        self._flush()
        for event in self._websocket.events_received():
            if isinstance(event, Response):
                self._on_response()
            elif isinstance(event, Frame) and self.end is None:
                self._on_frame(event)
        if self._websocket.handshake_exc is not None:
            self.abort("the handshake failed")
        elif self._websocket.close_expected():
            self._finish(f"{self.url} broke the protocol: {self._websocket.parser_exc}")
            self._later(CLOSE_PATIENCE, self.abort, "goodbye took too long")

    def eof_received(self) -> None:
        """Nothing more will come; asyncio closes the transport."""
        self._websocket.receive_eof()
        self._finish(f"{self.url} closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self._finish(f"connection to {self.url} lost: {reason(exc) if exc else 'closed'}")
        if self._timer is not None:
            self._timer.cancel()
        self._closed.set()

    # Inside

    def _on_response(self) -> None:
        if self._websocket.handshake_exc is None and self.end is None:
            self.version = 2 if self._websocket.subprotocol == SUBPROTOCOL else 1
            self._opened.set_result(None)
            self._later(KEEPALIVE, self._keep_alive)

    def _on_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self._finish(f"{self.url} closed the connection: {self._websocket.close_rcvd}")
        elif frame.opcode is Opcode.BINARY:
            self.abort(f"{self.url} sent a binary message")
        elif frame.opcode in (Opcode.TEXT, Opcode.CONT):
            self._message += frame.data
            if frame.fin:
                message, self._message = bytes(self._message), bytearray()
                self._on_message(message)

    def _finish(self, why: str) -> None:
        if self.end is not None:
            return
        self.end = why
        if not self._opened.done():
            error = self._websocket.handshake_exc or ConnectionError(why)
            if self._transport is not None and not self._heard:
                error = ConnectionError(NO_WORD if self._tls is None else SHUT_OUT)
            self._opened.set_exception(error)
            self._opened.exception()  # seen: whoever waited may have left already
        self._on_end(why)

    def _keep_alive(self) -> None:
        silent = self._loop.time() - self._heard
        if silent > 2 * KEEPALIVE:
            self.abort(f"nothing heard from {self.url} for {silent:.0f} s")
        elif self.end is None:
            self._websocket.send_ping(b"")
            self._flush()
            self._later(KEEPALIVE, self._keep_alive)

    def _later(self, delay: float, callback: Callable[..., None], *args: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay, callback, *args)

    def _flush(self) -> None:
        assert self._transport is not None
        for data in self._websocket.data_to_send():
            if self._transport.is_closing():  # uvloop raises, where asyncio's own loop says nothing
                break
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()


def reason(error: Exception) -> str:
    """Say in words why the network failed."""
    if isinstance(error, ssl.SSLError):
        return explain(error)
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    if isinstance(error, OSError) and error.strerror:  # getaddrinfo numbers its errors below 0
        return error.strerror.lower()
    return str(error)
