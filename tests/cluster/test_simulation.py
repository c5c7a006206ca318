"""The simulated network behaves as a real one, and replays from its seed."""

from typing import Any

import pytest

from nodnod_agent.core.interfaces import Hello
from simulation.agents import sample
from simulation.chaos import Chaos
from simulation.dialing import Dialer
from simulation.hosts import Accepted, Process
from simulation.network import Weather
from simulation.wires import End
from simulation.world import World, address_of

ROUGH = Weather(lost=0.2, late=0.1)
VERSION_1 = Hello(version=1)


class Line:
    """A connection between two machines, in a world with the weather of the test."""

    def __init__(self, world: World) -> None:
        self.world = world
        hosts = [world.network.host(name, address_of(n)) for n, name in enumerate(("a", "b"))]
        self.source, self.listener = (Process(world.clock, host, VERSION_1) for host in hosts)
        self.received: list[bytes] = []
        self.ended: list[str] = []
        self.end: End | None = None
        self.listener.accept = self._accept
        hosts[1].listen(self.listener)
        self.dialer = Dialer(world, self.source, hosts[1].address)
        self.wire: Any = self.dialer.wire

    def _accept(self, end: End, _: Hello) -> Accepted:
        self.end = end
        return Accepted(self.received.append, self.ended.append)

    def await_received(self, count: int) -> None:
        self.world.wait_for(lambda: len(self.received) >= count, 60, step=0.001)


@pytest.fixture
def line(world: World) -> Line:
    return Line(world)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("weather", [ROUGH])
def test_no_message_is_lost_or_overtaken(world: World, line: Line) -> None:
    sent = [b"%d" % number for number in range(300)]
    for text in sent:
        line.wire.send(text)
        world.run(0.01)
    world.run(60)
    assert line.received == sent


@pytest.mark.parametrize("weather", [Weather(lost=1 / 3)])
def test_lost_messages_come_late(world: World, line: Line) -> None:
    moments = []
    for number in range(100):
        sent = world.clock.now
        line.wire.send(b"x")
        line.await_received(number + 1)
        moments.append(world.clock.now - sent)
    late = [moment for moment in moments if moment > 0.1]
    assert 20 < len(late) < 50
    assert min(late) >= 0.2


def test_messages_that_run_into_a_cut_arrive_in_order_after_it_heals(
    world: World, line: Line
) -> None:
    world.network.split([line.listener.host])
    for text in (b"1", b"2"):
        line.wire.send(text)
        world.run(4)
    assert line.received == []
    world.network.heal()
    line.wire.send(b"3")
    world.run(10)
    assert line.received == [b"1", b"2", b"3"]


def test_a_cut_in_one_direction_leaves_the_other_free(world: World, line: Line) -> None:
    line.wire.send(b"before")
    world.network.cut(line.source.host, line.listener.host)
    line.wire.send(b"lost")
    assert line.end is not None
    line.end.send(b"back")
    world.run(5)
    assert line.dialer.texts == [b"back"]
    assert line.received == [b"before"]


def test_a_ping_is_answered_only_where_the_way_is_free(world: World, line: Line) -> None:
    heard = line.wire.heard
    line.wire.ping()
    world.run(1)
    assert heard < line.wire.heard < world.clock.now
    assert 0 < line.wire.rtt < 0.01
    heard = line.wire.heard
    world.network.split([line.listener.host])
    line.wire.ping()
    world.run(10)
    assert line.wire.heard == heard
    world.network.heal()
    world.run(10)
    assert line.wire.heard > heard


@pytest.mark.parametrize(
    ("how", "events"), [("kill", ["connection reset by peer"]), ("lose_power", [])]
)
def test_a_killed_process_is_noticed_and_a_lost_machine_is_not(
    world: World, line: Line, how: str, events: list[str]
) -> None:
    getattr(line.listener, how)()
    world.run(1)
    assert [event for _, event in line.dialer.events[1:]] == events


def test_the_end_of_a_lost_machine_is_noticed_when_it_is_up_again(world: World, line: Line) -> None:
    line.listener.lose_power()
    world.run(10)
    line.listener.host.listen(Process(world.clock, line.listener.host, VERSION_1))
    world.run(1)
    assert line.dialer.last_event == "connection reset by peer"


