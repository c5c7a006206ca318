"""One connection to a NATS server: nats-py's client, and what it needs around it."""

import asyncio
import logging
import os
import re
import ssl
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.protocol import parser

from nodnod_agent.backplane.access import NatsAccess, NatsServer
from nodnod_agent.core.interfaces import BackplaneCounters, BackplaneHandler
from nodnod_client.address import Address
from nodnod_client.tls import cause

CONNECT_LIMIT = 2.0
"""Seconds for each step of connecting, and for all of them twice as many."""

PING_EVERY = 2.0
"""Seconds between two pings."""

SILENCE = 3.0
"""Seconds without a word of the server after a ping until the connection is given up: in all 5 s after it
has begun to stand still, at most. More than PING_EVERY."""

BEHIND = 5.0
"""Seconds after which a ping must be answered, however much else comes in. The answer comes behind all that
the server keeps for this agent: so old is what is taken, and a new connection begins with what is new."""

STALL = 1.0
"""Seconds by which a timer is late if this process stood still, and could hear nothing."""

CLOSE_LIMIT = 2.0
"""Seconds in which the server must take what is left when the agent stops."""

ABORT_LIMIT = 0.1
"""Seconds for closing what is cut off: nothing comes of it. After a failed TLS handshake, asyncio's writer
never says that it is closed."""

MAX_UNSENT = 4 * 1024 * 1024
"""Bytes that wait while the server takes nothing; what comes on top is dropped."""

MAX_WAITING = 16 * 1024 * 1024
"""Bytes of one subscription that wait to be handled, and at most ``MAX_WAITING_MESSAGES``."""

MAX_WAITING_MESSAGES = 65_536

NO_RESPONDERS = "503"

NEVER = 10**9
"""Seconds, for the pings of nats-py, which would notice a standstill after 6 s: those here do."""

log = logging.getLogger("nodnod")

_T = TypeVar("_T")

_GONE = (OSError, RuntimeError, errors.Error)
"""What a connection raises that has ended, or does not answer in time: RuntimeError is uvloop's."""

if "_connect_command" not in vars(Client):
    raise ImportError("this release of nats-py has changed where it sends its secrets")

# A nats-server knows fewer white spaces than nats-py: a subject ends where it ends for the server.
parser.MSG_RE, parser.HMSG_RE = (
    re.compile(
        rb"\A%b[ \t]+([^ \t\r\n]+)[ \t]+(\d+)[ \t]+(([^ \t\r\n]+)[ \t]+)?%b\r\n" % (name, sizes)
    )
    for name, sizes in ((b"MSG", rb"(\d+)"), (b"HMSG", rb"(\d+)[ \t]+(\d+)"))
)


class NatsError(Exception):
    """Why there is no connection, in a few words, without secrets."""


