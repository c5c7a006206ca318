"""Whether an answer is right, given the request, the agent asked and the faults meanwhile."""

from collections import Counter
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from bench.harness.invariants.form import FIELDS, Violations, check_form
from bench.harness.invariants.ground_truth import GRACE, Fault, GroundTruth, KnownNode
from bench.harness.invariants.requests import BEFORE_ALL
from nodnod_agent.core.requests.pacing import TOO_MANY

DEFAULT_TIMEOUT = 2.0

HISTORY_WAIT = 1.0
"""Seconds that a request for the history may be queued, where there are many."""

STALE = 3
"""Intervals after which an agent in push mode calls numbers stale."""

TYPES = (0, 1, 3)
"""Requests that are answered: for the own node, for the cluster, for the members."""


class Asked(NamedTuple):
    """A request, its agent, and the times of the request and of the answer.

    ``known``: names of nodes that this client had seen in an answer before the request.
    """

    agent: KnownNode
    request: dict[str, Any]
    since: float
    until: float
    known: frozenset[str] = frozenset()


def time_allowed(request: dict[str, Any]) -> float:
    """Seconds that a request gives the agent."""
    default = min(DEFAULT_TIMEOUT, request.get("every", DEFAULT_TIMEOUT))
    return float(request.get("timeout", default))


