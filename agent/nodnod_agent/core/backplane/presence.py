"""Who is there on a backplane, and how agents ask each other over it.

Every process tells its *word* every ten seconds. Who has heard it can be dialed: there is no connection
to make, so an attempt succeeds with the first word and fails without one. What an agent asks another
is taken by a session, as if it had dialed.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from nodnod_agent.core.backplane.process import BusWire, Process
from nodnod_agent.core.backplane.subjects import ALL, ANSWER, ASK, WORD, Sender, Subjects
from nodnod_agent.core.backplane.word import Word, decode_word
from nodnod_agent.core.interfaces import (
    Backplane,
    BackplaneHandler,
    Clock,
    DialHandler,
    Hello,
    Random,
    Timer,
    Wire,
)
from nodnod_agent.core.requests.session import Session
from nodnod_client.address import Address, AddressError, parse_address
from nodnod_client.codec import encode
from nodnod_client.errors import WireError
from nodnod_client.messages import MemberEntry

WORD_EVERY = 10.0
"""Seconds between two words of a process, give or take a tenth."""

ASKED_AFTER = 11.5
"""Seconds of silence after which a process is asked for a word: one may have been lost."""

SILENCE = 14.0
"""Seconds of silence after which a process is down."""

CHECK_EVERY = 1.0

SPREAD = 0.25
"""Seconds within which all answer a call, at random moments."""

WORDS_APART = 0.1
"""Seconds between two words at least, however often others ask for one."""

MAX_PROCESSES = 16_384
"""Processes that are known at a time; those of strangers would take memory without end."""

PAYLOAD = 1024 * 1024
"""Bytes of a message that a bus takes, unless it is configured otherwise."""

OF_NOBODY = b""
"""A request that asks for a word only."""

Connect = Callable[[BackplaneHandler], Backplane]
"""A way to a bus, which reports to the handler."""

log = logging.getLogger("nodnod")


class Accept(Protocol):
    """Takes an agent that asks something for the first time."""

    def __call__(self, wire: Wire, hello: Hello) -> Session:
        """Return what takes its requests."""


class Attempt:
    """An attempt to dial, which waits for a word."""

    def __init__(self, address: Address, handler: DialHandler) -> None:
        self.address = address
        self.handler = handler
        self.timer: Timer | None = None
        self.over = False

    def cancel(self) -> None:
        """Give it up, and report nothing."""
        self.over = True
        if self.timer is not None:
            self.timer.cancel()


class Presence:
    """Tells others that this process is there, and hears them."""

    def __init__(
        self,
        connect: Connect,
        cluster: str,
        sender: Sender,
        own: Callable[[], MemberEntry],
        heard: Callable[[MemberEntry], None],
        accept: Accept,
        *,
        clock: Clock,
        wall: Callable[[], float],
        rng: Random,
    ) -> None:
        """``own`` gives the entry of this process, which is ``sender``.

        ``heard`` takes the entry of another, by its own word.
        """
        self._sender = sender
        self._subjects = Subjects(cluster, self._sender)
        self._own = own
        self._heard = heard
        self._accept = accept
        self._clock = clock
        self._wall = wall
        self._rng = rng
        self._processes: dict[Sender, Process] = {}
        self._at: dict[Address, Process] = {}
        """The newest process at each address."""
        self._attempts: dict[Address, Attempt] = {}
        self._away_since = wall()
        self._told_at = float("-inf")
        self._telling: Timer | None = None
        """The next word."""
        self._telling_at = float("inf")
        self._checking: Timer | None = None
        self._takes = {WORD: self._take_word, ASK: self._take_request, ANSWER: self._take_answer}
        self._takes[ALL] = self._take_call
        self.bus = connect(self)

    def start(self) -> None:
        """Begin to tell and to hear."""
        for subject in (*self._subjects.own, self._subjects.words):
            self.bus.subscribe(subject)
        self._check()
        if self.bus.up:
            self.connected()

    def leave(self) -> None:
        """Tell all that this process leaves on purpose."""
        self._tell()

    def stop(self) -> None:
        """Tell and hear nothing more."""
        for timer in (self._telling, self._checking):
            if timer is not None:
                timer.cancel()
        for attempt in self._attempts.values():
            attempt.cancel()
        self._attempts.clear()

    def dial(self, address: Address, handler: DialHandler) -> Attempt:
        """Reach the process at an address as soon as it is heard; the core's way to dial."""
        attempt = self._attempts[address] = Attempt(address, handler)
        attempt.timer = self._clock.call_at(self._clock.time(), self._try, attempt)
        return attempt

    # What the bus reports.

    def connected(self) -> None:
        """Tell all, and have all tell: they were not heard for a while."""
        self._tell()
        self.bus.publish(self._subjects.all, b"{}")

    def disconnected(self, reason: str) -> None:
        """Note that nobody can be heard or asked."""
        log.warning("The backplane is away: %s", reason)
        self._away_since = self._wall()
        for process in tuple(self._processes.values()):
            self._end(process, self._away)
        for attempt in tuple(self._attempts.values()):
            self._refuse(attempt, self._away)

    def unheard(self, subject: str) -> None:
        """Do nothing: nobody hears this."""

    def received(self, subject: str, data: bytes, _: str) -> None:
        """Take a message."""
        try:
            kind, sender = self._subjects.parse(subject)
            take = self._takes[kind]
        except (ValueError, KeyError) as error:
            log.warning("Dropped a message of the backplane: %s", error, extra={"key": "subject"})
            return
        if sender == self._sender:
            return
        process = self._processes.get(sender)
        if process is None:
            if len(self._processes) >= MAX_PROCESSES:
                return
            process = self._processes[sender] = Process(sender, self._clock.time())
        process.heard = self._clock.time()
        take(process, data)

    def _take_word(self, process: Process, data: bytes) -> None:
        sender = process.sender
        try:
            entry = decode_word(data).member
            if (entry.name, entry.instance) != sender:
                raise WireError(f"it is of {entry.name[:64]!r}")
            address = parse_address(entry.address)
        except (WireError, AddressError) as error:
            self._complain(process, f"a bad word: {error}")
            return
        there = self._at.get(address)
        if there is not None and there is not process and there.entry is not None:
            if there.entry.incarnation > entry.incarnation:
                self._complain(process, f"a word of {address}, where {there.sender.name} is")
                return
            self._end(there, "another process is there")
        process.entry = entry
        if entry.state == "left":
            self._heard(entry)
            self._end(process, "left")
            return
        self._at[address] = process
        self._heard(entry)
        attempt = self._attempts.get(address)
        if attempt is not None and process.wire is None:
            self._open(attempt, process)

    def _take_request(self, process: Process, data: bytes) -> None:
        if data == OF_NOBODY:
            self._tell_within(0.0)
            return
        session = process.session
        process.used = self._clock.time()
        if session is None:
            session = self._open_session(process)
        if not session.full:  # else it has asked too much that is not answered
            session.received(data)

    def _take_answer(self, process: Process, data: bytes) -> None:
        if process.handler is not None:
            process.handler.received(data)

    def _take_call(self, _: Process, __: bytes) -> None:
        self._tell_within(SPREAD)

    # Own words.

    def _tell_within(self, seconds: float) -> None:
        """Tell at a random moment within so many seconds, but not too often."""
        when = self._clock.time() + self._rng.uniform(0.0, seconds)
        when = max(when, self._told_at + WORDS_APART)
        if when < self._telling_at:
            self._plan(when)

    def _tell(self) -> None:
        self._told_at = now = self._clock.time()
        self.bus.publish(self._subjects.word, encode(Word(self._own())))
        self._plan(now + WORD_EVERY * self._rng.uniform(0.9, 1.1))

    def _plan(self, when: float) -> None:
        if self._telling is not None:
            self._telling.cancel()
        self._telling_at = when
        self._telling = self._clock.call_at(when, self._tell)

    # Others.

    def _check(self) -> None:
        """End what is silent, and ask first what may be."""
        now = self._clock.time()
        self._checking = self._clock.call_at(now + CHECK_EVERY, self._check)
        for process in tuple(self._processes.values()):
            silent = now - process.heard
            if silent >= SILENCE:
                self._end(process, f"no word from it for {silent:.0f} s")
            elif silent >= ASKED_AFTER and process.wire is not None:
                process.wire.send(OF_NOBODY)

    def _try(self, attempt: Attempt) -> None:
        process = self._at.get(attempt.address)
        if process is not None:
            self._open(attempt, process)
        elif not self.bus.up:
            self._refuse(attempt, self._away)
        else:
            when, reason = self._clock.time() + SILENCE, f"no word from it for {SILENCE:.0f} s"
            attempt.timer = self._clock.call_at(when, self._refuse, attempt, reason)

    def _open(self, attempt: Attempt, process: Process) -> None:
        self._finish(attempt)
        if attempt.over:
            return
        attempt.over = True
        subject = self._subjects.ask(process.sender)
        closed = partial(self._closed, process)
        wire = process.wire = BusWire(self.bus, subject, process, self._clock, closed)
        process.handler = attempt.handler
        attempt.handler.opened(wire, self._hello(process))

    def _closed(self, process: Process) -> None:
        process.wire = process.handler = None

    def _refuse(self, attempt: Attempt, reason: str) -> None:
        self._finish(attempt)
        if not attempt.over:
            attempt.over = True
            attempt.handler.refused(reason)

    def _finish(self, attempt: Attempt) -> None:
        if self._attempts.get(attempt.address) is attempt:
            del self._attempts[attempt.address]
        if attempt.timer is not None:
            attempt.timer.cancel()

    def _open_session(self, process: Process) -> Session:
        wire = BusWire(
            self.bus,
            self._subjects.answer(process.sender),
            process,
            self._clock,
            partial(self._end_session, process),
        )
        session = process.session = self._accept(wire, self._hello(process))
        return session

    def _end_session(self, process: Process) -> None:
        session, process.session = process.session, None
        if session is not None:
            session.ended()

    def _hello(self, process: Process) -> Hello:
        address = process.entry.address if process.entry is not None else ""
        return Hello(2, *process.sender, address, limit=PAYLOAD)

    def _end(self, process: Process, reason: str) -> None:
        """Forget a process, and all that goes on with it."""
        del self._processes[process.sender]
        if process.entry is not None:
            address = parse_address(process.entry.address)
            if self._at.get(address) is process:
                del self._at[address]
        self._end_session(process)
        wire, handler = process.wire, process.handler
        if wire is not None and handler is not None:
            wire.open = False
            self._closed(process)
            handler.ended(reason)

    def _complain(self, process: Process, what: str) -> None:
        name, instance = process.sender
        key = {"key": f"word {name}"}
        log.warning("%s (%s) sent %s", name, instance, what, extra=key)

    @property
    def _away(self) -> str:
        since = datetime.fromtimestamp(self._away_since, UTC)
        return f"no backplane since {since:%H:%M:%S} UTC"
