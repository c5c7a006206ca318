"""By how much the own clock differs from those of the peers."""

import pytest

from core.gossip_harness import NOW, GossipAgent
from nodnod_agent.core.membership.peer_clocks import PeerClocks
from simulation.clock import FakeClock


@pytest.mark.parametrize(
    ("told", "offset"),
    [([], None), ([7.0], 7.0), ([-7.0], 7.0), ([0.0, 0.2, -500.0], 0.0), ([8.0, 9.0, 7.0], 8.0)],
)
def test_the_offset_is_to_the_median_of_the_others(
    clock: FakeClock, told: list[float], offset: float | None
) -> None:
    clocks: PeerClocks[int] = PeerClocks(clock, lambda: NOW + clock.now)
    for peer, ahead in enumerate(told):
        clocks.told(peer, NOW + clock.now + ahead)
        clock.advance(10)
    assert clocks.offset == (offset if offset is None else pytest.approx(offset))
    for peer in range(len(told)):
        clocks.forget(peer)
    assert clocks.offset is None


def test_a_step_of_the_own_clock_shows_at_once(clock: FakeClock) -> None:
    skew = [0.0]
    clocks: PeerClocks[int] = PeerClocks(clock, lambda: NOW + clock.now + skew[0])
    clocks.told(1, NOW + clock.now)
    skew[0] = -60.0
    assert clocks.offset == pytest.approx(60.0)


def test_peers_tell_the_time_with_each_answer(own: GossipAgent, peer: GossipAgent) -> None:
    assert own.gossip.clocks.offset is None
    wire = own.connect(peer)
    assert wire.answers[-1]["time"] == pytest.approx(NOW + 1000, abs=0.001)
    assert own.gossip.clocks.offset == pytest.approx(0, abs=0.001)
    own.gossip.link_down(wire)  # type: ignore[arg-type]
    assert own.gossip.clocks.offset is None