class Judge:
    """Compares answers with the ground truth between request and answer."""

    def __init__(self, truth: GroundTruth) -> None:
        self.truth = truth
        self.passed_by = 0
        """How often a deadline below ``truth.short`` passed a healthy node by."""

    def violations(self, asked: Asked, answer: dict[str, Any]) -> Violations:
        """What is wrong with an answer. Raises KeyError, TypeError or AttributeError for no answer."""
        if answer["host"] != asked.agent.name:
            yield f"the answer of {answer['host']}"
        yield from check_form(answer)
        kind, code = asked.request["type"], answer.get("code")
        if code == "shutting_down":
            if self.truth.disconnects(asked.agent, asked.until) is None:
                yield "it says that it is shutting down, but was not told to"
        elif kind not in TYPES:
            if code != "unknown_type":
                yield f"an unknown type was not refused: {answer}"
        elif code or answer["error"]:
            yield f"a valid request was refused: {answer['error']}"
        elif kind == 3:
            yield from self._members(asked, answer)
        else:
            yield from self._nodes(asked, answer)

    def seconds(self, agent: KnownNode, request: dict[str, Any]) -> float:
        """How many seconds an answer may take: none at all where nothing has to be waited for."""
        if self.truth.prompt and not self._waits(request):
            return 0.0
        return time_allowed(request)

    def _waits(self, request: dict[str, Any]) -> bool:
        if request["type"] != 1:
            return False
        names = request.get("nodes")
        if names is None:
            return True
        owners = [self.truth.owners(name) for name in names]
        return any(not each or any(map(self.truth.faults, each)) for each in owners)

    def _members(self, asked: Asked, answer: dict[str, Any]) -> Violations:
        rows = [row for row in answer["members"] if row["state"] != "left"]
        yield from self._cover(asked, [row["name"] for row in rows])
        for row in rows:
            if row["state"] != "up" and not self._excused(asked, row["name"]):
                yield f"nothing is wrong with {row['name']}, but it is listed as {row}"

    def _nodes(self, asked: Asked, answer: dict[str, Any]) -> Violations:
        request, nodes = asked.request, answer["nodes"]
        tail = ["id"] * ("id" in request) + ["seq"] * ("every" in request)
        if list(answer) != ["host", "nodes", "error", *tail]:
            yield f"not an answer to that, but one with {list(answer)}"
            return
        if request["type"]:
            yield from self._cover(asked, nodes, request.get("nodes"))
        elif list(nodes) != [asked.agent.name]:
            yield f"it asked for the node itself and got {list(nodes)}"
        for key, node in nodes.items():
            yield from self._node(asked, key, node)

    def _cover(
        self, asked: Asked, keys: Iterable[str], patterns: list[str] | None = None
    ) -> Violations:
        """An answer lists each node once, and no other node."""
        counts: Counter[KnownNode] = Counter()
        listed = sorted(keys, key=lambda key: len(self.truth.owners(key)))
        for key in listed:
            owners = self.truth.owners(key)
            if owners:
                # A name that two nodes share means the one that no other key means.
                counts[min(owners, key=lambda one: counts[one])] += 1
            literal = patterns is not None and key in patterns
            if not (owners or literal or self.truth.strangers) or not _fits(key, patterns):
                yield f"no node is called {key}, or it was not asked for"
        for node in self.truth.nodes:
            times = counts[node]
            if times != 1 and self._selected(node, patterns):
                excuses = self._excuses(asked, node)
                # A new process may hear of two addresses of a node before it has met it at either.
                if times and not any(
                    one.effect.moves or _is_new(one, asked.agent) for one in excuses
                ):
                    yield f"{node.name} is in it {times} times"
                if not times and not self._may_miss(asked, node, excuses):
                    yield f"{node.name} is not in it"
        for name in patterns or ():
            if not set(name) & set("*?[") and name not in listed:
                yield f"{name} was asked for and is not in it"

    def _selected(self, node: KnownNode, patterns: list[str] | None) -> bool:
        """Whether it must be in the answer: of two with one name, a pattern may select either."""
        unique = len(self.truth.owners(node.name)) == 1
        return patterns is None or (unique and _fits(node.name, patterns))

    def _may_miss(self, asked: Asked, node: KnownNode, excuses: list[Fault]) -> bool:
        if any(one.effect.leaves or _is_new(one, asked.agent) for one in excuses):
            return True
        # An agent that knows only the address of a node cannot match patterns with its name.
        return "nodes" in asked.request and bool(excuses) and node.name not in asked.known

    def _node(self, asked: Asked, key: str, node: dict[str, Any]) -> Violations:
        fields = FIELDS[asked.request.get("statType", 0)]
        owners = self.truth.owners(key)
        exact = tuple(node) in (fields, (*fields, "history"))
        extra = any(one.extra_fields for one in owners) and node.keys() >= set(fields)
        if not (exact or extra) or node["name"] != key:
            yield f"that is no object of {key}: {node}"
            return
        if "history" in node and "history" not in asked.request:
            yield f"the history of {key} was not asked for"
        numbers = {field: node[field] for field in fields if field not in ("name", "error")}
        if not owners:
            if not self.truth.strangers and (
                node["error"] != "unknown node" or any(numbers.values())
            ):
                yield f"no node is called {key}, and it is listed as {node}"
        elif node["error"]:
            yield from self._failed(asked, key, node["error"], numbers)
        else:
            found = [list(self._healthy(asked, one, key, node, numbers)) for one in owners]
            if all(found):
                yield from found[0]

    def _failed(self, asked: Asked, key: str, error: str, numbers: dict[str, float]) -> Violations:
        """A node with an error: it has a reason, and no numbers but allowed old ones."""
        owners = self.truth.owners(key)
        excuses = [one for owner in owners for one in self._excuses(asked, owner)]
        if not self._excused(asked, key) and not self._passed_by(asked, owners, error):
            yield f"nothing is wrong with {key}, but it has the error: {error}"
        left = any(one.effect.leaves for one in excuses)
        if error == "unknown node" and key in asked.known and not left:
            yield f"{key} is called unknown, but was in an answer before"
        if any(numbers.values()):
            stale = error.startswith("stale: ") and any(one.effect.freezes for one in excuses)
            if not asked.agent.push and not stale:
                yield f"{key} has an error, and numbers beside it: {numbers}"
            if all(_foreign(one, numbers) for one in owners):
                yield f"numbers of another node as {key}: {numbers}"

    def _healthy(
        self,
        asked: Asked,
        owner: KnownNode,
        key: str,
        node: dict[str, Any],
        numbers: dict[str, float],
    ) -> Violations:
        """A node with numbers: they are its own, and new enough."""
        if owner.stats:
            if _foreign(owner, numbers):
                yield f"numbers of another node as {key}: {numbers}"
        else:
            yield from _implausible(key, numbers)
        yield from self._old(asked, owner, numbers)
        yield from self._history(asked, owner, node)
        if key == owner.name:
            self.truth.is_well(asked.agent, owner, asked.since, asked.until)
        elif len(self.truth.owners(owner.name)) == 1 and not self._excuses(asked, owner):
            yield f"{owner.name} is known by name, but is listed as {key}"

    def _old(self, asked: Asked, owner: KnownNode, numbers: dict[str, float]) -> Violations:
        """Numbers that a node could not take, for it did not run, or that it took too early."""
        since = asked.since
        if asked.agent.push and owner is not asked.agent:
            if owner.every is None:
                return
            patience = STALE * owner.every + self.truth.transit
            since = self.truth.asked_since(asked.agent, since, patience)
        if asked.agent is not owner and self.truth.silent(owner, since, asked.until):
            yield f"{owner.name} did not run, and could not have sent {numbers}"
        life = int(numbers.get(owner.life, 0))
        if life and life <= len(owner.deaths) and owner.deaths[life - 1] < since:
            yield f"these are numbers of life {life} of {owner.name}, which is over: {numbers}"
        if life > len(owner.deaths) + 1 or (owner.life in numbers and life < 1):
            yield f"{owner.name} has never had a life {life}"
        recently = since - 2 * (owner.every or 0.0)
        if self.truth.resumed(owner, recently, asked.until):
            return
        late = self.truth.delayed(owner, recently, asked.until)
        oldest = int((since - owner.max_age - late) * 1000)
        for stamp in owner.stamps:
            if numbers.get(stamp, oldest) < oldest:
                yield f"{stamp} of {owner.name} is {(oldest - numbers[stamp]) / 1000:.3f} s too old"

    def _history(self, asked: Asked, owner: KnownNode, node: dict[str, Any]) -> Violations:
        if "history" not in asked.request or owner.every is None or not owner.timely:
            return  # an agent of version 1 has none
        history = node.get("history")
        if history is None:
            # The own history is computed after other work, which may take until the deadline. All that
            # came during a pause is asked at once.
            late = self.truth.delayed(asked.agent, asked.since, asked.until)
            hurried = time_allowed(asked.request) < self.truth.slack + late
            hurried = hurried or self._crowded(asked) or self._paused(asked)
            if asked.agent is not owner or not hurried:
                yield f"{owner.name} has no history, which was asked for"
        elif ("until" in history) != ("until" in asked.request):
            yield f"the history of {owner.name} ends at another moment: {history}"
        elif asked.request.get("until") == BEFORE_ALL:
            if any(isinstance(one, list) and one for one in history.values()):
                yield f"the history of {owner.name} begins before its time: {history}"
        elif history["every"] != owner.every:
            yield f"the history of {owner.name} has the interval {history['every']} of another"

    def _passed_by(self, asked: Asked, owners: list[KnownNode], error: str) -> bool:
        """Whether the deadline was short, or passed while one of the two agents had no CPU."""
        if error == TOO_MANY:
            return self._crowded(asked)
        allowed = time_allowed(asked.request)
        enough = self.truth.short + (HISTORY_WAIT if self._crowded(asked) else 0.0)
        for one in (asked.agent, *owners):
            enough += self.truth.delayed(one, asked.since, asked.until)
        if error != f"no answer within {allowed:g} s" or not (
            allowed < enough or self._paused(asked, *owners)
        ):
            return False
        self.passed_by += 1
        return True

    def _paused(self, asked: Asked, *others: KnownNode) -> bool:
        since = asked.since - GRACE - self.truth.slack
        return any(self.truth.paused(one, since, asked.until) for one in (asked.agent, *others))

    def _crowded(self, asked: Asked) -> bool:
        return "history" in asked.request and self.truth.crowded(
            asked.agent, asked.since, asked.until
        )

    def _excused(self, asked: Asked, key: str) -> bool:
        """Whether a fault may explain an error of this entry, or the entry is no known node."""
        owners = self.truth.owners(key)
        return not owners or any(self._excuses(asked, one) for one in owners)

    def _excuses(self, asked: Asked, node: KnownNode) -> list[Fault]:
        return self.truth.excuses(asked.agent, node, asked.since, asked.until)


def _is_new(fault: Fault, asked: KnownNode) -> bool:
    """Whether a fault has put a new process in the place of the agent that is asked."""
    return fault.effect.forgets and fault.victim is asked


def _fits(name: str, patterns: list[str] | None) -> bool:
    return patterns is None or any(fnmatchcase(name, one) for one in patterns)


def _foreign(owner: KnownNode, numbers: dict[str, float]) -> bool:
    return any(numbers.get(field, value) != value for field, value in owner.stats.items())


def _implausible(key: str, numbers: dict[str, float]) -> Violations:
    for name in ("cpuUsed", "memoryUsedPercent", "diskUsedPercent"):
        if not 0 <= numbers.get(name, 0) <= 100:
            yield f"{key} has a {name} of {numbers[name]}"
    for kind in ("memory", "disk"):
        total, used = numbers.get(f"{kind}Total", 1), numbers.get(f"{kind}Used", 0)
        if not 0 <= used <= total or not total:
            yield f"{key} uses {used} of {total} bytes of {kind}"
