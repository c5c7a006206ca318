"""When this process tells its word, to whom, and whether whole."""

from collections.abc import Callable

from msgspec.structs import replace

from nodnod_agent.core.backplane.site import Site
from nodnod_agent.core.backplane.subjects import TELL, Sender, Subjects
from nodnod_agent.core.backplane.wakefulness import Wakefulness
from nodnod_agent.core.backplane.word import Word
from nodnod_agent.core.interfaces import Backplane, Clock, Random, Timer
from nodnod_agent.core.membership.table import MembershipTable
from nodnod_client.codec import encode

WORD_EVERY = 10.0
"""Seconds between two words of a process, give or take a tenth."""

WHOLE_EVERY = 60.0
"""Seconds after which a word is told whole though it has not changed: the last one may have been lost."""

AS_BEFORE = b""
"""A word that has not changed."""

SPREAD = 0.25
"""Seconds within which all answer a call, at random moments."""

GATHERING = SPREAD + 0.1
"""Seconds after a call until all can have answered, and a registrar after them."""

WORDS_APART = 0.1
"""Seconds between two words at least, however often others ask for one."""

FEW = 3
"""Callers up to which each is told a word of its own; more are told by one to all."""

_NEVER = float("inf")


class Teller:
    """Tells the words of this process: for itself, or for its site while it is the speaker."""

    def __init__(
        self,
        bus: Backplane,
        subjects: Subjects,
        table: MembershipTable,
        every: float,
        wakefulness: Wakefulness,
        site: Site | None,
        told: Callable[[], None],
        clock: Clock,
        rng: Random,
    ) -> None:
        """``every`` is the interval of its samples in seconds; ``told`` is called after each word to all."""
        self._bus = bus
        self._subjects = subjects
        self._table = table
        self._started = table.own.incarnation
        self._every = every
        self._wakefulness = wakefulness
        self._site = site
        self._told = told
        self._clock = clock
        self._rng = rng
        self._told_at = -_NEVER
        self._timer: Timer | None = None
        """The next word."""
        self._due = _NEVER
        self._whole = AS_BEFORE
        """The last word that was told whole, and when; none if the next one has to be."""
        self._whole_at = 0.0
        self._asked_at = _NEVER
        """When this agent first told of news that no registrar has asked for yet."""
        self._callers: dict[Sender, None] = {}
        """Who has called, or asked, for a word, and is not told yet."""
        self._answering: Timer | None = None

    @property
    def speaks(self) -> bool:
        """Whether it tells words: for itself, or for its site."""
        return self._site is None or self._site.election.speaks

    @property
    def is_unanswered(self) -> bool:
        """Whether no registrar has asked for the news that it has told of."""
        return self._asked_at < self._clock.time() - GATHERING

    def answered(self) -> None:
        """Note that a registrar is there."""
        self._asked_at = _NEVER

    def word(self) -> Word:
        """What it tells of this process alone."""
        state = self._wakefulness
        news = not state.awake and state.has_news
        return Word(self._table.own, self._started, self._every, state.awake, state.registrar, news)

    def tell_whole(self) -> None:
        """Tell all now, also what they may know."""
        self._whole = AS_BEFORE
        self.tell()

    def tell(self) -> None:
        """Tell all now, and from now on every ten seconds."""
        self._told_at = now = self._clock.time()
        word = self.word()
        if self._site is None:
            self._bus.publish(self._subjects.word, self._changed(word), self._subjects.reply)
        elif self.speaks:
            word = replace(word, others=self._site.spoken())
            self._bus.publish(self._subjects.site, self._changed(word))
        self._plan(now + WORD_EVERY * self._rng.uniform(0.9, 1.1))
        self._told()
        if word.news and not self._wakefulness.awake:
            self._asked_at = min(self._asked_at, now)

    def tell_soon(self) -> None:
        """Tell all now, but not too often."""
        when = max(self._clock.time(), self._told_at + WORDS_APART)
        if when < self._due:
            self._plan(when)

    def tell_to(self, sender: Sender) -> None:
        """Tell one process a word, without the others of the site."""
        self._bus.publish(self._subjects.to(TELL, sender), encode(self.word()))

    def owe(self, sender: Sender) -> None:
        """Tell one process a word soon."""
        if not self.speaks:
            return
        if len(self._callers) <= FEW:
            self._callers[sender] = None
        if self._answering is None:
            when = self._clock.time() + self._rng.uniform(0.0, SPREAD)
            self._answering = self._clock.call_at(when, self._answer)

    def leave(self) -> None:
        """Tell all that this process leaves; its speaker may leave at the same time."""
        self.tell()
        if not self.speaks:
            self._bus.publish(self._subjects.site, encode(self.word()))

    def stop(self) -> None:
        """Tell nothing more."""
        for timer in (self._timer, self._answering):
            if timer is not None:
                timer.cancel()

    def _answer(self) -> None:
        self._answering = None
        callers, self._callers = self._callers, {}
        if len(callers) > FEW or self._site is not None:
            self._whole = AS_BEFORE
            self.tell_soon()
            return
        for sender in callers:
            self.tell_to(sender)

    def _changed(self, word: Word) -> bytes:
        """A word as it is told to all: whole if it is another one than before."""
        told, now = encode(word), self._clock.time()
        if told == self._whole and now < self._whole_at + WHOLE_EVERY:
            return AS_BEFORE
        self._whole, self._whole_at = told, now
        return told

    def _plan(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = when
        self._timer = self._clock.call_at(when, self.tell)
