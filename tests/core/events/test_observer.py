"""What an agent writes of the nodes that it sees."""

import pytest

from core.gossip_harness import NOW
from nodnod_agent.core.events import observer as observer_module
from nodnod_agent.core.events.log import EventLog, Record
from nodnod_agent.core.events.observer import Observer
from simulation.clock import FakeClock


def test_of_too_many_nodes_that_are_down_the_first_are_forgotten(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observer_module, "MAX_KNOWN", 2)
    written: list[Record] = []
    wall = lambda: NOW + clock.now  # noqa: E731
    events = EventLog("own", clock, wall)
    observer = Observer(
        events,
        "cartman",
        lambda near: 0,
        lambda near: 0.0,
        written.extend,
        clock=clock,
        wall=wall,
        late=0.0,
    )
    for node in ("stan", "kyle", "kenny"):
        observer.up(node, node)
        observer.down(node, node, "gone", left=False)
        clock.advance(10)
    for node in ("stan", "kyle", "kenny"):
        observer.up(node, node)
    clock.advance(10)
    told = [(one.event.kind, one.event.node) for one in written]
    assert told == [
        *(("down", node) for node in ("stan", "kyle", "kenny")),
        *(("up", node) for node in ("kyle", "kenny")),
    ]
