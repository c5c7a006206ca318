"""Dials peers: one attempt, one connection, reported to the core's link."""

import asyncio
import hmac
import logging
import os
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol as Interface

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Request, Response
from websockets.uri import parse_uri

from nodnod_agent.auth.authorization import PROOF, audience, write_token
from nodnod_agent.core.interfaces import DialHandler, Hello
from nodnod_agent.core.limits import Limits
from nodnod_agent.transport.connection import Connection
from nodnod_agent.transport.fair_queue import AGENT_WEIGHT, FairQueue
from nodnod_agent.transport.framer import Framer
from nodnod_agent.transport.handshake import SUBPROTOCOL, read_hello, write_hello
from nodnod_agent.transport.writer import CLOSE_LIMIT, STALL_LIMIT
from nodnod_client.address import Address
from nodnod_client.refusal import refusal
from nodnod_client.tls import CLOSED_AFTER_TLS, explain

DIAL_LIMIT = 5.0

LookUp = Callable[[Address], Awaitable[list[Address]]]

UNAUTHORIZED = 401

_CLOSED = "closed during the handshake"

wire_log = logging.getLogger("websockets.nodnod")


class Minter(Interface):
    """Who makes tokens for dials."""

    def for_dial(self, subject: str, addresses: list[str]) -> tuple[str, str]:
        """A token for who is dialled at ``addresses``, and the proof that he must give back."""


class PeerConnection(Connection):
    """One connection that we opened to a peer."""

    __slots__ = ("_address", "_proof", "dialler", "end", "opened")

    ws: ClientProtocol

    def __init__(self, dialler: "Dialer", address: Address, end: DialHandler) -> None:
        ws = ClientProtocol(
            parse_uri(address.url),
            subprotocols=[SUBPROTOCOL],
            max_size=dialler.limits.peer_message,
            logger=wire_log,
        )
        super().__init__(dialler.loop, ws, dialler.turns)
        self.dialler = dialler
        self._address = address
        self._proof = ""
        self.end: DialHandler | None = end
        self.opened: asyncio.Future[Hello] = dialler.loop.create_future()

    @property
    def full(self) -> bool:
        """See User: answers are never too many, we asked for them."""
        return False

    @property
    def stall_limit(self) -> float:
        """See User."""
        return STALL_LIMIT

    @property
    def control_frames(self) -> int:
        """See Pump."""
        return self.dialler.limits.control_frames

    @property
    def weight(self) -> float:
        """See Pump: all who wait for the cluster wait for what comes in here."""
        return AGENT_WEIGHT

    def frame(self, text: bytes) -> bytes:
        """See Pump."""
        return self.dialler.framer(text)

    def received(self, text: bytes) -> None:
        """See User."""
        if self.end is not None:
            self.end.received(text)

    def close(self, code: int, reason: str = "") -> None:
        """See Wire."""
        self.end = None
        super().close(code, reason)

    def abort(self) -> None:
        """See Wire."""
        self.end = None
        super().abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self.dialler.open.add(self)
        request = self.ws.connect()
        write_hello(request.headers, self.dialler.hello)
        self._identify(request.headers)
        self.ws.send_request(request)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        self.dialler.lost(self)
        self._report(exc)
        self._let_go()

    def _report(self, exc: Exception | None) -> None:
        """Tell whoever waits for it that the connection is gone."""
        if not self.opened.done():
            error = self.ws.handshake_exc
            if isinstance(error, InvalidStatus):  # with a page that ends where the connection does
                self.bad_handshake(error)
            else:
                why = CLOSED_AFTER_TLS if self.dialler.tls is not None else _CLOSED
                if isinstance(exc, ssl.SSLError):
                    why = explain(exc)
                self.opened.set_exception(ConnectionError(why))
        if self.opened.cancelled() or self.opened.exception() is not None:
            return  # a refusal, which the attempt reports
        end, self.end = self.end, None
        if end is not None:
            end.ended(self._why_ended(exc))

    def handshake(self, event: Request | Response) -> None:
        """See Pump."""
        assert isinstance(event, Response)
        if not self.opened.done():
            hello = read_hello(event.headers, self.ws.subprotocol)
            proofs = event.headers.get_all(PROOF)
            if self._proof and not any(map(self._is_proof, proofs)):
                why = "it does not prove that it knows the cluster's secret"
                self.opened.set_exception(ConnectionError(why))
                return
            self.opened.set_result(hello)
            self.user = self
            if self.end is not None:
                self.end.opened(self, hello)

    def bad_handshake(self, error: Exception) -> None:
        """See Pump."""
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(self._why_refused(error)))

    def _identify(self, headers: Headers) -> None:
        """Say where we have really dialled, and show who we are to who listens there."""
        peer = self.transport.get_extra_info("peername")
        if not peer:
            return
        where = audience(Address(peer[0], peer[1]))
        del headers["Host"]
        headers["Host"] = where  # what a name of the configuration leads to need not know the name
        if self.dialler.tokens is not None:
            addresses = [where]
            if self.dialler.tls is not None:  # its certificate has shown that the name is its own
                addresses.append(audience(self._address))
            name = self.dialler.hello.name
            token, self._proof = self.dialler.tokens.for_dial(name, addresses)
            write_token(headers, token)

    def _is_proof(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self._proof.encode())

    def _why_refused(self, error: Exception) -> str:
        if not isinstance(error, InvalidStatus):
            return f"not a NodNod agent: {error}"
        status = error.response.status_code
        if status == UNAUTHORIZED and self.dialler.tokens is None:
            return f"it wants to know who we are: set auth.secrets (HTTP {status})"
        return refusal(error.response) or f"not a NodNod agent: HTTP {status}"

    def _why_ended(self, exc: Exception | None) -> str:
        if self.cut:
            return self.cut
        received = self.ws.close_rcvd
        if received is not None:
            return f"closed by the other side ({received.code} {received.reason})".replace(
                " )", ")"
            )
        if self.ws.parser_exc is not None and not isinstance(self.ws.parser_exc, EOFError):
            return f"broke the protocol: {self.ws.parser_exc}"
        return describe(exc) if exc is not None else "connection closed"


