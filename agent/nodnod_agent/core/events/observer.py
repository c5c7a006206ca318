"""What this agent sees of the others, as events: down, up, left.

Every agent sees a node go down, and one is to write it. They take turns: the agent with the smallest
instance writes at once, and each following one two seconds later, unless the log says it by then. A node
that knows events itself writes its own start and its end. All agents wait longer for these, and write
them for nodes that do not.
"""

from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from nodnod_agent.core.events.log import STATES, EventLog, Record
from nodnod_agent.core.interfaces import Clock, Timer

GRACE = {"down": 5.0, "left": 5.0, "up": 1.0, "joined": 15.0}
"""Seconds from what was seen to the first event about it. A process that is started again within the
first of these writes ``restarted``, and was not down for anybody."""

TURN = 2.0
"""Seconds from one agent's turn to write to the next one's: some see a silent node a second sooner."""

TURNS = 8
"""Agents with a turn of their own; all others come after them."""

LATE = 16.0
"""Seconds over which those others are spread."""

SETTLED = 60.0
"""Seconds from when this agent began to see nodes until one that it meets is new to the cluster too."""

HEARD_BEFORE = 30.0
"""Seconds by which another agent may have seen the same before we did."""

BURST = 64
"""Events about others that one agent writes at once. One is added a second; beyond, one stands for
all that wait."""

TICK = 0.5

MAX_KNOWN = 8192
"""Nodes that are remembered, up or down; names may be made up."""

_K = TypeVar("_K")
_V = TypeVar("_V")


class _Change(Struct):
    """A change of a node's state that is not yet in the log; ``seen`` is on the core's clock."""

    kind: str
    node: str
    instance: str
    text: str
    at: float
    seen: float
    near: bool


class Observer:
    """Watches the other nodes, by their names and instances."""

    def __init__(
        self,
        events: EventLog,
        name: str,
        rank: Callable[[bool], int],
        since: Callable[[bool], float],
        publish: Callable[[list[Record]], None],
        *,
        clock: Clock,
        wall: Callable[[], float],
        late: float,
    ) -> None:
        """``rank`` is how many agents come before this one where a node is ``near``, or is not: each node has
        its own that see it. ``since`` is when this agent began to see such nodes, on the core's clock. ``late`` is
        random, from 0 to 1.
        """
        self._log = events
        self._name = name
        self._rank = rank
        self._publish = publish
        self._clock = clock
        self._wall = wall
        self._since = since
        self._late = TURNS * TURN + late * LATE
        self._pending: dict[tuple[str, str], _Change] = {}
        self._met: dict[str, str] = {}
        """The instance of each node when it was last up."""
        self._down: dict[tuple[str, str], None] = {}
        """Nodes that were down for longer than the grace, by name and instance."""
        self._allowed, self._allowed_at = float(BURST), clock.time()
        self._timer: Timer | None = None

    def up(self, node: str, instance: str, *, near: bool = True) -> None:
        """A node can be asked; ``near`` if it is in the mesh of this agent."""
        about = node, instance
        for change in list(self._pending.values()):
            if change.node == node and change.kind in ("down", "left"):
                del self._pending[change.node, change.instance]
        if about in self._down:
            del self._down[about]
            self._see("up", node, instance, "", near)
        elif self._met.get(node) != instance:
            self._down = {one: None for one in self._down if one[0] != node}
            if self._clock.time() - self._since(near) >= SETTLED:
                self._see("joined", node, instance, "", near)
        _remember(self._met, node, instance)

    def down(self, node: str, instance: str, reason: str, *, left: bool, near: bool = True) -> None:
        """A node cannot be asked any more; it has said goodbye, or there is a ``reason``."""
        change = self._pending.get((node, instance))
        if change is not None and change.kind == "up":  # the log still says that it is down
            del self._pending[node, instance]
            _remember(self._down, (node, instance), None)
        elif self._met.get(node) == instance:
            kind, text = ("left", "") if left else ("down", reason)
            self._see(kind, node, instance, text, near)

    def stop(self) -> None:
        """Write nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _see(self, kind: str, node: str, instance: str, text: str, near: bool) -> None:
        now = self._clock.time()
        self._pending[node, instance] = _Change(kind, node, instance, text, self._wall(), now, near)
        if self._timer is None:
            self._timer = self._clock.call_at(now + TICK, self._tick)

    def _tick(self) -> None:
        now = self._clock.time()
        turns = {near: self._turn(near) for near in {one.near for one in self._pending.values()}}
        due: dict[str, list[_Change]] = {}
        for about, change in list(self._pending.items()):
            waited = now - change.seen - GRACE[change.kind]
            if waited < 0:
                continue
            if change.kind == "down":
                _remember(self._down, about, None)
            if self._is_known(change):
                del self._pending[about]
            elif waited >= turns[change.near]:
                due.setdefault(change.kind, []).append(change)
        self._allowed = min(BURST, self._allowed + now - self._allowed_at)
        self._allowed_at = now
        records: list[Record] = []
        for changes in due.values():
            records += self._write(changes)
        if records:
            self._publish(records)
        self._timer = self._clock.call_at(now + TICK, self._tick) if self._pending else None

    def _turn(self, near: bool) -> float:
        rank = self._rank(near)
        return rank * TURN if rank < TURNS else self._late

    def _is_known(self, change: _Change) -> bool:
        """Whether the log says so already."""
        state = self._log.state(change.node, change.instance)
        if change.kind == "joined":
            return state is not None and state.event.kind not in ("down", "left")
        if state is not None and state.event.kind == change.kind:
            since = change.seen - HEARD_BEFORE
            if state.when >= since or state.when < self._since(change.near):
                return True
        for record in self._log.newest():
            event = record.event
            if record.when < change.seen:
                return False
            runs_again = event.node == change.node and event.instance != change.instance
            if (event.more and event.kind == change.kind) or (runs_again and event.kind in STATES):
                return True
        return False

    def _write(self, due: list[_Change]) -> list[Record]:
        """Write what was seen, all of one kind; of too many, the last event stands for all that wait."""
        count, more = int(self._allowed), 0
        if not count:
            return []
        if len(due) > count:
            waiting = [one for one in self._pending.values() if one.kind == due[0].kind]
            more, due = len(waiting) - count, [*due[:count], *waiting]
        self._allowed -= min(count, len(due))
        for change in due:
            self._pending.pop((change.node, change.instance), None)
            if change.kind == "down":
                _remember(self._down, (change.node, change.instance), None)
        written = due[:count]
        return [self._event(one, more if one is written[-1] else 0) for one in written]

    def _event(self, change: _Change, more: int) -> Record:
        kind, parts = change.kind, [change.text, f"seen by {self._name}"]
        if kind == "joined" and any(one.event.node == change.node for one in self._log.newest()):
            kind = "restarted"
        if more:
            parts.append(f"and {more} more {'nodes' if more > 1 else 'node'}")
        return self._log.write(
            kind,
            change.node,
            "; ".join(part for part in parts if part),
            instance=change.instance,
            at=change.at,
            more=more,
        )


def _remember(known: dict[_K, _V], key: _K, value: _V) -> None:
    """Note something as the newest; of too much the oldest is forgotten."""
    known.pop(key, None)
    if len(known) >= MAX_KNOWN:
        del known[next(iter(known))]
    known[key] = value
