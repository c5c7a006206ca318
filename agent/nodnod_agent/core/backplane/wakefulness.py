"""When an agent is awake, and when it is a registrar, which is awake always."""

from collections.abc import Callable, Collection

from nodnod_agent.core.backplane.subjects import Sender
from nodnod_agent.core.interfaces import Clock, Random

AWAKE_FOR = 30.0
"""Seconds for which an agent stays awake after the last reason to be."""

STARTING_FOR = 5.0
"""Seconds for which an agent of a site is awake when it starts, to find its mesh."""

NEWS_FOR = 30.0
"""Seconds for which it exchanges news with the registrars after something has happened to it."""

REGISTRARS = 3

UNSEEN_FOR = 2.0
"""Seconds without a word of a registrar, and at most as many more, after which an agent that is awake
becomes one."""

APPOINTED_EVERY = 5.0
"""Seconds between two appointments of a registrar: the last one may not have told its word yet."""


class Wakefulness:
    """Decides, once a second and when there is a reason; the caller acts on its ``awake``."""

    def __init__(
        self,
        own: Sender,
        is_busy: Callable[[], bool],
        is_news: Callable[[], bool],
        clock: Clock,
        rng: Random,
    ) -> None:
        """``is_busy`` tells whether there is a reason to be awake that lasts; ``is_news`` whether there is
        something that the registrars have to know as long as it lasts.
        """
        self.awake = False
        self.since = 0.0
        """When it woke."""
        self.registrar = False
        self._own = own
        self._is_busy = is_busy
        self._is_news = is_news
        self._clock = clock
        self._rng = rng
        self._until = 0.0
        self._news_until = float("-inf")
        self._seen = 0.0
        """When a registrar was there last, or this agent woke."""
        self._patience = 0.0
        self._appointed = float("-inf")

    def attend(self, seconds: float = AWAKE_FOR) -> bool:
        """Be awake for so many seconds at least; whether it was asleep."""
        now = self._clock.time()
        self._until = max(self._until, now + seconds)
        if self.awake:
            return False
        self.awake = True
        self.since = self._seen = now
        self._patience = UNSEEN_FOR * self._rng.uniform(1.0, 2.0)
        return True

    @property
    def has_news(self) -> bool:
        """Whether it has something to tell the registrars."""
        return self._clock.time() < self._news_until or self._is_news()

    def note_news(self) -> None:
        """Have something to tell for a while."""
        self._news_until = self._clock.time() + NEWS_FOR

    def wait(self) -> None:
        """Note that no registrar could be heard until now."""
        self._seen = self._clock.time()

    def serve(self) -> None:
        """Be a registrar from now on."""
        self.attend()
        self.registrar = True

    def review(self, registrars: Collection[Sender], *, needed: bool) -> None:
        """Look who else is a registrar: become one, or cease to be unless ``needed``; and fall asleep."""
        now = self._clock.time()
        if registrars or self.registrar:
            self._seen = now
        elif now - self._seen >= self._patience:
            self.registrar = True
        if (
            self.registrar
            and not needed
            and len({one.name for one in registrars if one.instance < self._own.instance})
            >= REGISTRARS
        ):
            self.registrar = False
        if self._is_busy():
            self._until = now + AWAKE_FOR
        elif now >= self._until and not self.registrar:
            self.awake = False

    def watch(self) -> None:
        """Fall asleep, unless there is a reason to be awake; a registrar is another agent."""
        self.registrar = False
        now = self._clock.time()
        if self._is_busy():
            self._until = now + AWAKE_FOR
        elif now >= self._until:
            self.awake = False

    def first(self, registrars: Collection[Sender]) -> bool:
        """Whether this agent is the registrar that comes before all others."""
        return self.registrar and all(one.instance > self._own.instance for one in registrars)

    def appoints(self, registrars: Collection[Sender], *, lacking: bool) -> bool:
        """Whether it is for this agent to appoint one more: there are too few, or they cannot do all."""
        now = self._clock.time()
        if not self.first(registrars) or (len(registrars) + 1 >= REGISTRARS and not lacking):
            return False
        if now < self._appointed + APPOINTED_EVERY:
            return False
        self._appointed = now
        return True