class DialAttempt:
    """One attempt to reach an address, until it is a connection, a refusal, or given up."""

    def __init__(self, dialler: "Dialer", address: Address, end: DialHandler) -> None:
        self._dialler = dialler
        self._address = address
        self._end: DialHandler | None = end
        self._task = dialler.loop.create_task(self._run())

    def cancel(self) -> None:
        """Give up in silence."""
        self._end = None
        self._task.cancel()

    async def _run(self) -> None:
        assert self._end is not None
        pump = PeerConnection(self._dialler, self._address, self._end)
        try:
            async with asyncio.timeout(DIAL_LIMIT):
                await self._connect(pump)
                await pump.opened
        except TimeoutError:
            self._refused(pump, f"no handshake within {DIAL_LIMIT:.3g} s")
        except (OSError, UnicodeError) as error:
            self._refused(pump, describe(error))
        except asyncio.CancelledError:
            self._end = None
            self._refused(pump, "given up")
            raise
        finally:
            if not pump.opened.done():
                pump.opened.cancel()

    async def _connect(self, pump: PeerConnection) -> None:
        *others, last = await self._dialler.look_up(self._address)
        for where in others:
            with suppress(OSError):
                await self._connect_to(where, pump)
                return
        await self._connect_to(last, pump)

    async def _connect_to(self, where: Address, pump: PeerConnection) -> None:
        tls = self._dialler.tls
        # A certificate names the host as it is configured or advertised.
        name = None if tls is None else self._address.host.partition("%")[0]
        await self._dialler.loop.create_connection(
            lambda: pump,
            *where,
            ssl=tls,
            server_hostname=name,
            # uvloop forgets to close what is given up in mid-handshake; this ends it all the same.
            ssl_handshake_timeout=None if tls is None else DIAL_LIMIT,
            ssl_shutdown_timeout=None if tls is None else CLOSE_LIMIT,
        )

    def _refused(self, pump: PeerConnection, reason: str) -> None:
        end, pump.end = pump.end, None
        if hasattr(pump, "transport"):
            pump.abort()
            self._dialler.lost(pump)  # uvloop tells no end to what is cancelled as it connects
        if end is not None and self._end is not None:
            end.refused(reason)


class Dialer:
    """Dials on behalf of this agent, which calls itself ``hello``; the core's Dial.

    ``look_up`` gives the addresses of a host, one or more; or raises OSError. ``tokens`` and
    ``tls`` may be replaced, for the dials to come.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        hello: Hello,
        look_up: LookUp,
        *,
        limits: Limits = Limits(),  # noqa: B008  # frozen
        tokens: Minter | None = None,
        tls: ssl.SSLContext | None = None,
        turns: FairQueue | None = None,
    ) -> None:
        self.loop = loop
        self.hello = hello
        self.look_up = look_up
        self.limits = limits
        self.tokens = tokens
        self.tls = tls
        self.turns = turns or FairQueue(loop)
        self.framer = Framer(mask=True)
        self.open: set[PeerConnection] = set()
        self._empty: asyncio.Future[None] | None = None

    def __call__(self, address: Address, end: DialHandler) -> DialAttempt:
        """See Dial. Proxies and redirects are not followed."""
        return DialAttempt(self, address, end)

    def lost(self, pump: PeerConnection) -> None:
        """Forget a connection that is gone."""
        self.open.discard(pump)
        if not self.open and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    async def drained(self, seconds: float) -> None:
        """Wait until what was said last is taken and every connection gone, but not for long."""
        if self.open:
            self._empty = self.loop.create_future()
            await asyncio.wait([self._empty], timeout=seconds)


def describe(error: BaseException) -> str:
    """An error of the network in a few words, without numbers and tuples."""
    if isinstance(error, ssl.SSLError):
        return explain(error)
    if isinstance(error, OSError) and error.errno is not None:
        # Negative numbers are those of the resolver, which brings its own words.
        words = os.strerror(error.errno) if error.errno > 0 else error.strerror
        return str(words).lower()
    if isinstance(error, ConnectionError) and not error.args:  # TLS that ended as it began
        return _CLOSED
    return str(error) or type(error).__name__
