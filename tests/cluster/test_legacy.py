"""The double of version 1 behaves as the original was seen to behave."""

import json
from typing import Any

from nodnod_agent.core.interfaces import Hello, Wire
from simulation.hosts import Process
from simulation.world import World, address_of


class Caller:
    """One that dials, and notes what it hears."""

    def __init__(self) -> None:
        self.wire: Wire | None = None
        self.texts: list[bytes] = []
        self.ends: list[str] = []

    def opened(self, wire: Wire, _: Hello) -> None:
        self.wire = wire

    def refused(self, reason: str) -> None:
        self.ends.append(reason)

    def received(self, text: bytes) -> None:
        self.texts.append(text)

    def ended(self, reason: str) -> None:
        self.ends.append(reason)


def talk(*requests: bytes) -> tuple[list[Any], list[str]]:
    """What a version-1 agent answers on one connection, and how that ends."""
    with World(1) as world:
        agent = world.agent(legacy=True)
        caller = Caller()
        process = Process(
            world.clock, world.network.host("client", address_of(9)), Hello(version=1)
        )
        world.network.dial(process, agent.address, caller)
        world.run(1)
        assert caller.wire is not None
        for request in requests:
            caller.wire.send(request)
        world.run(5)
        return [json.loads(text) for text in caller.texts], caller.ends


def test_a_version_1_agent_ignores_what_it_does_not_know_and_echoes_no_id() -> None:
    (answer,), ends = talk(b'{"type":1,"statType":3,"id":5,"detail":["cpu"]}')
    assert list(answer) == ["host", "nodes", "error"]
    assert len(answer["nodes"]["agent-0"]) == 9
    assert ends == []


def test_a_version_1_agent_says_nothing_to_an_unknown_type_and_goes_on() -> None:
    answers, ends = talk(b'{"type":3}', b'{"type":0}', b'{"type":4}')
    assert len(answers) == 1
    assert ends == []


def test_a_version_1_agent_hangs_up_on_what_is_no_json() -> None:
    answers, ends = talk(b"hello", b'{"type":0}')
    assert answers == []
    assert ends == ["connection reset by peer"]


def test_a_version_2_agent_tells_a_version_1_agent_nothing_of_itself_and_hears_nothing() -> None:
    with World(1) as world:
        old, new = world.mesh(2, legacy=1)[::-1]
        world.run(5)
        (member,) = new.cluster.peers.roster.members.values()
        assert (member.name, member.version, member.instance) == (old.name, 1, "")