class NatsClient(Client):
    """One connection, from ``open`` to ``end``; it does not come back.

    nats-py's own reconnecting has no jitter, gives up for some errors, and keeps what is to be sent
    for later, when it is stale. While ``live``, messages go to ``handler``.
    """

    def __init__(
        self,
        access: NatsAccess,
        server: NatsServer,
        handler: BackplaneHandler,
        counters: BackplaneCounters,
    ) -> None:
        super().__init__()
        self.live = False
        self._counters = counters
        self._access = access
        self.server = server
        self._handler = handler
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[str] = self._loop.create_future()
        self._is_open = False
        self._heard: dict[str, Subscription] = {}

    async def open(self, address: Address) -> None:
        """Connect to the server at one of its addresses. Raises NatsError."""
        try:
            async with asyncio.timeout(2 * CONNECT_LIMIT):
                await self.connect(
                    f"nats://{address}",
                    name=self._access.name,
                    tls=self._access.tls if self.server.must_be_tls else None,
                    tls_hostname=self.server.address.host.partition("%")[0],
                    allow_reconnect=False,
                    connect_timeout=int(CONNECT_LIMIT),
                    ping_interval=NEVER,
                    pending_size=0,  # nothing is kept while not connected; `send` has a limit
                    flusher_queue_size=0,  # without a limit: a full one would wait
                    error_cb=self._failed,
                    closed_cb=self._closed,
                    **self._access.proof,
                )
        except Exception as error:  # noqa: BLE001  # what a stranger says makes nats-py raise anything
            raise NatsError(self._reason(error)) from None
        if not self.is_connected or self._reading_task is None:
            raise NatsError("the server did not confirm the connection")
        if not isinstance(self.max_payload, int):
            raise NatsError("its max_payload is no number")
        self._is_open = True
        # It may end without a call of `_closed`, and the client would seem to be connected.
        self._reading_task.add_done_callback(self._reading_ended)

    async def confirm(self) -> None:
        """Wait until the server has done all that it was sent. Raises NatsError."""
        pong = self._loop.create_future()
        try:
            # Not `rtt`, whose ping is sent before all that waits to be sent.
            self._pongs.append(pong)
            self._at_once(self._send_command(parser.PING))
            self._at_once(self._flush_pending())
            async with asyncio.timeout(CONNECT_LIMIT):
                await pong
        except _GONE as error:
            raise NatsError(self._reason(error)) from None

    async def stay(self) -> str:
        """Wait for the end of the connection, whose reason is returned; ping meanwhile."""
        ended = self._ended
        while not ended.done():
            # Not `rtt`, whose timeout would cancel this: a pong for it would then stop the reading.
            pong = self._loop.create_future()
            with suppress(*_GONE):  # the end is about to be reported
                self._at_once(self._send_ping(pong))
            asked, is_excused = self._loop.time(), False
            await asyncio.wait({ended}, timeout=PING_EVERY)
            while not pong.done() and not ended.done():
                heard, began = self.stats["in_msgs"], self._loop.time()
                await asyncio.wait({ended}, timeout=SILENCE - PING_EVERY)
                now = self._loop.time()
                stood_still = now - began > SILENCE - PING_EVERY + STALL
                if pong.done() or ended.done():
                    break
                if stood_still and not is_excused:
                    asked, is_excused = now, True
                elif now - asked > BEHIND:
                    self._counters.lost["slow"] += 1
                    return f"it sends more than this agent can take: what came was {BEHIND:g} s old"
                elif self.stats["in_msgs"] == heard and not stood_still:
                    return f"no answer within {SILENCE:g} s"
        return ended.result()

    async def end(self, *, at_once: bool) -> None:
        """Close it. With ``at_once`` the server takes nothing more, and is not waited for."""
        self.live = self._is_open = False
        if at_once:
            # Else `close` would write it to what is closed, which fails half-way.
            self._pending, self._pending_data_size = [], 0
            self._abort()
        with suppress(*_GONE):
            async with asyncio.timeout(ABORT_LIMIT if at_once else CLOSE_LIMIT):
                await self.close()
        # Where `close` fails half-way, this is left.
        for one in self._heard.values():
            one._stop_processing()  # noqa: SLF001
        self._abort()

    def send(self, subject: str, data: bytes, reply: str) -> None:
        """Publish a message, or drop it where that is not possible."""
        if self.pending_data_size + len(data) > MAX_UNSENT:
            log.warning("%s takes nothing: a message to it is dropped", self.server)
            self._counters.lost["stalled"] += 1
            return
        try:
            self._at_once(self.publish(subject, data, reply))
            self._counters.messages["sent"] += 1
            self._counters.bytes["sent"] += len(data)
        except errors.MaxPayloadError:
            self._counters.lost["large"] += 1
            text = "%s takes no message of %d bytes (its max_payload is %d)"
            log.warning(text, self.server, len(data), self.max_payload)
        except (errors.ConnectionClosedError, errors.OutboundBufferLimitError):
            pass  # it has ended, which is about to be reported

    def listen(self, subject: str) -> None:
        """Subscribe."""
        with suppress(errors.ConnectionClosedError):
            found = self._at_once(
                self.subscribe(
                    subject,
                    cb=self._received,
                    pending_msgs_limit=MAX_WAITING_MESSAGES,
                    pending_bytes_limit=MAX_WAITING,
                )
            )
            if found is not None:
                self._heard[subject] = found

    def ignore(self, subject: str) -> None:
        """Unsubscribe."""
        found = self._heard.pop(subject, None)
        if found is not None:
            with suppress(errors.ConnectionClosedError):
                self._at_once(found.unsubscribe())

    def _connect_command(self) -> bytes:
        # The first bytes that are sent, with the secrets, or a signature that another could use.
        if self.server.must_be_tls and self._writer().get_extra_info("sslcontext") is None:
            raise ConnectionError("it does not speak TLS: nothing was sent to it")
        return super()._connect_command()

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes
    ) -> None:
        try:
            await super()._process_msg(sid, subject, reply, data, headers)
        except (ValueError, IndexError):
            # It would end the reading of all.
            log.warning("Dropped a message of %s: its subject or headers are damaged", self.server)

    def _writer(self) -> asyncio.StreamWriter:
        writer: asyncio.StreamWriter = self._transport._io_writer  # type: ignore[union-attr]  # noqa: SLF001
        return writer

    def _abort(self) -> None:
        if self._transport:
            self._writer().transport.abort()

    def _at_once(self, coroutine: Coroutine[Any, Any, _T]) -> _T | None:
        """Run a coroutine that does not wait: nats-py only puts what is to be sent into a list.

        One that waits all the same is given up, and the connection with it.
        """
        try:
            coroutine.send(None)
        except StopIteration as stop:
            result: _T = stop.value
            return result
        coroutine.close()
        self._end_by("nats-py waits where it does not")
        return None

    def _end_by(self, reason: str) -> None:
        if not self._ended.done():
            self._ended.set_result(reason)

    async def _received(self, message: Msg) -> None:
        if not self.live:
            return
        self._counters.messages["received"] += 1
        self._counters.bytes["received"] += len(message.data)
        headers = message.headers
        if headers and not message.data and headers.get("Status") == NO_RESPONDERS:
            self._handler.unheard(message.subject)
        else:
            self._handler.received(message.subject, message.data, message.reply)

    async def _failed(self, error: Exception) -> None:
        """Take an error of nats-py's. While it connects, raising it ends the attempt."""
        if not self._is_open:
            raise error
        if isinstance(error, errors.SlowConsumerError):
            self._counters.lost["slow"] += 1
            text = "Messages of %s come in too fast: one to %s is lost"
            log.warning(text, self.server, error.subject, extra={"key": error.sub.subject})
        elif isinstance(error, OSError | errors.StaleConnectionError):
            self._end_by(self._reason(error))
        elif isinstance(error, errors.Error):
            log.warning("%s says: %s", self.server, self._reason(error))
        else:  # of the handler
            log.error("Internal error", exc_info=error)

    async def _closed(self) -> None:
        self._end_for(self.last_error)

    def _reading_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        self._end_for(self.last_error or error)

    def _end_for(self, error: BaseException | None) -> None:
        self._end_by("closed by the server" if error is None else self._reason(error))

    def _reason(self, error: BaseException) -> str:
        """What an error means, in a few words."""
        if isinstance(error, ssl.SSLError):
            return cause(error)
        if isinstance(error, TimeoutError):
            return f"no answer within {CONNECT_LIMIT:g} s"
        if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
            return os.strerror(error.errno).lower()
        if isinstance(error, errors.StaleConnectionError):
            return "closed by the server"
        text = str(error) or type(error).__name__
        if not isinstance(error, errors.Error):
            return text
        text = text.removeprefix("nats: ").strip("'").lower()
        if "expecting info" in text:
            return "it does not speak NATS"
        if "authorization" in text:
            return _REFUSED if self._access.proof else _NO_PROOF
        return text


_REFUSED = "it refuses our user, token or key (see nats.user, nats.token, nats.nkey, nats.creds)"
_NO_PROOF = "it lets nobody in without a proof (see nats.user, nats.token, nats.nkey, nats.creds)"
