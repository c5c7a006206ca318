"""The events that agents of a simulated cluster show, and agents that know no events."""

from typing import Any

import msgspec

from nodnod_agent.core.exchange import Exchange
from nodnod_agent.core.membership.link import Link
from nodnod_client.messages import Event, Join, PeerAnswer
from simulation.world import World

_decoder = msgspec.json.Decoder(Event)

STEADY = 75.0
"""Seconds until all agents have told of their start, and count as settled."""


def events_of(agent: Any) -> list[Event]:
    """What an agent shows, oldest first."""
    texts = agent.cluster.events.shown(None, lambda _: True)
    return [_decoder.decode(text) for text in texts]


def kinds_of(agent: Any, node: Any) -> list[str]:
    """The kinds of the events about a node that an agent shows."""
    return [event.kind for event in events_of(agent) if event.node == node.name]


def agree_on_events(agents: list[Any]) -> bool:
    """Whether all have the same event log."""
    return len({agent.cluster.events.digest for agent in agents}) == 1


def steady(world: World, count: int, **options: Any) -> list[Any]:
    """A cluster that has been whole for a while, all of whose agents have told of their start."""
    agents = world.mesh(count, **options)
    world.wait_for(world.whole, 0.2 * count + 30, step=0.1)
    world.run(STEADY)
    return agents


class NoLog(Exchange[Link]):
    """What an agent of 2.0 does about a log: it says nothing of it, and ignores it."""

    def knows(self, peer: Link) -> bool:
        return False

    def probe(self, peer: Link, *, spreading: bool, room: int) -> dict[str, Any]:
        return {}

    def telling(self, names: Any, room: int | None = None) -> dict[str, Any]:
        return {}

    def asked(self, join: Join, teller: str, room: int) -> tuple[dict[str, Any], bool]:
        return {}, False

    def answered(
        self, peer: Link, answer: PeerAnswer, teller: str
    ) -> tuple[dict[str, Any] | None, bool]:
        return None, False

    def told(self, peer: Link, answer: PeerAnswer, teller: str) -> bool:
        return False


def make_old(agent: Any) -> Any:
    """Make an agent one of 2.0, as far as logs go; it is not started yet."""
    start = agent.start

    def start_old() -> None:
        start()
        gossip = agent.cluster.peers.gossip
        gossip.logs = [NoLog(one.replica, agent.process) for one in gossip.logs]
        gossip.events = gossip.logs[0]

    agent.start = start_old
    return agent
