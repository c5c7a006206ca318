"""Who speaks for a site, among processes that hear each other."""

from functools import partial

import pytest

from nodnod_agent.core.backplane.election import BEAT, LISTENING, SILENT, TURNS, Election
from nodnod_agent.core.backplane.subjects import Sender
from simulation.clock import FakeClock

FAIL_OVER = SILENT + BEAT + 2 * TURNS


class Room:
    """Processes whose beats all hear that are in it."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.elections: dict[Sender, Election] = {}
        self.unfit: set[Sender] = set()
        self.changes = 0

    def enter(self, name: str) -> Election:
        own = Sender(name, "1")
        election = Election(
            "eu",
            own,
            partial(self._carry, own),
            lambda: own not in self.unfit,
            self._count,
            self.clock,
        )
        self.elections[own] = election
        election.begin()
        return election

    def lose(self, election: Election) -> None:
        """It dies."""
        self.elections = {own: one for own, one in self.elections.items() if one is not election}

    def speaker(self) -> Election:
        (one,) = (one for one in self.elections.values() if one.speaks)
        return one

    def _carry(self, sender: Sender, data: bytes) -> None:
        for own, election in self.elections.items():
            if own != sender and sender in self.elections:
                election.heard(sender, data)

    def _count(self) -> None:
        self.changes += 1


@pytest.fixture
def room(clock: FakeClock) -> Room:
    return Room(clock)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_one_alone_speaks_after_it_has_listened(room: Room, clock: FakeClock) -> None:
    alone = room.enter("kenny")
    clock.advance(LISTENING - 0.01)
    assert not alone.speaks
    clock.advance(2 * TURNS)
    assert alone.speaks


def test_of_many_that_start_together_one_speaks_and_keeps_on(room: Room, clock: FakeClock) -> None:
    for number in range(50):
        room.enter(f"node-{number}")
    clock.advance(LISTENING + TURNS + 0.01)
    first = room.speaker()
    assert room.changes == 1
    clock.advance(60)
    assert room.speaker() is first
    assert room.changes == 1


def test_the_order_does_not_depend_on_who_came_first(clock: FakeClock) -> None:
    names = ["stan", "kyle", "kenny", "cartman"]
    found = set()
    for order in (names, names[::-1], names[2:] + names[:2]):
        room = Room(clock)
        for name in order:
            room.enter(name)
            clock.advance(30)
        speaker = room.speaker()
        found.add(next(own.name for own, one in room.elections.items() if one is speaker))
    assert len(found) == 1


def test_a_dead_speaker_is_replaced(room: Room, clock: FakeClock) -> None:
    for number in range(20):
        room.enter(f"node-{number}")
    clock.advance(10)
    dead = room.speaker()
    room.lose(dead)
    clock.advance(FAIL_OVER)
    assert room.speaker() is not dead


def test_one_that_leaves_is_replaced_at_once(room: Room, clock: FakeClock) -> None:
    for number in range(20):
        room.enter(f"node-{number}")
    clock.advance(10)
    leaving = room.speaker()
    leaving.end(leaving=True)
    clock.advance(TURNS)
    assert room.speaker() is not leaving


def test_one_that_knows_its_site_comes_before_one_that_does_not(
    room: Room, clock: FakeClock
) -> None:
    for number in range(20):
        room.enter(f"node-{number}")
    clock.advance(10)
    first = room.speaker()
    own = next(own for own, one in room.elections.items() if one is first)
    room.unfit.add(own)
    clock.advance(BEAT + 2 * TURNS)
    second = room.speaker()
    assert second is not first
    room.unfit.clear()
    clock.advance(BEAT + 2 * TURNS)
    assert room.speaker() is first


def test_one_that_is_not_connected_does_not_speak(room: Room, clock: FakeClock) -> None:
    alone = room.enter("kenny")
    clock.advance(10)
    alone.end()
    clock.advance(10)
    assert not alone.speaks
    alone.begin()
    clock.advance(10)
    assert alone.speaks
