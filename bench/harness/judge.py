"""Whether an answer is right: told from what was asked, of whom, and what was done meanwhile."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from msgspec.structs import fields

from bench.harness.faults import BUSY, GRACE, Node, Trouble, World
from nodnod_agent.core.requests.pacing import TOO_MANY
from nodnod_client.messages import STAT_SHAPES

DEFAULT_TIMEOUT = 2.0
SHORT = 1.0
"""Seconds below which a deadline may pass a sound node by on a busy machine."""

PAST_WAITS = 1.0
"""Seconds that a question about the past may wait for its turn, where many are asked."""

STALE = 3
"""Intervals after which an agent in push mode says that numbers are old."""

FIELDS = tuple(tuple(one.encode_name for one in fields(shape)) for shape in STAT_SHAPES)
"""The fields of a node object in their order, by ``statType``."""

Verdict = Iterator[str]
"""What is wrong, in words."""


def parse(text: bytes | str) -> dict[str, Any]:
    """Read an answer. Raises ValueError, also where an object names anything twice."""
    answer = json.loads(text, object_pairs_hook=_once)
    if not isinstance(answer, dict):
        raise ValueError("no object")
    return answer


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]
        raise ValueError(f"{', '.join(twice)} stands in it twice")
    return found


class Asked(NamedTuple):
    """A request to an agent, and the time from question to answer; of a tick, the most it can be."""

    agent: str
    request: dict[str, Any]
    since: float
    until: float


def time_allowed(request: dict[str, Any]) -> float:
    """Seconds that a request gives the agent."""
    default = min(DEFAULT_TIMEOUT, request.get("every", DEFAULT_TIMEOUT))
    return float(request.get("timeout", default))


class Judge:
    """Holds each answer against the world as it was between question and answer."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.short = 0
        """Sound nodes that a deadline of less than SHORT seconds has passed by."""

    def faults(self, asked: Asked, answer: dict[str, Any]) -> Verdict:
        """All that is wrong with an answer. Raises KeyError, TypeError or AttributeError for none."""
        if answer.get("host") != asked.agent:
            yield f"the answer of {answer.get('host')}"
        if answer.get("code") == "shutting_down":
            if self.world.gone(asked.agent, asked.until) is None:
                yield "it says that it is shutting down, and nobody has told it to"
        elif answer.get("error") or "code" in answer:
            yield f"a good request was refused: {answer.get('error')}"
        elif asked.request["type"] == 3:
            yield from self._members(asked, answer)
        else:
            yield from self._nodes(asked, answer)

    def _members(self, asked: Asked, answer: dict[str, Any]) -> Verdict:
        there = [row for row in answer["members"] if row["state"] != "left"]
        yield from self._cover(asked, [row["name"] for row in there])
        for row in there:
            owner = self._owner(row["name"])
            if row["state"] != "up" and owner is not None and not self._excuses(asked, owner):
                yield f"nothing is wrong with {row['name']}, and it is said: {row['error']}"

    def _nodes(self, asked: Asked, answer: dict[str, Any]) -> Verdict:
        tail = [key for key in ("id", "seq") if key in answer]
        if list(answer) != ["host", "nodes", "error", *tail]:
            yield f"not an answer to that, but one with {list(answer)}"
            return
        nodes = answer["nodes"]
        if asked.request["type"]:
            yield from self._cover(asked, nodes, asked.request.get("nodes"))
        elif list(nodes) != [asked.agent]:
            yield f"it asked for the node itself and got {list(nodes)}"
        for key, node in nodes.items():
            yield from self._node(asked, key, node)

    def _cover(
        self, asked: Asked, there: Iterable[str], patterns: list[str] | None = None
    ) -> Verdict:
        """Each node once, and nobody else."""
        keys = list(there)
        for node in self.world.nodes.values():
            if not _fits(node.name, patterns):
                continue
            times = sum(key in node.names for key in keys)
            excuses = self._excuses(asked, node)
            # Who left is not listed; a new process does not know everybody yet, nor all names.
            absent = any(
                one.does.leaves or (one.does.renews and one.victim == asked.agent)
                for one in excuses
            )
            if patterns is not None:
                absent = bool(excuses) and node.name not in patterns
            twice = any(one.does.leaves for one in excuses)
            if times == 0 and not absent:
                yield f"{node.name} is not in it"
            elif times > 1 and not twice:
                yield f"{node.name} is in it {times} times"
        for key in keys:
            known = self._owner(key) is not None or (patterns is not None and key in patterns)
            if not known or not _fits(key, patterns):
                yield f"nobody is called {key}, or it was not asked for"

    def _node(self, asked: Asked, key: str, node: dict[str, Any]) -> Verdict:
        shape = FIELDS[asked.request.get("statType", 0)]
        if tuple(node) not in (shape, (*shape, "history")) or node["name"] != key:
            yield f"that is no object of {key}: {node}"
            return
        if "history" in node and "history" not in asked.request:
            yield f"nobody asked {key} for its history"
        owner = self._owner(key)
        numbers = {field: node[field] for field in shape if field not in ("name", "error")}
        if owner is None:
            if node["error"] != "unknown node" or any(numbers.values()):
                yield f"nobody is called {key}, and it is said of it: {node}"
        elif node["error"]:
            old = self.world.push or node["error"].startswith("stale: ")
            if any(numbers.values()) and not old:
                yield f"{key} has an error, and numbers beside it: {node}"
            if not self._excuses(asked, owner) and not self._passed_by(asked, node["error"]):
                yield f"nothing is wrong with {key}, and it is said: {node['error']}"
        else:
            yield from _implausible(key, numbers)
            yield from self._not_its_own(asked, owner, node)
            if key == owner.name:
                self.world.is_well(asked.agent, owner.name, asked.since, asked.until)
            elif not self._excuses(asked, owner):
                yield f"{owner.name} has long told its name, and is called {key}"

    def _not_its_own(self, asked: Asked, owner: Node, node: dict[str, Any]) -> Verdict:
        """Whether a node cannot have said this, or not now."""
        patience = STALE * owner.every + BUSY if self.world.push else 0.0
        if asked.agent != owner.name and self.world.silent(
            owner.name, asked.since - patience, asked.until
        ):
            yield f"{owner.name} could not have said this, it was away: {node}"
        if "history" in asked.request:
            history = node.get("history")
            if history is None:
                if asked.agent == owner.name and self._crowded(asked):
                    return
                yield f"{owner.name} has no history, which was asked for"
            elif history["every"] != owner.every:
                yield f"the history of {owner.name} has another's interval, {history['every']}"

    def _passed_by(self, asked: Asked, error: str) -> bool:
        """Whether there was not much time to answer in, or the agent did not have it."""
        if error == TOO_MANY:
            return self._crowded(asked)
        allowed = time_allowed(asked.request)
        enough = SHORT + (PAST_WAITS if self._crowded(asked) else 0.0)
        since = asked.since - GRACE - BUSY
        if error != f"no answer within {allowed:g} s" or not (
            allowed < enough or self.world.stood(asked.agent, since, asked.until)
        ):
            return False
        self.short += 1
        return True

    def _crowded(self, asked: Asked) -> bool:
        """Whether it asked for the past, and so did too many."""
        return "history" in asked.request and self.world.crowded(
            asked.agent, asked.since, asked.until
        )

    def _excuses(self, asked: Asked, node: Node) -> list[Trouble]:
        return self.world.excuses(asked.agent, node.name, asked.since, asked.until)

    def _owner(self, key: str) -> Node | None:
        named = self.world.nodes.get(key)
        return named or next((one for one in self.world.nodes.values() if key in one.names), None)


def _fits(name: str, patterns: list[str] | None) -> bool:
    return patterns is None or any(fnmatchcase(name, one) for one in patterns)


def _implausible(key: str, numbers: dict[str, float]) -> Verdict:
    for name in ("cpuUsed", "memoryUsedPercent", "diskUsedPercent"):
        if not 0 <= numbers.get(name, 0) <= 100:
            yield f"{key} has a {name} of {numbers[name]}"
    for kind in ("memory", "disk"):
        total, used = numbers.get(f"{kind}Total", 1), numbers.get(f"{kind}Used", 0)
        if not 0 <= used <= total or not total:
            yield f"{key} uses {used} of {total} bytes of {kind}"
