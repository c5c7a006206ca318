"""People who are told of alerts in a simulated cluster, and what they may be told twice."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Literal

from msgspec import Struct

from nodnod_agent.core.alerts.alerts import ChannelIds
from nodnod_agent.core.alerts.entries import Key, key_of
from nodnod_agent.core.alerts.message import DOWN, Message
from nodnod_agent.core.alerts.ports import Done
from nodnod_agent.core.alerts.rules import CUT_OFF, Level, Rule
from nodnod_client.alerts import Alert
from simulation.agents import EPOCH
from simulation.happenings import make_old
from simulation.hosts import Process
from simulation.world import World, address_of

PEOPLE = "a" * 16
HEARTBEAT = "e" * 16
Fate = Literal["told", "fails", "dies before", "dies after", "hangs"]

Event = tuple[Key, int]
"""An alert and its epoch."""

CRITICAL = (Level("critical"),)
RULES = (
    Rule(name=DOWN, levels=CRITICAL, hold=30),
    Rule(name=CUT_OFF, levels=CRITICAL, hold=30),
    Rule(name="disk", metric="filesystems.usedPercent", levels=CRITICAL),
)
"""What happens to the disks, tests say."""


class Arrival(Struct, frozen=True):
    """What came in over a channel: when, and from which agent; what became of the sender."""

    when: float
    sender: str
    channel: str
    message: Message
    fate: Fate

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """What it tells."""
        return self.message.alerts

    @property
    def is_new(self) -> bool:
        """Whether it does not repeat what people know for hours."""
        return not self.message.title.startswith("STILL")


class Sink:
    """The other end of all channels. ``fate`` decides what becomes of each message."""

    def __init__(self, world: World, channels: ChannelIds | None = None) -> None:
        self.fate: Callable[[Any, str], Fate] = lambda agent, channel: "told"
        self.messages: list[Arrival] = []
        self.channels = channels or ChannelIds(people=(PEOPLE,))
        self._world = world
        self._rng = random.Random(f"{world.seed} sink")

    def serve(self, agent: Any) -> Any:
        """Give an agent its channels, in each of its lives; it is not started yet."""
        start = agent.start
        agent._options["notify"] = partial(self._notify, agent)
        agent._options["rules"] = RULES
        agent._options["beat"] = partial(self._beat, agent)

        def start_with_channels() -> None:
            start()
            agent.cluster.alerts.use(self.channels)

        agent.start = start_with_channels
        return agent

    def told(self, channel: str = PEOPLE) -> Counter[Event]:
        """How often people were told of each event, repetitions apart."""
        return Counter(
            event_of(alert)
            for one in self.messages
            if one.channel == channel and one.is_new
            for alert in one.alerts
        )

    def tellers(self) -> dict[Event, list[Arrival]]:
        """The messages that told of each event."""
        found = defaultdict(list)
        for one in self.messages:
            for alert in one.alerts:
                found[event_of(alert)].append(one)
        return found

    def _beat(self, agent: Any, done: Done) -> None:
        self._notify(agent, HEARTBEAT, Message("", "", ()), done)

    def _notify(self, agent: Any, channel: str, message: Message, done: Done) -> None:
        process = agent.process
        wait = self._rng.uniform(0.02, 0.3)
        process.call_at(
            process.time() + wait, self._arrives, agent, process, channel, message, done
        )

    def _arrives(
        self,
        agent: Any,
        process: Process,
        channel: str,
        message: Message,
        done: Done,
    ) -> None:
        fate = self.fate(agent, channel)
        if fate in ("told", "dies after"):
            now = self._world.clock.now
            self.messages.append(Arrival(now, agent.name, channel, message, fate))
        if fate.startswith("dies"):
            agent.crash()
            return
        wait = 15.0 if fate == "hangs" else self._rng.uniform(0.02, 0.3)
        ok = fate == "told"
        process.call_at(process.time() + wait, done, ok, "" if ok else fate)


def event_of(alert: Alert) -> Event:
    """What a message tells of an alert."""
    return key_of(alert), alert.epoch


def alert_of(agent: Any, **fields: Any) -> Alert:
    """An alert of an agent, new now."""
    wall = EPOCH + agent._world.clock.now + agent.skew
    usual = {
        "node": agent.name,
        "address": str(agent.address),
        "rule": "disk",
        "epoch": int(wall * 1000),
        "state": "firing",
        "severity": "warning",
        "since": wall,
        "text": "the disk is full",
    }
    return Alert(**usual | fields)  # type: ignore[arg-type]


def fire(agent: Any, **fields: Any) -> Alert:
    """Have an agent judge that something is wrong with it."""
    alert = alert_of(agent, **fields)
    agent.cluster.alerts.write(alert)
    return alert


def end(agent: Any, **fields: Any) -> Alert:
    """Have an agent judge that it is over."""
    return fire(agent, state="resolved", text="over", **fields)


def whole_cluster(
    world: World,
    count: int,
    channels: ChannelIds | None = None,
    *,
    legacy: int = 0,
    old: int = 0,
) -> tuple[list[Any], Sink]:
    """Agents that all can tell people, and have been linked for a while.

    The last ones are of version 1 (``legacy``), or do not know alerts (``old``).
    """
    sink = Sink(world, channels)
    first = len(world.agents)
    addresses = [address_of(number) for number in range(first, first + count)]
    agents = [
        world.agent(nodes=addresses, start=False, legacy=count - number <= legacy)
        for number in range(count)
    ]
    for agent in agents[: count - legacy - old]:
        sink.serve(agent)
    for agent in agents[count - old :]:
        make_old(agent)
    for agent in agents:
        agent.start()
    world.wait_for(world.whole, 0.2 * count + 30, step=0.1)
    world.run(20)
    return agents, sink


def agree_on_alerts(agents: Iterable[Any]) -> bool:
    """Whether all that run have the same alert table."""
    return len({one.cluster.alerts.table.digest for one in agents if one.running}) == 1


class Problems:
    """Problems of random nodes at random times, each with its end after a while, or without one."""

    def __init__(self, world: World, agents: Sequence[Any], sink: Sink) -> None:
        self.alerts: list[Alert] = []
        """All that was judged, ends included."""
        self._world = world
        self._agents = agents
        self._sink = sink
        self._rng = random.Random(f"{world.seed} problems")

    def spread_over(self, seconds: float, count: int) -> None:
        """Have so many of them come up in the next seconds."""
        clock = self._world.clock
        for number in range(count):
            when = clock.now + self._rng.uniform(0, seconds)
            clock.call_at(when, self._begin, f"/mount{number}")

    def _begin(self, name: str) -> None:
        agent = self._rng.choice(self._agents)
        if not agent.running:  # a node that is down judges nothing
            self._world.clock.call_at(self._world.clock.now + 5.0, self._begin, name)
            return
        self.alerts.append(fire(agent, object=name))
        if self._rng.random() < 0.5:
            later = self._world.clock.now + self._rng.uniform(120, 400)
            self._world.clock.call_at(later, self._end, agent, name)

    def _end(self, agent: Any, name: str) -> None:
        if agent.running:
            self.alerts.append(end(agent, object=name))
        else:
            self._world.clock.call_at(self._world.clock.now + 5.0, self._end, agent, name)

    @property
    def untold(self) -> list[Alert]:
        """Those of which people were not told, and should have been.

        A problem that was over before its node was up again is not told, and neither is its end.
        """
        told = self._sink.told()
        untold = [alert for alert in self.alerts if not told[event_of(alert)]]
        over = {key_of(one) for one in untold if one.state == "resolved"}
        inhibited = {key_of(one) for one in untold if one.state == "firing"} & over
        down = {event[0].address for event in told if event[0].rule == DOWN}
        return [one for one in untold if key_of(one) not in inhibited or one.address not in down]

    @property
    def repeated(self) -> list[Event]:
        """What people were told more than once, of anything."""
        return [event for event, times in self._sink.told().items() if times > 1]


DECIDED = 150.0
"""Seconds in which people are told of what has happened, also where a sender dies."""


def late_messages(world: World, agents: Sequence[Any], sink: Sink, count: int) -> dict[str, Any]:
    """Nothing but delays: people are told of everything, and of nothing twice."""
    problems = Problems(world, agents, sink)
    seconds = 2.0 * count
    before = len(sink.messages)
    problems.spread_over(seconds, count)
    world.run(seconds + 400 + DECIDED)
    assert problems.untold == []
    assert problems.repeated == []
    assert agree_on_alerts(agents)
    delays = sorted(
        one.when + EPOCH - alert.since for one in sink.messages[before:] for alert in one.alerts
    )
    return {
        "alerts, and ends of alerts": len(problems.alerts),
        "untold": 0,
        "told twice": 0,
        "messages": len(sink.messages) - before,
        "median delay (s)": delays[len(delays) // 2],
        "longest delay (s)": delays[-1],
    }


def dying_senders(world: World, agents: Sequence[Any], sink: Sink, count: int) -> dict[str, Any]:
    """A third of the senders die, before or after people get the message, and start again later.

    People are told twice only of what a sender had told of, and died before it could note that.
    """
    rng = random.Random(f"{world.seed} deaths")
    deaths: list[tuple[Any, float, float]] = []

    def fate(agent: Any, channel: str) -> Fate:
        dead = sum(not one.running for one in agents)
        if dead >= len(agents) // 4 or rng.random() < 2 / 3:
            return "told"
        now, later = world.clock.now, rng.uniform(1, 200)
        deaths.append((agent, now, later))
        world.clock.call_at(now + later, agent.start)
        return "dies before" if rng.random() < 0.5 else "dies after"

    problems = Problems(world, agents, sink)
    seconds = 2.0 * count
    problems.spread_over(seconds, count)
    sink.fate = fate
    world.run(seconds + 400)
    sink.fate = lambda agent, channel: "told"
    world.wait_for(lambda: all(agent.running for agent in agents), 300, step=1.0)
    world.wait_for(world.whole, 60, step=1.0)
    world.run(400 + DECIDED)
    assert problems.untold == []
    tellers = sink.tellers()
    for event in problems.repeated:
        fates = [one.fate for one in tellers[event]]
        assert set(fates[:-1]) == {"dies after"}, f"people heard of {event} from {fates}"
    downs = {event[0].address for event in tellers if event[0].rule == DOWN}
    for agent, _, lasted in deaths:
        assert lasted < 90 or str(agent.address) in downs, f"nobody was told that {agent.name} died"
    assert agree_on_alerts(agents)
    return {
        "alerts, and ends of alerts": len(problems.alerts),
        "senders that died": len(deaths),
        "untold": 0,
        "told twice after a death": len(problems.repeated),
        "told twice otherwise": 0,
    }


def partition_of(
    world: World, agents: Sequence[Any], sink: Sink, count: int, seconds: float = 600.0
) -> dict[str, Any]:
    """Three of ten are apart from the others for a while: one message says so, and the others tell
    that these are down.

    People are told twice only of what happened just before the partition.
    """
    few = agents[: max(1, 3 * len(agents) // 10)]
    problems = Problems(world, agents, sink)
    problems.spread_over(2 * seconds, count)
    world.run(seconds / 2)
    began = world.clock.now
    world.split(few)
    world.run(seconds)
    world.heal()
    world.wait_for(world.whole, 60, step=1.0)
    world.run(seconds / 2 + 400 + DECIDED)
    assert problems.untold == []
    happened = {event_of(alert): alert.since - EPOCH for alert in problems.alerts}
    for event in problems.repeated:
        when = happened[event]
        assert began - 75 < when < began + 5, f"{event} of {when - began:.1f} s was told twice"
    tellers = sink.tellers()
    cut_off = [event for event in tellers if event[0].rule == CUT_OFF]
    assert len(cut_off) == 2, f"of {len(few)} nodes that are cut off, people were told {cut_off}"
    downs = Counter(event[0].address for event in tellers if event[0].rule == DOWN)
    assert downs == {str(agent.address): 2 for agent in few}, "each is down, and up, once"
    assert agree_on_alerts(agents)
    return {
        "alerts, and ends of alerts": len(problems.alerts),
        "untold": 0,
        "told twice, of just before it": len(problems.repeated),
        "told twice otherwise": 0,
        "messages that nodes are cut off": 1,
    }
