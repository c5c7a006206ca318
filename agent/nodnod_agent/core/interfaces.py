"""The ports of the core: clock, randomness, connections, dialing and the backplane."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from nodnod_client.address import Address
from nodnod_client.messages import MAX_MESSAGE

EARLY = 0.001
"""Seconds by which a call may come before its time: uvloop counts in whole milliseconds.

A call that is then planned anew for the same moment comes in the next turn, and so on: a busy loop.
"""

_T = TypeVar("_T")


class Hello(Struct, frozen=True):
    """What the agent on the other end tells of itself when a connection opens.

    ``version`` is 1 or 2; a version-1 agent tells nothing else. The dialing agent tells the
    ``address`` where it can be dialed, the answering one the ``digest`` of its membership table.
    ``limit`` is the size in bytes of the largest message that it accepts. ``operator`` is not told
    but granted: the name of a client that may silence alerts, empty if unknown, else ``None``. Nor is
    ``gossips``: whether news are exchanged with it from the start.
    """

    version: int
    name: str = ""
    instance: str = ""
    address: str = ""
    digest: str = ""
    limit: int = MAX_MESSAGE
    operator: str | None = None
    gossips: bool = True


class Timer(Protocol):
    """A planned call, or an attempt to dial, that can be cancelled."""

    def cancel(self) -> None:
        """Cancel it; nothing is reported of it any more."""


class Clock(Protocol):
    """Monotonic seconds and calls at a moment; an asyncio loop is one, the tests' clock another."""

    def time(self) -> float:
        """Seconds since some fixed moment; never goes back."""

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call ``callback(*args)`` once the clock has reached ``when``."""


class Random(Protocol):
    """Randomness, seeded in tests; a ``random.Random`` is one."""

    def uniform(self, a: float, b: float) -> float:
        """A number between ``a`` and ``b``."""

    def random(self) -> float:
        """A number from 0 up to 1."""

    def choice(self, seq: Sequence[_T]) -> _T:
        """One of ``seq``, which is not empty."""


class Wire(Protocol):
    """One open connection: sends messages, and tells its health. Nothing here waits.

    What comes in, and the end, is reported to the object that the connection was opened for, and no
    more once that object has called ``close`` or ``abort``.
    """

    pinged: bool
    """Whether pings keep it alive; else who has opened it watches the other side."""
    rtt: float | None
    """Seconds that the last ping took to come back; ``None`` before the first."""

    @property
    def heard(self) -> float:
        """When the last bytes of any kind came in, on the clock of the core."""

    def send(self, text: bytes) -> None:
        """Send one text message (UTF-8 JSON); dropped without an error if the connection ended."""

    def send_now(self, text: bytes) -> None:
        """Send one text message like ``send``, without waiting for more of this turn of the loop."""

    def ping(self) -> None:
        """Send a ping; the pong shows in ``heard``."""

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame, then end; waits at most a second for the other side."""

    def abort(self) -> None:
        """End at once, and discard unsent output."""

    @property
    def unsent(self) -> int:
        """Bytes of output that the other side has not taken yet."""


class DialHandler(Protocol):
    """What an attempt to dial, and the connection that comes of it, report to."""

    def opened(self, wire: Wire, hello: Hello) -> None:
        """The handshake is complete; ``wire`` carries messages from now on."""

    def refused(self, reason: str) -> None:
        """The attempt has failed; reported once, instead of ``opened``."""

    def received(self, text: bytes) -> None:
        """A text message came in."""

    def ended(self, reason: str) -> None:
        """The connection has ended; reported once, last."""


class Dial(Protocol):
    """Begins one attempt to connect; reports to ``handler``, never during the call."""

    def __call__(self, address: Address, handler: DialHandler, /) -> Timer:
        """Dial ``address``; cancelling the result gives the attempt up without a report."""


class BackplaneCounters:
    """Totals of the connection to a backplane."""

    def __init__(self) -> None:
        self.connections = 0
        """Of which the first one is no reconnect."""
        self.messages = {"received": 0, "sent": 0}
        self.bytes = {"received": 0, "sent": 0}
        """Of the messages, without their subjects."""
        self.lost = {"slow": 0, "stalled": 0, "large": 0}
        """Messages that came in faster than they were handled, waited too long to be sent, or were too large."""


class Backplane(Protocol):
    """A connection to servers that pass messages on by their subjects. Nothing here waits.

    What happens is reported to a BackplaneHandler. What one agent publishes comes in order, at most
    once, and at itself too if it has subscribed.
    """

    @property
    def up(self) -> bool:
        """Whether it is connected, and all subscriptions are in place."""

    @property
    def server(self) -> str:
        """The server to which it is connected; empty if it is not."""

    @property
    def max_payload(self) -> int:
        """Bytes of a message that the server takes."""

    @property
    def counters(self) -> BackplaneCounters:
        """What has come and gone since the start."""

    def start(self, handler: "BackplaneHandler") -> None:
        """Begin to connect, and report to ``handler``."""

    def publish(self, subject: str, data: bytes, reply: str = "") -> None:
        """Send one message; dropped without an error while not connected.

        ``reply`` is the subject of an answer; where nobody listens, the handler's ``unheard`` is told.
        """

    def subscribe(self, subject: str) -> None:
        """Receive what is published to ``subject``, in which ``*`` is any token and ``>`` any end."""

    def unsubscribe(self, subject: str) -> None:
        """Receive no more of ``subject``, which was subscribed in the same words."""


class BackplaneHandler(Protocol):
    """What a backplane reports to, never during a call to it."""

    def connected(self) -> None:
        """It is connected, or again: all subscriptions are in place."""

    def disconnected(self, reason: str) -> None:
        """It is not connected; reported once until ``connected``, also where the first try fails."""

    def received(self, subject: str, data: bytes, reply: str) -> None:
        """A message came in; ``reply`` is the subject of an answer, empty for none."""

    def unheard(self, subject: str) -> None:
        """A message with a reply subject reached no subscriber; ``subject`` is that reply subject."""
