"""The client for programs with an event loop."""

import asyncio
import contextlib
import os
import re
import ssl
from collections.abc import AsyncGenerator
from random import Random
from types import TracebackType
from typing import Self

from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

from nodnod_client.address import parse_address
from nodnod_client.attempt import ConnectAttempt
from nodnod_client.connection import AgentConnection
from nodnod_client.errors import AddressError, NotConnectedError, StatFailedError
from nodnod_client.messages import Answer, Members, Request, RequestType, StatType
from nodnod_client.requests import Texts, question
from nodnod_client.stream import StreamAnswer, follow
from nodnod_client.tls import trusting

DEFAULT_SERVER = "127.0.0.1:7070"

MARGIN = 1.0
"""Seconds beyond a question's own deadline in which its answer may still arrive."""

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]*")


class Client:
    """Asks one agent, which answers for its whole cluster.

    ``server`` is an address (``host``, ``host:port``, ``[v6]:port``) or a ``ws://`` or ``wss://``
    URL; AddressError if it is neither. ``timeout`` is how many seconds to wait for the connection,
    and for each answer; where a question carries a longer ``deadline``, that long plus a second.

    ``token`` is for a cluster with a secret (``nodnod token`` makes one); ValueError for what
    cannot be one. ``ca`` is the file of the authority (PEM) that vouches for the agents, or an
    SSLContext of your own, with a certificate for you (``load_cert_chain``) where agents admit only
    who has one; with it an address is dialled over TLS. OSError if the file cannot be read or holds
    no certificate. A ``wss://`` URL without ``ca`` trusts the system's authorities.

    Many coroutines may share one client. Use it in one event loop::

        async with Client("10.0.0.1") as client:
            answer = await client.stat_all()

    Every question raises NotConnectedError before ``connect``, ConnectError once the connection
    is lost (``connect`` again to go on), RequestTimeoutError, and StatFailedError where the agent
    answers with an error. A node that could not be read is no such error: it stands in the answer
    with an ``error`` of its own.

    A version-1 agent knows no ``nodes``, ``detail``, ``history``, no streams and no members: asking
    it for these raises StatFailedError. It answers a granular ``stat_type`` with all stats, and
    keeps its own deadline.
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
            self._tls = trusting(None if ca is None else os.fspath(ca))
        self._connection: AgentConnection | None = None
        self._attempt: ConnectAttempt | None = None
        self._gone: asyncio.Event | None = None
        """Set by disconnect(); a new one for each connect(), which may be on another loop."""
        self._random = Random()  # noqa: S311 - it spreads reconnections, it guards no secret

    @property
    def url(self) -> str:
        """The WebSocket URL of the agent."""
        return self._url

    @property
    def connected(self) -> bool:
        """Questions can be asked."""
        return self._connection is not None and not self._connection.ended

    @property
    def version(self) -> int:
        """The protocol version that the agent speaks, 1 or 2; 0 before the first connection."""
        return self._connection.version if self._connection else 0

    async def connect(self) -> None:
        """Connect; nothing to do if connected. Raises ConnectError.

        Concurrent calls share one attempt and its outcome.
        """
        if self._gone is None or self._gone.is_set():
            self._gone = asyncio.Event()
        await self._connect()

    async def disconnect(self) -> None:
        """Say goodbye; nothing to do if not connected. Whoever waits gets ConnectError."""
        if self._gone is not None:
            self._gone.set()
        if self._attempt is not None:
            self._attempt.cancel()
        if self._connection is not None:
            await self._connection.close()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.disconnect()

    async def stat(
        self,
        *,
        stat_type: int = StatType.ALL,
        detail: Texts = None,
        history: float | None = None,
        deadline: float | None = None,
    ) -> Answer:
        """Ask for the agent's own node.

        ``stat_type``: all, or only CPU, memory or disk. ``detail``: names of sections.
        ``history``: seconds of the past. ``deadline``: seconds that the agent may take.
        """
        return await self._ask(
            question(
                RequestType.STAT,
                stat_type=stat_type,
                detail=detail,
                history=history,
                deadline=deadline,
            )
        )

    async def stat_all(
        self,
        *,
        nodes: Texts = None,
        stat_type: int = StatType.ALL,
        detail: Texts = None,
        history: float | None = None,
        deadline: float | None = None,
    ) -> Answer:
        """Ask for every node of the cluster, or for those with a name or pattern in ``nodes``.

        The rest as in ``stat``; at its ``deadline`` the agent answers with what it has, and names
        the nodes that it has not heard.
        """
        return await self._ask(
            question(
                RequestType.STAT_ALL,
                nodes=nodes,
                stat_type=stat_type,
                detail=detail,
                history=history,
                deadline=deadline,
            )
        )

    async def members(self) -> Members:
        """Ask whom the agent knows, and how it sees each of them; itself comes first."""
        members = await self._current().members(question(RequestType.MEMBERS), self.timeout)
        if members.error:
            raise StatFailedError(members.error, members.code)
        return members

    def stream(
        self,
        *,
        all: bool = True,  # noqa: A002
        every: float = 1.0,
        nodes: Texts = None,
        stat_type: int = StatType.ALL,
        detail: Texts = None,
        history: float | None = None,
        deadline: float | None = None,
        reconnect: bool = True,
    ) -> AsyncGenerator[StreamAnswer, None]:
        """Have the same question answered now and then every so many seconds::

            async for answer in client.stream(every=1):
                ...

        ``all``: the cluster, or only the agent's own node. Leaving the loop stops the stream. A
        reader that is slower than the stream gets the newest answer next, and ``missed`` says how
        many it did not get. After a lost connection the stream goes on by itself (see
        ``StreamAnswer.reconnected``); with ``reconnect=False`` it raises ConnectError instead.
        ``disconnect`` ends it with NotConnectedError or ConnectError.
        """
        scope = RequestType.STAT_ALL if all else RequestType.STAT
        request = question(
            scope,
            nodes=nodes,
            stat_type=stat_type,
            detail=detail,
            history=history,
            deadline=deadline,
            every=every,
        )
        return follow(
            request,
            self._current,
            self._reconnect if reconnect else None,
            every + self._patience(request),
            self._random,
        )

    async def _ask(self, request: Request) -> Answer:
        answer = await self._current().ask(request, self._patience(request))
        if answer.error:
            raise StatFailedError(answer.error, answer.code)
        return answer

    def _patience(self, request: Request) -> float:
        deadline = request.timeout
        return self.timeout if deadline is None or deadline < self.timeout else deadline + MARGIN

    def _current(self) -> AgentConnection:
        if self._connection is None or self._gone is None or self._gone.is_set():
            raise NotConnectedError(f"not connected to {self._url}: call connect() first")
        return self._connection

    async def _reconnect(self, delay: float) -> AgentConnection:
        assert self._gone is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._gone.wait()
        if not self._gone.is_set():
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


def server_url(server: str, *, secure: bool = False) -> str:
    """Where the agent at this address, or ``ws://`` or ``wss://`` URL, is asked.

    ``secure``: over TLS, and not otherwise. Raises AddressError.
    """
    if "://" not in server:
        url = parse_address(server).url
        return url.replace("ws://", "wss://", 1) if secure else url
    try:
        uri = parse_uri(server)
    except (InvalidURI, ValueError) as error:
        raise AddressError(f"expected host:port or a ws:// URL: {error}") from None
    if secure and not uri.secure:
        raise AddressError("expected host:port or a wss:// URL where there is a `ca`")
    if "token=" in uri.query:
        raise AddressError("expected no token in a URL, where logs keep it; give it as `token`")
    # The library takes a scheme in any case, we begin to look at it.
    return f"{'wss' if uri.secure else 'ws'}://{server.partition('://')[2]}"


def checked_token(token: str) -> str:
    """The token, if it can be sent as one. Raises ValueError, which does not show it."""
    if not _TOKEN.fullmatch(token):
        raise ValueError("a token is made of letters, digits, dots, dashes and underscores")
    return token