def test_a_server_gives_up_a_client_that_vanished_after_forty_seconds(
    world: World, line: Line
) -> None:
    line.source.lose_power()
    world.run(39)
    assert line.ended == []
    world.run(2)
    assert line.ended == ["no sign of life for 40 s"]


def test_a_dial_is_refused_without_a_listener_and_times_out_without_a_machine(
    world: World, line: Line
) -> None:
    refused = Dialer(world, line.source, line.source.host.address)
    lost = Dialer(world, line.source, address_of(99))
    started = world.clock.now - 1000
    world.run(10)
    assert refused.last_event == "connection refused"
    assert lost.events == [(round(started + 5, 3), "no handshake within 5 s")]


def test_a_frozen_process_reads_its_messages_when_it_thaws(world: World, line: Line) -> None:
    line.listener.freeze()
    for text in (b"1", b"2"):
        line.wire.send(text)
        world.run(1)
    assert line.received == []
    line.listener.thaw()
    world.clock.turn()
    assert line.received == [b"1", b"2"]


def test_a_process_that_thaws_reads_before_its_timers_fire(world: World, line: Line) -> None:
    line.listener.freeze()
    timer = line.listener.call_at(
        line.listener.time() + 0.1, lambda: line.received.append(b"timer")
    )
    world.run(0.2)
    line.wire.send(b"message")
    world.run(1)
    line.listener.thaw()
    world.clock.turn()
    assert line.received == [b"message", b"timer"]
    timer.cancel()


def test_a_process_that_dies_frozen_reads_nothing_more(world: World, line: Line) -> None:
    line.listener.freeze()
    line.wire.send(b"1")
    world.run(1)
    line.listener.kill()
    line.listener.thaw()
    world.run(1)
    assert line.received == []


def history(seed: int) -> tuple[str, list[int], list[int]]:
    """Everything that is known of a few seconds of chaos."""
    with World(seed, Weather(lost=0.01, late=0.01)) as world:
        agents = world.mesh(8, legacy=2)
        clients = [world.client(agent) for agent in agents]
        for client in clients:
            client.keep_asking(0.5)
        Chaos(world, agents).run(20)
        world.run(5)
        sent = [agent.process.sent_bytes for agent in agents]
        return world.trace, sent, [client.counts.answered for client in clients]


def test_the_same_seed_gives_the_same_history() -> None:
    assert history(1) == history(1)
    assert history(1) != history(2)


def test_a_failure_tells_its_seed_and_the_last_events() -> None:
    with pytest.raises(AssertionError) as e, World(1234) as world:  # noqa: PT012
        world.mesh(2)[0].crash()
        world.run(1)
        raise AssertionError("something is wrong")
    (note,) = e.value.__notes__
    assert note.startswith("seed 1234, the last ")
    assert "agent-0: crashes" in note
    assert "agent-1: Could not connect to node: 10.0.0.0:7070. Error: connection refused" in note


@pytest.mark.parametrize(
    ("number", "life", "age", "found"),
    [
        (77, 1, 0.0, "numbers of another node as agent-1"),
        (1, 1, 9.0, "memoryUsed of agent-1 is 7.99"),
        (1, 9, 0.0, "agent-1 has never had a life 9"),
    ],
)
def test_a_wrong_answer_fails_the_simulation(
    world: World, number: int, life: int, age: float, found: str
) -> None:
    agents = world.mesh(3)
    client = world.client(agents[0])
    world.run(2.5)
    agents[1].cluster.sampled(sample(number, life, world.clock.now - age))
    client.ask(type=1)
    with pytest.raises(AssertionError, match=found):
        world.run(0.4)


def test_an_answer_that_never_comes_fails_the_simulation(world: World) -> None:
    agents = world.mesh(2)
    client = world.client(agents[0])
    world.run(2)
    for end in agents[0].process.ends:
        end.received = bytes.strip  # no request is read any more
    client.ask(type=1)
    world.run(3)
    with pytest.raises(AssertionError, match="there is no answer, but the connection lives"):
        world.check_overdue()
