"""What the core is handed: a clock, a wire, and nothing else of the world."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from nodnod_client.address import Address

EARLY = 0.001
"""Seconds by which a call may come before its time: uvloop counts in whole milliseconds.

Who then plans it anew for the same moment is called in the next turn, and so on: a busy loop.
"""

_T = TypeVar("_T")


class Hello(Struct, frozen=True):
    """How the agent on the other end names itself when a connection opens.

    ``version`` is 1 or 2; a version-1 agent tells nothing else. ``address`` is where it can be
    dialled, told only by the one that dials; ``digest`` that of its view, by the one that answers.
    """

    version: int
    name: str = ""
    instance: str = ""
    address: str = ""
    digest: str = ""


class Timer(Protocol):
    """A call that is due some time, until it is cancelled."""

    def cancel(self) -> None:
        """Forget the call."""


class Clock(Protocol):
    """Monotonic seconds and calls at a moment; an asyncio loop is one, the tests' clock another."""

    def time(self) -> float:
        """Seconds since some fixed moment; never goes back."""

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call ``callback(*args)`` once the clock has reached ``when``."""


class Random(Protocol):
    """Chance, seeded where a test wants it; a ``random.Random`` is one."""

    def uniform(self, a: float, b: float) -> float:
        """A number between ``a`` and ``b``."""

    def random(self) -> float:
        """A number from 0 up to 1."""

    def choice(self, seq: Sequence[_T]) -> _T:
        """One of ``seq``, which is not empty."""


class Wire(Protocol):
    """One open connection, seen from the core: messages out, and its health.

    Nothing here waits. What comes in over a wire, and its end, is reported to the object that it
    was opened for, and no more once that object has called ``close`` or ``abort``.
    """

    rtt: float | None
    """Seconds that the last ping took to come back; ``None`` before the first."""

    heard: float
    """When the last bytes of any kind came in, on the clock of the core."""

    def send(self, text: bytes) -> None:
        """Send one text message (UTF-8 JSON); dropped in silence if the wire has ended."""

    def ping(self) -> None:
        """Send a ping; the answer shows in ``heard``."""

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye, then end; never waits for the other side longer than a second."""

    def abort(self) -> None:
        """End at once, unsent output and all."""

    @property
    def unsent(self) -> int:
        """Bytes of output that the other side has not taken yet."""


class LinkEnd(Protocol):
    """What a dialled connection reports to."""

    def opened(self, wire: Wire, hello: Hello) -> None:
        """The handshake is through; ``wire`` carries messages from now on."""

    def refused(self, reason: str) -> None:
        """No connection came about; said once, instead of ``opened``."""

    def received(self, text: bytes) -> None:
        """A text message came in."""

    def ended(self, reason: str) -> None:
        """The connection is gone; said once, the last thing said."""


class Dial(Protocol):
    """Begins one attempt to connect; the outcome comes to ``end``, never during the call."""

    def __call__(self, address: Address, end: LinkEnd) -> Timer:
        """Dial ``address``; cancelling the result gives the attempt up in silence."""
