"""Who is there on a backplane, and how agents ask each other over it.

Every process tells its *word* every ten seconds. Who has heard it can be dialed: there is no connection
to make, so an attempt succeeds with the first word and fails without one. What an agent asks another
is taken by a session, as if it had dialed.

An agent that nobody asks is *asleep*: it tells its word and answers, but hears no words. So what it
costs does not grow with the number of nodes. It is *awake* while its clients ask about others, and
while it has news to tell. Three agents, the *registrars*, are awake always: they remember who was there,
and judge who is down.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from nodnod_agent.core.backplane.process import BusWire, Process
from nodnod_agent.core.backplane.samples import Samples
from nodnod_agent.core.backplane.subjects import (
    ALL,
    ANSWER,
    ASK,
    SAMPLE,
    TELL,
    WORD,
    Sender,
    Subjects,
)
from nodnod_agent.core.backplane.wakefulness import STARTING_FOR, Wakefulness
from nodnod_agent.core.backplane.word import Call, Word, decode_call, decode_word
from nodnod_agent.core.interfaces import (
    Backplane,
    Clock,
    DialHandler,
    Hello,
    Random,
    Timer,
    Wire,
)
from nodnod_agent.core.membership.member import Member
from nodnod_agent.core.membership.peers import Peers
from nodnod_agent.core.requests.session import Session
from nodnod_client.address import Address, parse_address
from nodnod_client.codec import encode
from nodnod_client.errors import AddressError, WireError

WORD_EVERY = 10.0
"""Seconds between two words of a process, give or take a tenth."""

ASKED_AFTER = 11.5
"""Seconds of silence after which a process is asked for a word: one may have been lost."""

SILENCE = 13.5
"""Seconds of silence after which a process is down."""

WOKEN_SILENCE = 4.0
"""Seconds in which a process must be heard after this one woke, and called all."""

CHECK_EVERY = 1.0

SPREAD = 0.25
"""Seconds within which all answer a call, at random moments."""

GATHERING = SPREAD + 0.1
"""Seconds after a call until all can have answered."""

WORDS_APART = 0.1
"""Seconds between two words at least, however often others ask for one."""

UNTOLD_FOR = 3 * WORD_EVERY
"""Seconds without a registrar's call, and at most a word's interval more, after which one that is asleep
wakes: a bus may take minutes to notice that a process has lost its power."""

UNUSED_FOR = 60.0
"""Seconds after which a session that asks nothing ends."""

MAX_PROCESSES = 16_384
"""Processes that are known at a time; those of strangers would take memory without end."""

PAYLOAD = 1024 * 1024
"""Bytes of a message that a bus takes, unless it is configured otherwise."""

ALIVE = b""
"""A request for a word only."""

FEW = 3
"""Processes that called, up to which each is told apart; more are told by one word to all."""

SERVE = b"serve"
"""A request to be a registrar."""

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
    """Tells others that this process is there, hears them, and carries what they ask each other."""

    def __init__(
        self,
        bus: Backplane,
        cluster: str,
        peers: Peers,
        accept: Accept,
        own_sample: Callable[[], bytes],
        published: Callable[[Member], None],
        is_busy: Callable[[], bool],
        *,
        every: float,
        clock: Clock,
        wall: Callable[[], float],
        rng: Random,
    ) -> None:
        """``own_sample`` gives the object of this node, which has a new one ``every`` so many seconds.

        ``published`` is told of the numbers of others; ``is_busy`` whether to stay awake.
        """
        own = peers.gossip.table.own
        self._sender = Sender(own.name, own.instance)
        self._subjects = Subjects(cluster, self._sender)
        self._peers = peers
        self._accept = accept
        self._published = published
        self._every = every
        self._clock = clock
        self._wall = wall
        self._rng = rng
        self._processes: dict[Sender, Process] = {}
        self._at: dict[Address, Process] = {}
        """The newest process at each address."""
        self._attempts: dict[Address, Attempt] = {}
        self._wakefulness = Wakefulness(self._sender, is_busy, clock, rng)
        self._gathered = 0.0
        """When all can have answered the last call for words."""
        self._away_since = wall()
        self._told_at = float("-inf")
        self._registrar_at = float("-inf")
        """When a registrar has called last, this one or another."""
        self._telling: Timer | None = None
        """The next word."""
        self._telling_at = float("inf")
        self._callers: dict[Sender, None] = {}
        """Who has called, and is not told yet."""
        self._answering: Timer | None = None
        self._checking: Timer | None = None
        self._takes = {
            WORD: self._take_word,
            TELL: self._take_word,
            SAMPLE: self._take_sample,
            ALL: self._take_call,
            ASK: self._take_request,
            ANSWER: self._take_answer,
        }
        self.samples = Samples(
            peers.roster,
            lambda data: self.bus.publish(self._subjects.sample, data),
            lambda lease: self._call(Call(lease=lease)),
            own_sample,
            clock,
            rng,
            SPREAD,
        )
        self.bus = bus

    @property
    def awake(self) -> bool:
        """Whether it hears the words of others."""
        return self._wakefulness.awake

    @property
    def registrar(self) -> bool:
        """Whether it is one."""
        return self._wakefulness.registrar

    def start(self) -> None:
        """Begin to tell and to hear."""
        for subject in self._subjects.own:
            self.bus.subscribe(subject)
        if self._wakefulness.attend(STARTING_FOR):
            self._wake()
        self.bus.start(self)

    def leave(self) -> None:
        """Tell all that this process leaves on purpose."""
        self._tell()

    def stop(self) -> None:
        """Tell and hear nothing more."""
        for timer in (self._telling, self._answering, self._checking):
            if timer is not None:
                timer.cancel()
        for attempt in self._attempts.values():
            attempt.cancel()
        self._attempts.clear()
        self.samples.end()

    def dial(self, address: Address, handler: DialHandler) -> Attempt:
        """Reach the process at an address as soon as it is heard; the core's way to dial."""
        attempt = self._attempts[address] = Attempt(address, handler)
        attempt.timer = self._clock.call_at(self._clock.time(), self._try, attempt)
        return attempt

    def group(self, _: str) -> str:
        """Who cares for a node that cannot tell of itself, or whose news people must hear: one group."""
        return ""

    def members(self, _: str, up: list[str]) -> list[str]:
        """The registrars of those that are up, or all where none is: the others sleep."""
        table = self._peers.gossip.table
        own = table.own.address if self.registrar else ""
        known = {str(one.address) for one in self._at.values() if _is_registrar(one)}
        return [address for address in up if address in known or address == own] or up

    def attend(self) -> float:
        """Be awake, since somebody asks; the seconds until all can be known."""
        if self._wakefulness.attend():
            self._wake()
        return max(0.0, self._gathered - self._clock.time())

    # What the bus reports.

    def connected(self) -> None:
        """Tell all, and have all tell if this agent is awake: they were not heard for a while."""
        self.samples.end()  # a lease taken meanwhile has reached nobody
        self._tell()
        if self.awake:
            self._call(Call(words=True))

    def disconnected(self, _: str) -> None:
        """Note that nobody can be heard or asked."""
        self._away_since = self._wall()
        self.samples.end()
        for process in tuple(self._processes.values()):
            self._end(process, self._away)
        for attempt in tuple(self._attempts.values()):
            self._refuse(attempt, self._away)

    def unheard(self, _: str) -> None:
        """Nobody is awake to hear the words of this agent: there is no registrar."""
        self.attend()

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
        try:
            word = decode_word(data)
            entry = word.member
            if (entry.name, entry.instance) != process.sender:
                raise WireError(f"it is of {entry.name[:64]!r}")
            address = parse_address(entry.address)
        except (WireError, AddressError) as error:
            self._complain(process, f"a bad word: {error}")
            return
        there = self._at.get(address)
        if there is not None and there is not process and there.word is not None:
            if there.word.member.incarnation > entry.incarnation:
                self._complain(process, f"a word of {address}, where {there.sender.name} is")
                return
            self._end(there, "another process is there")
        before, process.word, process.address = process.word, word, address
        if entry.state == "left":
            self._peers.heard(entry)
            self._end(process, "left")
            return
        self._at[address] = process
        if process.wire is None or before is None or before.member != entry:
            self._peers.heard(entry)
        attempt = self._attempts.get(address)
        if attempt is not None and process.wire is None:
            self._open(attempt, process)
        self._gossip_with(process)

    def _take_sample(self, process: Process, data: bytes) -> None:
        if process.address is not None and process.word is not None:
            samples = self.samples
            member = samples.take(process.address, process.sender.name, data, process.word.every)
            if member is not None:
                self._published(member)

    def _take_request(self, process: Process, data: bytes) -> None:
        if data == ALIVE:
            self._tell_within(0.0)
            return
        if data == SERVE:
            self.attend()
            self._wakefulness.serve()
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

    def _take_call(self, process: Process, data: bytes) -> None:
        try:
            call = decode_call(data)
        except WireError as error:
            self._complain(process, f"a bad call: {error}")
            return
        if call.words:
            self._callers[process.sender] = None
            if self._answering is None:
                when = self._clock.time() + self._rng.uniform(0.0, SPREAD)
                self._answering = self._clock.call_at(when, self._answer_calls)
        if call.registrar:
            self._registrar_at = self._clock.time()
        if call.lease > 0:
            self.samples.called(call.lease)

    # Own words.

    def _call(self, call: Call) -> None:
        if call.words:
            self._gathered = self._clock.time() + GATHERING
        self.bus.publish(self._subjects.all, encode(call))

    def _tell_within(self, seconds: float) -> None:
        """Tell at a random moment within so many seconds, but not too often."""
        when = self._clock.time() + self._rng.uniform(0.0, seconds)
        when = max(when, self._told_at + WORDS_APART)
        if when < self._telling_at:
            self._plan(when)

    def _answer_calls(self) -> None:
        self._answering = None
        callers, self._callers = self._callers, {}
        if len(callers) > FEW:
            self._tell_within(0.0)
            return
        for sender in callers:
            self.bus.publish(self._subjects.to(TELL, sender), self._word())

    def _word(self) -> bytes:
        state = self._wakefulness
        own = self._peers.gossip.table.own
        return encode(Word(own, self._every, state.awake, state.registrar))

    def _tell(self) -> None:
        self._told_at = now = self._clock.time()
        self.bus.publish(self._subjects.word, self._word(), self._subjects.to(ANSWER, self._sender))
        self._plan(now + WORD_EVERY * self._rng.uniform(0.9, 1.1))
        if not self.awake and now > self._registrar_at + UNTOLD_FOR:
            self.attend()
        for process in tuple(self._processes.values()):
            if process.session is not None and now - process.used > UNUSED_FOR:
                self._end_session(process)

    def _plan(self, when: float) -> None:
        if self._telling is not None:
            self._telling.cancel()
        self._telling_at = when
        self._telling = self._clock.call_at(when, self._tell)

    # Awake and asleep.

    def _wake(self) -> None:
        for subject in (self._subjects.words, self._subjects.samples):
            self.bus.subscribe(subject)
        now = self._clock.time()
        for process in self._processes.values():
            process.heard = max(process.heard, now - SILENCE + WOKEN_SILENCE)
        self._call(Call(words=True))
        self._tell_within(0.0)
        self._plan_check()

    def _sleep(self) -> None:
        for subject in (self._subjects.words, self._subjects.samples):
            self.bus.unsubscribe(subject)
        self.samples.end()
        self._registrar_at = self._clock.time()
        for process in self._processes.values():
            self._gossip_with(process)
        self._tell_within(0.0)

    def _check(self) -> None:
        """End what is silent, and ask first what may be."""
        now = self._clock.time()
        for process in tuple(self._processes.values()):
            silent = now - process.heard
            if silent >= SILENCE:
                self._end(process, f"no sign of life for {silent:.2g} s")
            elif silent >= ASKED_AFTER and process.wire is not None:
                process.wire.send(ALIVE)
        state = self._wakefulness
        serving = [one for one in self._processes.values() if _is_registrar(one)]
        registrars = [one.sender for one in serving]
        was = state.registrar
        state.review(registrars, needed=self._is_needed(serving))
        if state.first(registrars) and now >= self._registrar_at + WORD_EVERY:
            self._registrar_at = now
            self._call(Call(registrar=True))
        able = self._able(serving) if state.first(registrars) else []
        if state.appoints(registrars, lacking=bool(able)):
            self._appoint(able)
        if not state.awake:
            self._sleep()
            return
        if state.registrar != was:
            self._tell_within(0.0)
            for process in self._processes.values():
                self._gossip_with(process)
        self._plan_check()

    def _plan_check(self) -> None:
        # At random moments: agents that started together would all be registrars at once.
        wait = CHECK_EVERY * self._rng.uniform(0.5, 1.0)
        self._checking = self._clock.call_at(self._clock.time() + wait, self._check)

    def _is_needed(self, serving: list[Process]) -> bool:
        """Whether this agent can tell people over a channel for which no other registrar is kept."""
        own = self._peers.gossip.table.own
        before = (one for one in serving if one.sender.instance < own.instance)
        return bool({*own.sends} - _channels(before))

    def _able(self, serving: list[Process]) -> list[Process]:
        """Those that can tell people over a channel that no registrar has."""
        covered = {*self._peers.gossip.table.own.sends} | _channels(serving)
        return [one for one in self._processes.values() if _channels([one]) - covered]

    def _appoint(self, able: list[Process]) -> None:
        """Appoint one of these, or of all."""
        free = [one for one in self._processes.values() if one.wire and not _is_registrar(one)]
        able = [one for one in free if one in able] or free
        if able:
            wire = self._rng.choice(able).wire
            assert wire is not None
            wire.send(SERVE)

    def _gossip_with(self, process: Process) -> None:
        """Exchange news with registrars, and as one with all that are awake."""
        if process.address is None or process.word is None:
            return
        state, word = self._wakefulness, process.word
        both = state.awake and word.awake
        self._peers.gossip_with(process.address, both and (word.registrar or state.registrar))

    # Others.

    def _try(self, attempt: Attempt) -> None:
        process = self._at.get(attempt.address)
        if process is not None:
            self._open(attempt, process)
        elif not self.bus.up:
            self._refuse(attempt, self._away)
        else:
            when, reason = self._clock.time() + SILENCE, f"no sign of life for {SILENCE:.2g} s"
            attempt.timer = self._clock.call_at(when, self._refuse, attempt, reason)

    def _open(self, attempt: Attempt, process: Process) -> None:
        self._finish(attempt)
        if attempt.over:
            return
        attempt.over = True
        subject = self._subjects.to(ASK, process.sender)
        closed = partial(self._closed, process)
        wire = process.wire = BusWire(self.bus, subject, process, self._clock, closed)
        process.handler = attempt.handler
        attempt.handler.opened(wire, self._hello(process))
        self._gossip_with(process)

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
            self._subjects.to(ANSWER, process.sender),
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
        address = process.word.member.address if process.word is not None else ""
        return Hello(2, *process.sender, address, limit=PAYLOAD, gossips=False)

    def _end(self, process: Process, reason: str) -> None:
        """Forget a process, and all that goes on with it."""
        del self._processes[process.sender]
        address = process.address
        if address is not None and self._at.get(address) is process:
            del self._at[address]
            self.samples.forget(address)
        self._end_session(process)
        wire, handler = process.wire, process.handler
        if wire is not None and handler is not None:
            wire.open = False
            self._closed(process)
            handler.ended(reason)

    def _complain(self, process: Process, what: str) -> None:
        name, instance = process.sender
        log.warning("%s (%s) sent %s", name, instance, what, extra={"key": f"word {name}"})

    @property
    def _away(self) -> str:
        since = datetime.fromtimestamp(self._away_since, UTC)
        return f"no backplane since {since:%H:%M:%S} UTC"


def _is_registrar(process: Process) -> bool:
    return process.word is not None and process.word.registrar


def _channels(processes: Iterable[Process]) -> set[str]:
    """The channels over which any of these can tell people."""
    return {
        channel for one in processes if one.word is not None for channel in one.word.member.sends
    }
