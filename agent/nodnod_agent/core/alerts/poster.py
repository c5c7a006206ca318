"""Posts alerts to Alertmanagers, which know alerts by their labels, so that two posts are as one.

The judge of an alert posts it, since the end that one agent posts ends it for all: a node its own
alerts, and the first of the nodes that are up those about a node that cannot.
"""

from collections.abc import Callable, Iterable
from functools import partial
from math import inf

from msgspec import Struct

from nodnod_agent.core.alerts.cluster import Cluster
from nodnod_agent.core.alerts.entries import Key, key_of
from nodnod_agent.core.alerts.message import LIFE, compose
from nodnod_agent.core.alerts.ports import Notify
from nodnod_agent.core.alerts.rules import DOWN
from nodnod_agent.core.alerts.silencing import Silencing
from nodnod_agent.core.alerts.table import AlertTable
from nodnod_agent.core.alerts.wakeup import Wakeup
from nodnod_agent.core.interfaces import EARLY, Clock
from nodnod_client.alerts import Alert

RENEW = LIFE / 3
"""Seconds from one post to the next."""

FIRST_RETRY, LONGEST_RETRY = 10.0, RENEW
"""Seconds from a failed post to the next, doubling."""

PAUSE = 1.0
"""Seconds from a change to its post: changes come in bunches."""

MAX_POST = 256
"""Alerts in one post."""


class Post(Struct):
    """What this agent posts of an alert to one channel."""

    due: float
    """When to post next, on the core's clock."""
    epoch: int = -1
    """The last one that was posted."""
    retry: float = FIRST_RETRY


class _Orders:
    """Who can post to a channel at one moment."""

    def __init__(self, cluster: Cluster, channel: str) -> None:
        self.able = frozenset(cluster.able(channel))
        self._cluster = cluster
        self._channel = channel
        self._firsts: dict[str, str] = {}
        """By group."""

    def first(self, address: str) -> str:
        """Who posts what the node at an address cannot; empty if nobody can."""
        group = self._cluster.turns.group(address)
        if group not in self._firsts:
            order = self._cluster.senders(self._channel, "posts", group)
            self._firsts[group] = order[0] if order else ""
        return self._firsts[group]


class Poster:
    """One agent's posts."""

    def __init__(
        self,
        table: AlertTable,
        cluster: Cluster,
        silencing: Silencing,
        notify: Notify,
        *,
        clock: Clock,
        wall: Callable[[], float],
    ) -> None:
        self.channels: tuple[str, ...] = ()
        self.results: dict[str, tuple[float, bool, str]] = {}
        """By channel: when this agent last posted, whether it worked, and why not."""
        self._table = table
        self._cluster = cluster
        self._silencing = silencing
        self._notify = notify
        self._clock = clock
        self._wall = wall
        self._posts: dict[str, dict[Key, Post]] = {}
        self._posting: set[str] = set()
        """The channels with a post under way."""
        self._changed: set[Key] = set()
        self._ready = False
        self._wakeup = Wakeup(clock, self._wake)

    def start(self) -> None:
        """Begin to post, once this agent knows what the others know."""
        self._ready = True
        self.reconsider()

    def stop(self) -> None:
        """Post nothing more."""
        self._ready = False
        self._wakeup.cancel()

    def use(self, channels: Iterable[str]) -> None:
        """Post to these Alertmanagers from now on."""
        self.channels = tuple(dict.fromkeys(channels))
        self._posts = {one: self._posts.get(one, {}) for one in self.channels}
        self.results = {one: it for one, it in self.results.items() if one in self.channels}
        self.reconsider()

    def reconsider(self) -> None:
        """Look at all alerts: other nodes are up, or other alerts silenced, than before."""
        if self._ready and self.channels:
            self._changed.update(self._table.alerts)
            self._wakeup.at(self._clock.time() + PAUSE)

    def consider(self, key: Key) -> None:
        """Look at an alert that has changed."""
        if self._ready and self.channels:
            self._changed.add(key)
            self._wakeup.at(self._clock.time() + PAUSE)

    def _note(
        self, key: Key, channel: str, orders: "_Orders", is_silenced: Callable[[Alert], bool]
    ) -> None:
        """Note what is to be posted of an alert."""
        alert, posts = self._table.alerts.get(key), self._posts[channel]
        if alert is None or not self._is_ours(alert, orders) or self._is_over(alert):
            posts.pop(key, None)
        elif (post := posts.get(key)) is None:
            if alert.state == "resolved" or not is_silenced(alert):
                posts[key] = Post(self._clock.time())
        elif post.epoch != alert.epoch:
            post.due, post.retry = self._clock.time(), FIRST_RETRY

    def _is_over(self, alert: Alert) -> bool:
        """Whether no Alertmanager can have a post of it that is still valid."""
        return alert.state == "resolved" and self._wall() - alert.since > LIFE

    def _is_ours(self, alert: Alert, orders: "_Orders") -> bool:
        own = self._cluster.own.address
        if alert.rule != DOWN and alert.address in orders.able:
            return alert.address == own
        return orders.first(alert.address) == own

    def _wake(self) -> None:
        now, wakes = self._clock.time(), inf
        changed, self._changed = self._changed, set()
        is_silenced = self._silencing.covering()
        for channel, posts in self._posts.items():
            orders = _Orders(self._cluster, channel)
            for key in changed:
                self._note(key, channel, orders, is_silenced)
            ready: list[Key] = []
            for key, post in list(posts.items()):
                alert = self._table.alerts.get(key)
                if alert is None:  # it had no room
                    del posts[key]
                    continue
                if alert.state == "resolved" and post.epoch == alert.epoch:
                    continue
                if post.due <= now + EARLY:
                    ready.append(key)
                else:
                    wakes = min(wakes, post.due)
            if ready and channel not in self._posting:
                self._post(channel, ready[:MAX_POST])
        if wakes < inf:
            self._wakeup.at(wakes)

    def _post(self, channel: str, keys: list[Key]) -> None:
        alerts = [self._table.alerts[key] for key in keys]
        self._posting.add(channel)
        self._notify(channel, compose(alerts), partial(self._done, channel, alerts))

    def _done(self, channel: str, posted: list[Alert], ok: bool, why: str) -> None:
        self._posting.discard(channel)
        if not self._ready or channel not in self._posts:
            return
        self.results[channel] = self._wall(), ok, why
        now = self._clock.time()
        for one in posted:
            key = key_of(one)
            post, alert = self._posts[channel].get(key), self._table.alerts.get(key)
            if post is None:
                continue
            if not ok:
                post.due, post.retry = now + post.retry, min(2 * post.retry, LONGEST_RETRY)
            else:
                is_new = alert is not None and alert.epoch != one.epoch
                post.epoch, post.retry = one.epoch, FIRST_RETRY
                post.due = now if is_new else now + RENEW
        self._wakeup.at(now + PAUSE)
