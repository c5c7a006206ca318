"""The asyncio client."""

import asyncio
import contextlib
import os
import re
import ssl
from collections.abc import AsyncGenerator
from random import Random
from typing import Self, Unpack

from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

from nodnod_client.address import parse_address
from nodnod_client.alerts import Alerts, SilenceInfo, Silences
from nodnod_client.attempt import ConnectAttempt
from nodnod_client.connection import AgentConnection
from nodnod_client.errors import AddressError, NotConnectedError, StatFailedError
from nodnod_client.event_stream import follow_events
from nodnod_client.messages import Answer, Event, Events, Members, Request, RequestType
from nodnod_client.requests import (
    StatOptions,
    Texts,
    alerts_request,
    build_request,
    events_request,
    silence_request,
    too_old,
)
from nodnod_client.stream import StreamAnswer, follow, follow_alerts
from nodnod_client.tls import client_context

DEFAULT_SERVER = "127.0.0.1:7070"

MARGIN = 1.0
"""Seconds that the client waits beyond the deadline of a request."""

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]*")


class Client:
    """A client of one agent, which answers for its whole cluster.

    ``server``: an address (``host``, ``host:port``, ``[v6]:port``) or a ``ws://`` or ``wss://``
    URL; otherwise AddressError.
    ``timeout``: seconds to wait for the connection, and for each answer. A request with a longer
    ``deadline`` waits that long plus one second.
    ``token``: the access token for a cluster with a secret (made by ``nodnod token``); ValueError
    for characters that no token has.
    ``ca``: a PEM file with the certificate authority of the agents, or an SSLContext. An address is
    then connected to over TLS. If the agents require client certificates, load yours into a context
    (``load_cert_chain``). OSError if the file cannot be read or has no certificate. A ``wss://``
    URL without ``ca`` trusts the authorities of the system.

    Many coroutines may share one client, in one event loop::

        async with Client("10.0.0.1") as client:
            answer = await client.stat_all()

    Every request raises NotConnectedError before ``connect``, ConnectError after the connection is
    lost (call ``connect`` again), RequestTimeoutError, and StatFailedError if the agent answers
    with an error. A node that could not be read raises nothing: its object in the answer has an
    ``error``.

    A version-1 agent has no ``nodes``, ``detail``, ``history``, streams, members, events and alerts: a
    request for these raises StatFailedError. It ignores ``stat_type`` and ``deadline``.
    """

    def __init__(
        self,
        server: str = DEFAULT_SERVER,
        *,
        timeout: float = 10.0,
        token: str = "",
        ca: str | os.PathLike[str] | ssl.SSLContext | None = None,
    ) -> None:
        self.timeout = timeout
        self._url = server_url(server, secure=ca is not None)
        self._token = checked_token(token)
        self._tls: ssl.SSLContext | None = None
        if isinstance(ca, ssl.SSLContext):
            self._tls = ca
        elif self._url.startswith("wss://"):
            self._tls = client_context(None if ca is None else os.fspath(ca))
        self._connection: AgentConnection | None = None
        self._attempt: ConnectAttempt | None = None
        self._disconnected: asyncio.Event | None = None
        """Set by disconnect(). Made by connect(), which may run in another loop each time."""
        self._random = Random()  # noqa: S311 - spreads reconnections, protects nothing

    @property
    def url(self) -> str:
        """The WebSocket URL of the agent."""
        return self._url

    @property
    def connected(self) -> bool:
        """Whether requests can be made."""
        return self._connection is not None and not self._connection.ended

    @property
    def version(self) -> int:
        """The protocol version that the agent speaks, 1 or 2; 0 before the first connection."""
        return self._connection.version if self._connection else 0

    async def connect(self) -> None:
        """Connect, if not connected. Raises ConnectError.

        Concurrent calls share one attempt and its outcome.
        """
        if self._disconnected is None or self._disconnected.is_set():
            self._disconnected = asyncio.Event()
        await self._connect()

    async def disconnect(self) -> None:
        """Disconnect, if connected. Pending requests raise ConnectError."""
        if self._disconnected is not None:
            self._disconnected.set()
        if self._attempt is not None:
            self._attempt.cancel()
        if self._connection is not None:
            await self._connection.close()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.disconnect()

    async def stat(self, **options: Unpack[StatOptions]) -> Answer:
        """Request the stats of the agent's own node.

        ``stat_type``: a StatType, all stats or only CPU, memory or disk.
        ``detail``: names of sections to add (see nodnod_client.sections).
        ``history``: seconds of history to add, at most 604800 (a week).
        ``until``: when that history is to end, in Unix seconds by the agent's clock; not in a stream.
        An agent that is too old to know it sends the newest, which has no ``until``.
        ``deadline``: seconds that the agent may take, from 0.05 to 30.
        ``match``: a name or pattern; with ``processes`` in ``detail``, that section then has the
        processes with such names (``matching``) and their ``sums``.
        """
        return await self._request(build_request(RequestType.STAT, **options))

    async def stat_all(self, *, nodes: Texts = None, **options: Unpack[StatOptions]) -> Answer:
        """Request the stats of all nodes, or of those that match a name or pattern in ``nodes``.

        The other arguments are those of ``stat``. At the ``deadline`` the agent answers with what
        it has; each node that has not answered has an ``error``.
        """
        return await self._request(build_request(RequestType.STAT_ALL, nodes, **options))

    async def members(self) -> Members:
        """Request the members that the agent knows, with their states; its own row is first."""
        members = await self._current().members(build_request(RequestType.MEMBERS), self.timeout)
        if members.error:
            raise StatFailedError(members.error, members.code)
        return members

    async def events(self, *, since: float | None = None, nodes: Texts = None) -> Events:
        """Request what has happened in the cluster, newest last.

        ``since``: only events after that time, in Unix seconds. ``nodes``: only events about nodes
        that match a name or pattern. An agent that is too old for events raises StatFailedError
        with the code ``unknown_type``.
        """
        request = events_request(since, nodes)
        events = await self._current().events(request, self.timeout)
        if events.error:
            raise too_old(StatFailedError(events.error, events.code), request, self._url)
        return events

    def follow_events(
        self,
        *,
        since: float | None = None,
        nodes: Texts = None,
        every: float = 1.0,
        reconnect: bool = True,
    ) -> AsyncGenerator[Event, None]:
        """Yield the events that the agent knows, and then each new one::

            async for event in client.follow_events():
                ...

        The agent looks for new ones every ``every`` seconds (0.25 to 3600). Each event comes once,
        after a reconnection too, and also one that reached the agent late; so times may go back.
        The arguments and errors are those of ``events`` and ``stream``.
        """
        return follow_events(
            events_request(since, nodes, every),
            self._current,
            self._reconnect if reconnect else None,
            every + self.timeout,
            self._random,
        )

    async def alerts(self, *, nodes: Texts = None) -> Alerts:
        """Request the alerts: what fires, the worst and newest first, then what was over lately.

        ``nodes``: only alerts of nodes that match a name or pattern. An agent that is too old for
        alerts raises StatFailedError with the code ``unknown_type``.
        """
        request = alerts_request(nodes)
        alerts = await self._current().alerts(request, self.timeout)
        if alerts.error:
            raise too_old(StatFailedError(alerts.error, alerts.code), request, self._url)
        return alerts

    def stream_alerts(
        self, *, nodes: Texts = None, every: float = 1.0, reconnect: bool = True
    ) -> AsyncGenerator[Alerts, None]:
        """Yield all alerts now, and again every ``every`` seconds (0.25 to 3600)::

            async for answer in client.stream_alerts(every=5):
                ...

        The arguments and errors are those of ``alerts`` and ``stream``.
        """
        return follow_alerts(
            alerts_request(nodes, every),
            self._current,
            self._reconnect if reconnect else None,
            every + self.timeout,
            self._random,
        )

    async def silences(self) -> list[SilenceInfo]:
        """Request the silences that have not ended, the next to end first. Errors: see ``alerts``."""
        return (await self._silences(silence_request())).silences

    async def silence(
        self, node: str = "*", *, rule: str = "*", seconds: float, reason: str = ""
    ) -> SilenceInfo:
        """Tell people nothing of alerts whose node and rule match these names or patterns.

        ``seconds``: for how long, from 1 to 2592000 (30 days). ``reason``: a text for the others. All
        agents know of it within seconds. If the cluster has a secret, this takes a token of role
        ``operate``; with another one it raises StatFailedError with the code ``forbidden``.
        """
        return await self._change_silence(silence_request(node, rule, seconds, reason))

    async def end_silence(self, id: str) -> SilenceInfo:  # noqa: A002
        """End a silence before its time; it needs the same token.

        One that is not there raises StatFailedError with the code ``no_such_silence``.
        """
        return await self._change_silence(silence_request(end=id))

    def stream(
        self,
        *,
        all: bool = True,  # noqa: A002
        every: float = 1.0,
        nodes: Texts = None,
        reconnect: bool = True,
        **options: Unpack[StatOptions],
    ) -> AsyncGenerator[StreamAnswer, None]:
        """Subscribe to stats: an answer now, and one every ``every`` seconds (0.25 to 3600)::

            async for answer in client.stream(every=1):
                ...

        ``all``: the whole cluster, or only the agent's own node. The other arguments are those of
        ``stat_all``. Leaving the loop stops the stream. A slow reader skips answers, then gets the
        newest; ``missed`` is the number skipped. After a lost connection the stream reconnects
        (see ``StreamAnswer.reconnected``); with ``reconnect=False`` it raises ConnectError.
        ``disconnect`` ends it with NotConnectedError or ConnectError.
        """
        scope = RequestType.STAT_ALL if all else RequestType.STAT
        request = build_request(scope, nodes, every, **options)
        return follow(
            request,
            self._current,
            self._reconnect if reconnect else None,
            every + self._timeout_of(request),
            self._random,
        )

    async def _silences(self, request: Request) -> Silences:
        silences = await self._current().silences(request, self.timeout)
        if silences.error:
            raise too_old(StatFailedError(silences.error, silences.code), request, self._url)
        return silences

    async def _change_silence(self, request: Request) -> SilenceInfo:
        changed = (await self._silences(request)).silence
        if changed is None:
            raise StatFailedError(f"{self._url} does not say which silence it has changed")
        return changed

    async def _request(self, request: Request) -> Answer:
        answer = await self._current().request(request, self._timeout_of(request))
        if answer.error:
            raise StatFailedError(answer.error, answer.code)
        return answer

    def _timeout_of(self, request: Request) -> float:
        deadline = request.timeout
        return self.timeout if deadline is None or deadline < self.timeout else deadline + MARGIN

    def _current(self) -> AgentConnection:
        if self._connection is None or self._disconnected is None or self._disconnected.is_set():
            raise NotConnectedError(f"not connected to {self._url}: call connect() first")
        return self._connection

    async def _reconnect(self, delay: float) -> AgentConnection:
        assert self._disconnected is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._disconnected.wait()
        if not self._disconnected.is_set():
            await self._connect()
        return self._current()

    async def _connect(self) -> None:
        if self.connected:
            return
        if self._attempt is None or self._attempt.done:
            self._attempt = ConnectAttempt(self._open())
        await self._attempt.outcome()

    async def _open(self) -> None:
        self._connection = await AgentConnection.open(
            self._url, self.timeout, token=self._token, tls=self._tls
        )


