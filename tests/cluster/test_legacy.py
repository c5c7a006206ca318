"""The double of version 1 behaves as the original was seen to behave."""

import json
from typing import Any

from nodnod_agent.core.interfaces import Hello
from simulation.dialing import Dialer
from simulation.hosts import Process
from simulation.world import World, address_of


def answers(world: World, *requests: bytes) -> tuple[list[Any], list[str]]:
    """What a version-1 agent answers on one connection, and how that ends."""
    agent = world.agent(legacy=True)
    host = world.network.host("client", address_of(9))
    dialer = Dialer(world, Process(world.clock, host, Hello(version=1)), agent.address)
    wire = dialer.wire
    for request in requests:
        wire.send(request)
    world.run(5)
    return [json.loads(text) for text in dialer.texts], [what for _, what in dialer.events[1:]]


def test_a_version_1_agent_ignores_unknown_fields_and_echoes_no_id(world: World) -> None:
    (answer,), ends = answers(world, b'{"type":1,"statType":3,"id":5,"detail":["cpu"]}')
    assert list(answer) == ["host", "nodes", "error"]
    assert len(answer["nodes"]["agent-0"]) == 9
    assert ends == []


def test_a_version_1_agent_does_not_answer_an_unknown_type_and_goes_on(world: World) -> None:
    found, ends = answers(world, b'{"type":3}', b'{"type":0}', b'{"type":4}')
    assert len(found) == 1
    assert ends == []


def test_a_version_1_agent_closes_the_connection_on_text_that_is_not_json(world: World) -> None:
    found, ends = answers(world, b"hello", b'{"type":0}')
    assert found == []
    assert ends == ["connection reset by peer"]


def test_agents_of_version_1_and_2_exchange_no_hello(world: World) -> None:
    old, new = world.mesh(2, legacy=1)[::-1]
    world.run(5)
    (member,) = new.cluster.peers.roster.members.values()
    assert (member.name, member.version, member.instance) == (old.name, 1, "")
