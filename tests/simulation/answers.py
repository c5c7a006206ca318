"""What a right answer is: told from what is known of the whole simulated world."""

import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from simulation.agents import INTERVAL, reading

if TYPE_CHECKING:
    from simulation.agents import Agent
    from simulation.clients import Asked
    from simulation.legacy import LegacyAgent
    from simulation.world import World

_DISK = ("diskTotal", "diskUsed", "diskUsedPercent")
_MEMORY = ("memoryTotal", "memoryUsed", "memoryUsedPercent")

_FIELDS = {"diskTotal": "disk_total", "memoryTotal": "memory_total"}

STALE = 3 * INTERVAL
TRANSIT = 3.0
"""Seconds that what an agent streams may be under way, with messages sent again and again."""

FIELDS: tuple[tuple[str, ...], ...] = (
    ("name", "cpuUsed", *_DISK, *_MEMORY, "error"),
    ("name", "cpuUsed", "error"),
    ("name", *_MEMORY, "error"),
    ("name", *_DISK, "error"),
)
"""The fields of a node object in their order, by ``statType``."""


def parse(text: bytes) -> dict[str, Any]:
    """Read an answer; AssertionError where an object names anything twice."""
    answer = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    assert isinstance(answer, dict)
    return answer


def check_answer(
    world: "World",
    agent: "Agent | LegacyAgent",
    asked: "Asked",
    answer: dict[str, Any],
) -> None:
    """AssertionError unless ``answer`` is a right one to what was asked of ``agent``."""
    request = asked.request
    assert answer["host"] == agent.name
    tail = ["id"] if "id" in request and agent.version >= 2 else []
    if "every" in request:
        tail.append("seq")
    stopped = asked.stopped or (agent.has_left and answer.get("code") == "shutting_down")
    if stopped or request["type"] not in (0, 1):
        assert list(answer) == ["host", "nodes", "error", "code", *tail]
        assert answer["code"] == ("shutting_down" if stopped else "unknown_type")
        assert answer["nodes"] == {}
        return
    assert list(answer) == ["host", "nodes", "error", *tail]
    assert answer["error"] == ""
    nodes = answer["nodes"]
    fields = FIELDS[request.get("statType", 0)]
    for key, node in nodes.items():
        assert tuple(node) == fields, key
        assert node["name"] == key
        _check_node(world, agent, asked, node)
    if request["type"] == 0:
        assert list(nodes) == [agent.name]
    elif "nodes" in request:
        gone = {other.name for other in world.agents if other.has_left}
        _check_selection(agent, request["nodes"], nodes, asked.known - gone)
    else:
        _check_all(world, agent, nodes)


def _check_all(world: "World", agent: "Agent | LegacyAgent", nodes: dict[str, Any]) -> None:
    """Every configured node exactly once, under its name or else its address, and nobody else.

    One that has said goodbye is not missed.
    """
    expected = {agent.name: str(agent.address)}
    gone = set()
    for node in agent.nodes:
        other = world.by_address.get(node)
        expected[other.name if other else str(node)] = str(node)
        if other is not None and other.has_left:
            gone.add(other.name)
    found = 0
    for name, address in expected.items():
        times = (name in nodes) + (address in nodes)
        assert times == 1 or (times == 0 and name in gone), f"{name}, {address}"
        found += times
    assert len(nodes) == found, set(nodes) - set(expected)


def _check_selection(
    agent: "Agent | LegacyAgent", patterns: list[str], nodes: dict[str, Any], known: frozenset[str]
) -> None:
    """Those named, whether known or not, and those that fit, as far as their names are known."""
    for name in nodes:
        assert any(fnmatchcase(name, pattern) for pattern in patterns), name
    for pattern in patterns:
        if "*" not in pattern:
            assert pattern in nodes
            if pattern in known or pattern == agent.name:
                assert nodes[pattern]["error"] != "unknown node"
    for name in known:
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            assert name in nodes


def _check_node(
    world: "World", agent: "Agent | LegacyAgent", asked: "Asked", node: dict[str, Any]
) -> None:
    """Its own numbers, no older than the request, or zeros and a reason.

    In push mode numbers may be as old as the protocol bears without calling them stale, and stale
    ones stand beside the reason.
    """
    numbers = {field: value for field, value in node.items() if field not in ("name", "error")}
    name, error = node["name"], node["error"]
    from_memory = agent.mode == "push" and name != agent.name
    if error:
        assert name != agent.name, "an agent can always read itself"
        if not any(numbers.values()):
            return
        assert from_memory, f"{name}: numbers beside {error!r}"
    other = next((other for other in world.agents if other.name == name), None)
    assert other is not None, f"numbers of a node that does not exist: {name}"
    real = reading(other.number, other.lives, world.clock.now)
    for field in ("cpuUsed", "diskTotal", "memoryTotal"):
        if field in numbers:
            own = real.cpu_used if field == "cpuUsed" else getattr(real, _FIELDS[field])
            assert numbers[field] == own, f"numbers of another node as {name}"
    if error:
        return
    since = asked.moment
    if from_memory:
        since -= STALE + TRANSIT
        if agent.thawed > since:  # what came meanwhile it has heard only then
            since = min(since, agent.frozen - STALE - TRANSIT)
    if "diskUsed" in numbers:
        life = numbers["diskUsed"]
        assert 1 <= life <= other.lives
        assert life > len(other.died) or other.died[life - 1] >= since, f"{name} is dead"
    if "memoryUsed" in numbers and other.thawed < since - 2 * INTERVAL:
        age = since - numbers["memoryUsed"] / 1000
        assert age <= INTERVAL + 0.01, f"{name}'s numbers are {age:.3f} s too old"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    assert len(document) == len(pairs), f"named twice: {[key for key, _ in pairs]}"
    return document


def _no_constant(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")
