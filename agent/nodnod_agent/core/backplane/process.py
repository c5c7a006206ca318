"""One process that is heard over the backplane, and the wires to it."""

from collections.abc import Callable

from nodnod_agent.core.backplane.subjects import Sender
from nodnod_agent.core.backplane.word import Word
from nodnod_agent.core.interfaces import Clock, DialHandler
from nodnod_agent.core.requests.session import Session
from nodnod_client.address import Address


class Process:
    """What is known of it: its own entry, when it was heard, and who here talks to it."""

    __slots__ = (
        "address",
        "handler",
        "heard",
        "listed",
        "sender",
        "session",
        "site",
        "spoken",
        "told",
        "used",
        "via",
        "wire",
        "word",
    )

    def __init__(self, sender: Sender, now: float) -> None:
        self.sender = sender
        self.word: Word | None = None
        """Its last word, and the address in it; ``None`` while only requests of it were heard."""
        self.address: Address | None = None
        self.heard = now
        self.used = now
        """When it last asked something."""
        self.wire: BusWire | None = None
        """Over which this agent asks it, for ``handler``; the other direction is ``session``."""
        self.handler: DialHandler | None = None
        self.session: Session | None = None
        self.site = ""
        """The site for which it speaks."""
        self.told = 0
        """The hash of its last word as a speaker."""
        self.spoken: dict[str, Process] = {}
        """For whom it speaks, by the names under which it lists them."""
        self.via: Process | None = None
        """Who speaks for it, and lists it as ``listed``."""
        self.listed = ""

    @property
    def is_registrar(self) -> bool:
        """Whether it says that it is one."""
        return self.word is not None and self.word.registrar

    @property
    def alive(self) -> float:
        """When it, or who speaks for it, was heard last."""
        return self.heard if self.via is None else self.via.heard


class BusWire:
    """A Wire of the core that publishes.

    No pings go over it: the process tells by itself that it is there, and who watches that ends it.
    """

    pinged = False
    rtt: float | None = None
    unsent = 0

    def __init__(
        self,
        publish: Callable[[bytes], None],
        process: Process,
        clock: Clock,
        closed: Callable[[], None],
    ) -> None:
        """``publish`` sends a message to the process; ``closed`` is called where this side ends it."""
        self._publish = publish
        self._process = process
        self._clock = clock
        self._closed = closed
        self.open = True

    @property
    def heard(self) -> float:
        """Now, while it is open: so nobody else ends it for its silence. Then when that was."""
        return self._clock.time() if self.open else self._process.alive

    def send(self, text: bytes) -> None:
        """Publish a message, unless the wire has ended."""
        if self.open:
            self._publish(text)

    send_now = send

    def ping(self) -> None:
        """Do nothing."""

    def close(self, code: int, reason: str = "") -> None:
        """End it; the process is not told."""
        self.abort()

    def abort(self) -> None:
        """End it; the process is not told."""
        if self.open:
            self.open = False
            self._closed()