_OF_PAGES = {"http": "ws", "https": "wss"}


def server_url(server: str, *, secure: bool = False) -> str:
    """The URL of the agent at an address, or at a ``ws://`` or ``wss://`` URL.

    Or of its page: ``http://`` is ``ws://`` then, and what the page shows (``#…``) does not count.
    ``secure`` requires TLS. Raises AddressError.
    """
    scheme, separator, rest = server.partition("://")
    if separator and scheme.lower() in _OF_PAGES:
        server = f"{_OF_PAGES[scheme.lower()]}://{rest.partition('#')[0]}"
    if "://" not in server:
        url = parse_address(server).url
        return url.replace("ws://", "wss://", 1) if secure else url
    try:
        uri = parse_uri(server)
    except (InvalidURI, ValueError) as error:
        raise AddressError(f"expected host:port or a ws:// URL: {error}") from None
    if secure and not uri.secure:
        raise AddressError("expected host:port or a wss:// URL, because `ca` is given")
    if "token=" in uri.query:
        raise AddressError("expected no token in a URL, which is logged; pass it as `token`")
    # The library accepts a scheme in upper case; the rest of the client expects lower case.
    return f"{'wss' if uri.secure else 'ws'}://{server.partition('://')[2]}"


def checked_token(token: str) -> str:
    """The token, if all its characters are allowed. Raises ValueError without the token."""
    if not _TOKEN.fullmatch(token):
        raise ValueError("a token consists of letters, digits, dots, dashes and underscores")
    return token
