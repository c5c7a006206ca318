"""The simulated network is a network: what a real one keeps, it keeps; and it replays."""

from typing import Any

import pytest

from nodnod_agent.core.interfaces import Hello, Wire
from simulation.chaos import Chaos
from simulation.hosts import Accepted, Process
from simulation.network import Weather
from simulation.wires import End
from simulation.world import World, address_of

ROUGH = Weather(lost=0.2, late=0.1)
VERSION_1 = Hello(version=1)


class Caller:
    """One that dials, and notes what comes of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.wire: Wire | None = None
        self.texts: list[bytes] = []
        self.told: list[tuple[float, str]] = []

    def opened(self, wire: Wire, _: Hello) -> None:
        self.wire = wire
        self._tell("opened")

    def refused(self, reason: str) -> None:
        self._tell(reason)

    def received(self, text: bytes) -> None:
        self.texts.append(text)
        self._tell(text.decode())

    def ended(self, reason: str) -> None:
        self._tell(reason)

    def _tell(self, what: str) -> None:
        self.told.append((round(self.world.clock.now - 1000, 3), what))


class Line:
    """A connection between two machines, made in a world of the test's own weather."""

    def __init__(self, world: World) -> None:
        self.world = world
        hosts = [world.network.host(name, address_of(n)) for n, name in enumerate(("a", "b"))]
        self.dialler, self.listener = (Process(world.clock, host, VERSION_1) for host in hosts)
        self.caller = Caller(world)
        self.heard: list[bytes] = []
        self.ended: list[str] = []
        self.end: End | None = None
        self.listener.accept = self._accept
        hosts[1].listen(self.listener)
        world.network.dial(self.dialler, hosts[1].address, self.caller)

    def _accept(self, end: End, _: Hello) -> Accepted:
        self.end = end
        return Accepted(self.heard.append, self.ended.append)

    def await_heard(self, count: int) -> None:
        self.world.wait_for(lambda: len(self.heard) >= count, 60, step=0.001)

    @property
    def wire(self) -> Any:
        if self.caller.wire is None:
            self.world.run(30)
        return self.caller.wire


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_and_nothing_overtakes(seed: int) -> None:
    with World(seed, ROUGH) as world:
        line = Line(world)
        sent = [b"%d" % number for number in range(300)]
        for text in sent:
            line.wire.send(text)
            world.run(0.01)
        world.run(60)
        assert line.heard == sent


def test_lost_messages_come_late() -> None:
    with World(1, Weather(lost=1 / 3)) as world:
        line = Line(world)
        assert line.wire
        moments = []
        for number in range(100):
            sent = world.clock.now
            line.wire.send(b"x")
            line.await_heard(number + 1)
            moments.append(world.clock.now - sent)
        late = [moment for moment in moments if moment > 0.1]
        assert 20 < len(late) < 50
        assert min(late) >= 0.2


def test_what_runs_into_a_cut_comes_after_the_healing_in_order() -> None:
    with World(1) as world:
        line = Line(world)
        wire = line.wire
        world.network.split([line.listener.host])
        for text in (b"1", b"2"):
            wire.send(text)
            world.run(4)
        assert line.heard == []
        world.network.heal()
        wire.send(b"3")
        world.run(10)
        assert line.heard == [b"1", b"2", b"3"]


def test_a_cut_one_way_leaves_the_other_way_free() -> None:
    with World(1) as world:
        line = Line(world)
        line.wire.send(b"before")
        world.network.cut(line.dialler.host, line.listener.host)
        line.wire.send(b"lost")
        assert line.end is not None
        line.end.send(b"back")
        world.run(5)
        assert line.caller.texts == [b"back"]
        assert line.heard == [b"before"]


def test_a_ping_is_answered_only_where_the_way_is_free() -> None:
    with World(1) as world:
        line = Line(world)
        wire = line.wire
        heard = wire.heard
        wire.ping()
        world.run(1)
        assert heard < wire.heard < world.clock.now
        assert 0 < wire.rtt < 0.01
        heard = wire.heard
        world.network.split([line.listener.host])
        wire.ping()
        world.run(10)
        assert wire.heard == heard
        world.network.heal()
        world.run(10)
        assert wire.heard > heard


