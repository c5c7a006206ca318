"""The writing side of one connection, and how the connection ends.

The output of one loop iteration goes out in one write at its end, unless it is sent with ``send_now``.
Wherever the other side could
keep the agent waiting, by output that it does not read or a close that it does not complete, a
timer is armed that aborts the connection.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Protocol as Interface
from typing import cast

from websockets.protocol import CLIENT, OPEN

from nodnod_agent.transport.frames import PING, Framer, WholeFrames, serialize
from nodnod_client.address import Address

BURST = 64
"""Output messages that wait for the end of the iteration; more are written at once, which shows
whether the other side takes them."""

HIGH_WATER = 64 * 1024
"""Bytes of unsent output above which nothing more is read from the other side."""

UNSENT_LIMIT = 1024 * 1024
"""Bytes of unsent output above which the connection is cut instead of writing more."""

STALL_LIMIT = 5.0
"""Seconds within which the other side must take some output, unless a receiver says otherwise."""

STALL_CHECKS = 10
"""How often within that limit it is looked whether some output was taken: by how much the kernel takes
at once, a client that reads nothing would else be cut after one limit or after two."""

CLOSE_LIMIT = 1.0
"""Seconds within which the other side must complete a close."""

LEFTOVER_LIMIT = 16 * 1024 * 1024
"""Bytes of input that are read and dropped after our end of the connection: closing a socket with
unread input resets the connection, and our last frame is lost. Four times the largest peer message.
"""


class Receiver(Interface):
    """What gets the messages of a connection."""

    full: bool
    """Whether further messages should wait unread."""

    @property
    def stall_limit(self) -> float:
        """Seconds within which the other side must take some of the output that waits for it."""

    def received(self, text: bytes) -> None:
        """Take a text message, which is valid UTF-8."""

    def input_ended(self) -> bool:
        """Expect no more messages; whether answers to some are still to be sent."""


class ConnectionWriter(asyncio.Protocol):
    """The writing side of a connection; `Connection` adds the reading side."""

    __slots__ = (
        "_abort_timer",
        "_discarded",
        "_ended",
        "_flush_scheduled",
        "_input_ended",
        "_ping_sent_at",
        "_stall_limit",
        "_unread",
        "_unsent_before",
        "_unsent_limit",
        "_writing_paused",
        "cut",
        "framer",
        "loop",
        "name",
        "out",
        "receiver",
        "transport",
        "ws",
    )

    transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop, ws: WholeFrames, framer: Framer) -> None:
        self.loop = loop
        self.ws = ws
        self.framer = framer
        self.name = "unknown"
        """The address of the other side, for the log."""
        self.receiver: Receiver | None = None
        self.cut = ""
        """Why the connection was cut by this side, if it was."""
        self.out: list[bytes] = []
        self._unsent_limit = UNSENT_LIMIT
        self._stall_limit = STALL_LIMIT
        """Holds while there is no receiver."""
        self._flush_scheduled = False
        self._writing_paused = False
        self._ended = False
        """Whether our stream has ended, behind all output."""
        self._input_ended = False
        """Whether the other side's stream has ended."""
        self._ping_sent_at = 0.0
        self._unsent_before = self._discarded = 0
        self._unread = b""
        """Input that waits. Here, because each flush gives it a chance: an answer makes room for more."""
        self._abort_timer: asyncio.TimerHandle | None = None

    # The core's Wire.

    def send(self, text: bytes) -> None:
        """Send one text message, unless the connection is closing."""
        if self.ws.state is OPEN:
            self.out.append(self.framer(text))
            if not self._flush_scheduled:
                self.schedule_flush()

    def send_now(self, text: bytes) -> None:
        """Send one text message without waiting for others, unless the connection is closing."""
        if (
            self._flush_scheduled
            or self._writing_paused
            or self._unread
            or self.ws.state is not OPEN
        ):
            self.send(text)
        else:
            self.transport.write(self.framer(text))

    def ping(self) -> None:
        """Send a ping, unless the connection is closing."""
        if self.ws.state is OPEN:
            self._ping_sent_at = perf_counter()
            self.out.append(serialize(PING, b"", mask=self.ws.side is CLIENT))
            self.schedule_flush()

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame, and end within ``CLOSE_LIMIT``."""
        self.receiver = None
        if self.ws.state is OPEN:
            self._collect()
            self.ws.send_close(code, reason)
            self.schedule_flush()
            self._arm_abort(CLOSE_LIMIT, self.cut_off, "did not complete the close")
        else:
            self.abort()

    def abort(self) -> None:
        """End at once; unsent output is lost."""
        self.receiver = None
        self.transport.abort()

    def cut_off(self, reason: str) -> None:
        """End at once, and say why in the log."""
        self._abort_timer = None
        self.cut = self.cut or reason
        self.transport.abort()

    @property
    def unsent(self) -> int:
        """Bytes that the other side has not taken yet."""
        return self.transport.get_write_buffer_size()

    # What the reading side does.

    def resume_input(self) -> None:
        """Go on with input: the other side takes output again, or the receiver has room."""
        raise NotImplementedError

    def drop_input(self) -> None:
        """Drop the input that is not processed yet."""
        raise NotImplementedError

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop has a class of its own
        self.transport.set_write_buffer_limits(HIGH_WATER)
        peer = self.transport.get_extra_info("peername")  # not known any more once it is lost
        if peer:
            self.name = str(Address(peer[0], peer[1]))

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop input and output, and cancel the timer."""
        if self._abort_timer is not None:
            self._abort_timer.cancel()
            self._abort_timer = None
        self.receiver = None
        self.drop_input()
        # A flush may be scheduled already, and a closed transport would raise.
        self.ws.receive_eof()
        self.ws.data_to_send()
        self.out.clear()

    def pause_writing(self) -> None:
        """Wait for the other side to take output, but not longer than the stall limit."""
        self._writing_paused = True
        if self._abort_timer is None:
            self._watch_stall()

    def resume_writing(self) -> None:
        """Go on: the other side has taken output."""
        self._writing_paused = False
        # A close that is under way keeps its limit.
        if self._abort_timer is not None and self.ws.state is OPEN:
            self._abort_timer.cancel()
            self._abort_timer = None
        self.resume_input()

    def schedule_flush(self) -> None:
        """Write what is queued at the end of this loop iteration."""
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Write what is queued, and go on with input that has waited for that."""
        raise NotImplementedError

    def _discard(self, data: bytes) -> None:
        """Drop input after our end of the connection, up to a limit."""
        self._discarded += len(data)
        if self._discarded > LEFTOVER_LIMIT:
            self.transport.abort()

    def _break_cycles(self) -> None:
        """Free the library's protocol object now, without the garbage collector.

        It is part of reference cycles. Where thousands of connections come and go, a collector that
        looks for them stops the loop for tens of milliseconds.
        """
        self.ws.parser.close()
        self.ws.parser_exc = self.ws.handshake_exc = None

    def _fail(self, code: int, reason: str) -> None:
        """Close because the other side broke the protocol; its further input is dropped."""
        if self.ws.state is OPEN:
            self.cut = reason
            self._collect()
            self.ws.fail(code, reason)
            self.schedule_flush()
            self._arm_abort(CLOSE_LIMIT, self.cut_off, reason)

    def _collect(self) -> None:
        """Queue the library's own output (pongs, close frames) behind what was sent."""
        writes = self.ws.data_to_send()
        if writes:
            self.out += writes
            if self.ws.close_expected():
                self._arm_abort(CLOSE_LIMIT, self.cut_off, "did not complete the close")

    def _write(self) -> None:
        out, self.out = self.out, []
        data = out[0] if len(out) == 1 else b"".join(out)
        if self._writing_paused:
            unsent = self.unsent
            if unsent > self._unsent_limit:
                self.cut_off(f"{unsent} bytes of output unread")
                return
            self.transport.write(data)
            # Or new output would hide that some was taken. Over TLS it is longer than the data.
            self._unsent_before += self.unsent - unsent
        else:
            self.transport.write(data)
        if not out[-1]:  # the library's mark for the end of the stream
            # Close one direction only: a full close resets the connection if input is on its way.
            self.receiver = None
            self.drop_input()
            self._ended = True
            with suppress(OSError):  # asyncio's own loop raises if the other side has gone
                self.transport.write_eof()
            if self._input_ended:
                self._close_transport()
            else:
                self.transport.resume_reading()
                self._arm_abort(CLOSE_LIMIT, self._close_transport)

    def _watch_stall(self) -> None:
        limit = self._stall_limit if self.receiver is None else self.receiver.stall_limit
        self._unsent_before = self.unsent
        self._arm_abort(limit / STALL_CHECKS, self._check_stall, limit, STALL_CHECKS - 1)

    def _check_stall(self, limit: float, checks_left: int) -> None:
        self._abort_timer = None
        if self.unsent < self._unsent_before:
            if self._writing_paused or self._ended:
                self._watch_stall()
        elif checks_left:
            self._arm_abort(limit / STALL_CHECKS, self._check_stall, limit, checks_left - 1)
        else:
            self.cut_off(f"has read nothing for {limit:.3g} s")

    def _close_transport(self) -> None:
        """Close; unsent output still goes out while the other side takes some."""
        self._watch_stall()
        self.transport.close()

    def _arm_abort(self, seconds: float, callback: Callable[..., None], *args: object) -> None:
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        self._abort_timer = self.loop.call_later(seconds, callback, *args)
