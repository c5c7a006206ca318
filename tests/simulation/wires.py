"""One end of a simulated TCP connection with WebSocket on it: the core's Wire.

A connection is two ordered, reliable streams. Nothing that is sent is lost while the connection
lives: what a real network drops, TCP sends again, so here it arrives late, and everything behind it
too. What runs into a cut waits until the network heals or the connection is given up.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nodnod_agent.core.requests.session import Session
from nodnod_agent.transport.server_connection import PING_AFTER
from nodnod_agent.transport.writer import HIGH_WATER
from simulation.hosts import Process

if TYPE_CHECKING:
    from simulation.network import Network

KERNEL_BUFFER = 128 * 1024
"""Bytes that the two kernels buffer before the sender notices that the receiver does not read."""

FIRST_RTO = 0.2
"""Seconds until TCP sends again what was not acknowledged; doubles with each attempt (RFC 6298)."""

_MULTIPLIER, _INCREMENT, _MODULUS = 25214903917, 11, 1 << 48  # drand48


class End:
    """One side; its random numbers are its own, so that no other traffic changes them."""

    __slots__ = (
        "_chance",
        "_heard",
        "_held",
        "_held_since",
        "_in_flight",
        "_last",
        "_network",
        "_pong",
        "_pong_rtt",
        "_waiting",
        "accepted",
        "ended",
        "open",
        "peer",
        "process",
        "received",
        "rtt",
        "session",
    )

    pinged = True
    peer: "End"
    received: Callable[[bytes], None]
    ended: Callable[[str], None]

    def __init__(self, network: "Network", process: Process, seed: int, *, accepted: bool) -> None:
        self.process = process
        self.accepted = accepted
        self.open = True
        self.session: Session | None = None
        self.rtt: float | None = None
        self._network = network
        self._chance = seed % _MODULUS
        self._heard = network.clock.now
        self._last = 0.0
        self._pong = 0.0
        self._pong_rtt = 0.0
        self._in_flight = 0
        self._held: deque[tuple[Callable[..., None], tuple[Any, ...]]] | None = None
        self._held_since = 0.0
        self._waiting: deque[bytes] | None = None
        process.ends[self] = None

    # The core's Wire.

    @property
    def heard(self) -> float:
        if self._heard < self._pong <= self._network.clock.now:
            self._heard = self._pong
            self.rtt = self._pong_rtt
        return self._heard + self.process.offset

    @property
    def unsent(self) -> int:
        return max(0, self._in_flight - KERNEL_BUFFER)

    def send(self, text: bytes) -> None:
        if not self.open:
            return
        size = len(text)
        process = self.process
        process.sent += 1
        process.sent_bytes += size
        self._in_flight += size
        self._push(self.peer._take, text)
        if self._waiting:
            self._plan_drain()

    send_now = send

    def ping(self) -> None:
        """Ping. Where the way is free, the time of the pong is known without an event."""
        if not self.open:
            return
        now = self._network.clock.now
        if self._clear() and self.peer._clear() and self._pong <= now:
            self._heard = max(self._heard, self._pong)
            self._pong = self.peer._arrival(self._arrival(now))
            self._pong_rtt = self._pong - now
        else:
            self._push(self.peer._pinged, now)

    def close(self, code: int, reason: str = "") -> None:
        said = f"closed by the other side ({code} {reason})".replace(" )", ")")
        self._leave(said)

    def abort(self) -> None:
        self._leave("connection reset by peer")

    # What happens to it.

    def upgraded(self, opened: Callable[[], None]) -> None:
        """Answer the upgrade: the first thing that the other side receives."""
        self._push(opened)

    def heard_now(self) -> None:
        """Something came in just now."""
        self._heard = self._network.clock.now

    def reset(self) -> None:
        """Its process was killed: the kernel resets the connection."""
        self.open = False
        self._push(self.peer._finish, "connection reset by peer")
        self._watch_half_open()

    def vanish(self) -> None:
        """Its machine is gone; the other side gets no reset, unless it was on it too."""
        if self.process.host is self.peer.process.host:
            self.reset()
        else:
            self.open = False
            self._held = None
            self.process.host.orphans.append(self.peer)
            self._watch_half_open(lost=True)

    def orphaned(self) -> None:
        """The machine of the other side is up again, and knows nothing of this connection."""
        clock = self._network.clock
        reason = "connection reset by peer"
        clock.plan(clock.now + FIRST_RTO, self.process, True, self._finish, (reason,))

    def release(self) -> None:
        """Send again what was held, if the way is free now."""
        held = self._held
        if held is None:
            return
        if self._network.blocked(self.process.host, self.peer.process.host):
            self._network.holding[self] = None
            return
        self._held = None
        for method, args in held:
            self._push(method, *args)

    def retransmission(self) -> float:
        """When TCP will try to send again what is held."""
        now = self._network.clock.now
        when, wait = self._held_since, FIRST_RTO
        while when <= now:
            when += wait
            wait = min(wait * 2, 120.0)
        return when

    def chance(self) -> float:
        """The next of its random numbers, 0 to 1."""
        self._chance = (self._chance * _MULTIPLIER + _INCREMENT) % _MODULUS
        return self._chance / _MODULUS

    def _clear(self) -> bool:
        """Whether a message that is sent now gets through without delay."""
        peer = self.peer
        return (
            self._held is None
            and peer.open
            and peer.process.alive
            and not peer.process.frozen
            and not self._network.blocked(self.process.host, peer.process.host)
        )

    def _push(self, method: Callable[..., None], *args: Any) -> None:
        network = self._network
        peer = self.peer
        if self._held is not None:
            self._held.append((method, args))
        elif network.blocked(self.process.host, peer.process.host):
            self._held = deque([(method, args)])
            self._held_since = network.clock.now
            network.holding[self] = None
        else:
            arrival = self._arrival(network.clock.now)
            network.clock.plan(arrival, peer.process, True, method, args)

    def _arrival(self, sent: float) -> float:
        arrival = sent + self._network.delay(self)
        if arrival < self._last:
            return self._last
        self._last = arrival
        return arrival

    def _take(self, text: bytes) -> None:
        """A message has arrived here."""
        peer = self.peer
        peer._in_flight -= len(text)
        if peer._waiting:
            peer._plan_drain()
        if not self.open:
            return
        self._heard = self._network.clock.now
        if self.session is not None and (self._waiting or self._full()):
            if self._waiting is None:
                self._waiting = deque()
            self._waiting.append(text)
        else:
            self.received(text)

    def _full(self) -> bool:
        """Whether it reads no further message now, as the transport does."""
        return self.unsent > HIGH_WATER or (self.session is not None and self.session.full)

    def _plan_drain(self) -> None:
        self._network.clock.plan(self._network.clock.now, self.process, True, self._drain)

    def _drain(self) -> None:
        while self.open and self._waiting and not self._full():
            self.received(self._waiting.popleft())

    def _pinged(self, since: float) -> None:
        if self.open:
            self._heard = self._network.clock.now
            self._push(self.peer._ponged, since)

    def _ponged(self, since: float) -> None:
        if self.open:
            self._heard = self._network.clock.now
            self.rtt = self._heard - since

    def _leave(self, said: str) -> None:
        if not self.open:
            return
        self.open = False
        self.process.ends.pop(self, None)
        self._push(self.peer._finish, said)
        self._watch_half_open()
        if self.accepted:  # an accepted side learns of every end, also of its own
            clock = self._network.clock
            clock.plan(clock.now, self.process, True, self.ended, (said,))

    def _finish(self, reason: str) -> None:
        if self.open:
            self.open = False
            self.process.ends.pop(self, None)
            self.ended(reason)

    def _watch_half_open(self, *, lost: bool = False) -> None:
        """The other side may get no reset: then its own keepalive notices.

        The keepalive of a dialed end is part of the core; that of an accepted one, of the server.
        """
        peer = self.peer
        if peer.accepted and peer.open and (lost or self._held is not None):
            reason = f"no sign of life for {2 * PING_AFTER:.3g} s"
            clock = self._network.clock
            clock.plan(clock.now + 2 * PING_AFTER, peer.process, False, peer._finish, (reason,))