@pytest.mark.parametrize(
    ("what", "told"),
    [("kill", ["connection reset by peer"]), ("lose_power", [])],
)
def test_a_killed_process_is_noticed_and_a_lost_machine_is_not(what: str, told: list[str]) -> None:
    with World(1) as world:
        line = Line(world)
        assert line.wire
        getattr(line.listener, what)()
        world.run(1)
        assert [what for _, what in line.caller.told[1:]] == told


def test_whom_nobody_tells_of_the_end_finds_out_when_the_machine_is_up_again() -> None:
    with World(1) as world:
        line = Line(world)
        assert line.wire
        line.listener.lose_power()
        world.run(10)
        line.listener.host.listen(Process(world.clock, line.listener.host, VERSION_1))
        world.run(1)
        assert line.caller.told[-1][1] == "connection reset by peer"


def test_a_client_that_vanished_is_given_up_by_the_server_after_forty_seconds() -> None:
    with World(1) as world:
        line = Line(world)
        assert line.wire
        line.dialler.lose_power()
        world.run(39)
        assert line.ended == []
        world.run(2)
        assert line.ended == ["no sign of life for 40 s"]


def test_nobody_listening_is_refused_and_no_machine_is_waited_for() -> None:
    with World(1) as world:
        line = Line(world)
        assert line.wire
        callers = [Caller(world), Caller(world)]
        world.network.dial(line.dialler, line.dialler.host.address, callers[0])
        world.network.dial(line.dialler, address_of(99), callers[1])
        started = world.clock.now - 1000
        world.run(10)
        assert callers[0].told[0][1] == "connection refused"
        assert callers[1].told == [(round(started + 5, 3), "no handshake within 5 s")]


def test_a_frozen_process_reads_all_that_came_when_it_thaws() -> None:
    with World(1) as world:
        line = Line(world)
        wire = line.wire
        line.listener.freeze()
        for text in (b"1", b"2"):
            wire.send(text)
            world.run(1)
        assert line.heard == []
        line.listener.thaw()
        world.clock.turn()
        assert line.heard == [b"1", b"2"]


def test_a_frozen_process_reads_before_its_timers_ring() -> None:
    with World(1) as world:
        line = Line(world)
        wire = line.wire
        line.listener.freeze()
        timer = line.listener.call_at(
            line.listener.time() + 0.1, lambda: line.heard.append(b"timer")
        )
        world.run(0.2)
        wire.send(b"message")
        world.run(1)
        line.listener.thaw()
        world.clock.turn()
        assert line.heard == [b"message", b"timer"]
        timer.cancel()


def test_what_dies_frozen_reads_nothing_more() -> None:
    with World(1) as world:
        line = Line(world)
        wire = line.wire
        line.listener.freeze()
        wire.send(b"1")
        world.run(1)
        line.listener.kill()
        line.listener.thaw()
        world.run(1)
        assert line.heard == []


def tale(seed: int) -> tuple[str, list[int], list[int]]:
    """All that can be told of a few stormy seconds."""
    with World(seed, Weather(lost=0.01, late=0.01)) as world:
        agents = world.mesh(8, legacy=2)
        clients = [world.client(agent) for agent in agents]
        for client in clients:
            client.keep_asking(0.5)
        Chaos(world, agents).run(20)
        world.run(5)
        sent = [agent.process.sent_bytes for agent in agents]
        return world.trace, sent, [client.counts.answered for client in clients]


def test_one_seed_is_one_story() -> None:
    assert tale(1) == tale(1)
    assert tale(1) != tale(2)


def test_a_failure_tells_its_seed_and_what_happened_last() -> None:
    with pytest.raises(AssertionError) as e, World(1234) as world:  # noqa: PT012
        world.mesh(2)[0].crash()
        world.run(1)
        raise AssertionError("something is wrong")
    (note,) = e.value.__notes__
    assert note.startswith("seed 1234, the last ")
    assert "agent-0: crashes" in note
    assert "agent-1: Could not connect to node: 10.0.0.0:7070. Error: connection refused" in note


def test_a_wrong_answer_does_not_pass_unnoticed() -> None:
    with World(1) as world:
        agents = world.mesh(3)
        client = world.client(agents[0])
        world.run(2)
        agents[1].number = 77  # so its numbers are another's now
        agents[1].process.call_at(0, agents[1]._sample, agents[1].process, agents[1].cluster)
        world.run(1.1)
        client.ask(type=1)
        with pytest.raises(AssertionError, match="numbers of another node as agent-1"):
            world.run(1)
