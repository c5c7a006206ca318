"""What must stay true of an agent, told from what a client saw of it.

No request is answered with another's answer; each gets exactly one, by its deadline; each node
stands in it exactly once, with its own numbers or an error; what is wrong elsewhere costs nothing.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from msgspec import Struct

from eventually import SLACK
from invariants.record import Known, Node, Talk
from simulation.answers import FIELDS, parse

DEFAULT_TIMEOUT = 2.0

GRACE = 0.1
"""Seconds after its deadline by which an answer must be there."""


class _Asked(Struct, eq=False):
    """A request, what came back, and (without an id) the request that is answered before it."""

    moment: float
    request: dict[str, Any]
    answers: list[tuple[float, dict[str, Any]]]
    before: "_Asked | None" = None

    def __str__(self) -> str:
        return f"asked {self.request}"


def faults(talk: Talk, known: Known) -> list[str]:
    """All that was not as it must be, in words."""
    asked, found = _matched(talk)
    for one in asked:
        judge = _stream if "every" in one.request else _single
        found += [f"{one}: {fault}" for fault in judge(one, talk, known)]
    stop = known.told_to_stop
    if talk.ended is not None and (stop is None or talk.ended < stop):
        found.append(f"the connection ended: {talk.why}")
    return found


def _matched(talk: Talk) -> tuple[list[_Asked], list[str]]:
    """The requests with their answers: by id, or else in the order in which they were sent."""
    found = []
    asked = [_Asked(moment, request, []) for moment, request in talk.sent]
    by_id = {one.request["id"]: one for one in asked if "id" in one.request}
    in_order = [one for one in asked if "id" not in one.request]
    for before, one in pairwise(in_order):
        one.before = before
    turns = deque(in_order)
    for moment, text in talk.heard:
        try:
            answer = parse(text.encode())
        except (ValueError, AssertionError) as error:
            found.append(f"this is no answer ({error}): {text[:500]}")
            if turns and '"id":' not in text:
                turns.popleft()
            continue
        one = by_id.get(answer["id"]) if "id" in answer else turns.popleft() if turns else None
        if one is None or moment < one.moment:
            found.append(f"nobody had asked for this: {text[:500]}")
        else:
            one.answers.append((moment, answer))
    return asked, found


def _single(asked: _Asked, talk: Talk, known: Known) -> Iterator[str]:
    due = _due(asked, known)
    if not asked.answers:
        stop, end = known.told_to_stop, talk.until if talk.ended is None else talk.ended
        if stop is not None and talk.ended is not None:
            if asked.moment < stop - SLACK:
                yield "never answered, though it was in flight when the agent was told to stop"
        elif end > due:
            late = end - due + GRACE + SLACK
            yield f"never answered, though the connection lasted {late:.3f} s past the deadline"
        return
    if len(asked.answers) > 1:
        yield f"answered {len(asked.answers)} times"
    for moment, answer in asked.answers:
        if moment > due:
            late = moment - due + GRACE + SLACK
            yield f"answered {late:.3f} s after its deadline; {GRACE} s are allowed, and {SLACK} s"
        yield from _content(asked, answer, known, moment)


def _stream(asked: _Asked, talk: Talk, known: Known) -> Iterator[str]:
    every = asked.request["every"]
    patience = every + min(DEFAULT_TIMEOUT, every)
    before, seq = asked.moment, -1
    for moment, answer in asked.answers:
        if _stood(before, known, patience) < moment:
            yield f"a tick came {moment - before:.3f} s after the one before it"
        if answer.get("seq", -1) <= seq:
            yield f"tick {answer.get('seq')} came after tick {seq}"
        before, seq = moment, answer.get("seq", -1)
        yield from _content(asked, answer, known, moment)
    end = talk.until if talk.ended is None else talk.ended
    if _stood(before, known, patience) < end and known.told_to_stop is None:
        yield f"no tick in the last {end - before:.3f} s"


def _due(asked: _Asked, known: Known) -> float:
    request = asked.request
    waits = request["type"] == 1 and not _needs_sound_only(request, known)
    due = _stood(asked.moment, known, request.get("timeout", DEFAULT_TIMEOUT) if waits else 0.0)
    turn = asked.before.answers[:1] if asked.before is not None else []
    return max(due, *(moment + GRACE + SLACK for moment, _ in turn)) if turn else due


def _stood(moment: float, known: Known, seconds: float) -> float:
    """So many seconds after a moment, and what is allowed on top; times of standing still apart."""
    due = moment + seconds + GRACE + SLACK
    for since, until in known.still:
        if since - SLACK <= moment < until:  # it may have been read only then
            due = max(due, until + seconds + GRACE + SLACK)
        elif moment < since < due:
            due = max(due, until + GRACE + SLACK)
    return due


def _needs_sound_only(request: dict[str, Any], known: Known) -> bool:
    sound = {node.name for node in known.nodes if node.sound}
    return request.get("nodes") is not None and sound.issuperset(request["nodes"])


def _content(asked: _Asked, answer: dict[str, Any], known: Known, moment: float) -> Iterator[str]:
    request = asked.request
    if answer["host"] != known.host:
        yield f"the answer of {answer['host']}"
    if answer.get("code") == "shutting_down" and known.told_to_stop is not None:
        return
    if request["type"] == 3:
        there = [row["name"] for row in answer.get("members", ()) if row["state"] != "left"]
        yield from _cover(there, known.nodes)
        return
    if request["type"] not in (0, 1):
        if answer.get("code") != "unknown_type":
            yield f"not refused: {answer}"
        return
    tail = [key for key in ("id", "seq") if key in answer]
    if list(answer) != ["host", "nodes", "error", *tail] or answer["error"]:
        yield f"not an answer to that: {str(answer)[:500]}"
        return
    nodes = answer["nodes"]
    if request["type"] == 0:
        if list(nodes) != [known.host]:
            yield f"it asked for the node itself and got {list(nodes)}"
    elif "nodes" in request:
        if sorted(nodes) != sorted(request["nodes"]):
            yield f"it asked for {request['nodes']} and got {list(nodes)}"
    else:
        yield from _cover(list(nodes), known.nodes)
    for key, node in nodes.items():
        yield from _node(asked, key, node, known, moment)


def _cover(there: list[str], nodes: Sequence[Node]) -> Iterator[str]:
    """Each node exactly once, under one of its names, and nobody else."""
    if len(set(there)) != len(there) or not _seated(there, nodes):
        yield f"{[node.name for node in nodes]} are to stand in it once each, not {there}"


def _seated(there: Sequence[str], nodes: Sequence[Node]) -> bool:
    """Whether names and nodes go up in each other; namesakes may stand for either."""
    if len(there) != len(nodes):
        return False
    return not there or any(
        there[0] in node.names and _seated(there[1:], [*nodes[:place], *nodes[place + 1 :]])
        for place, node in enumerate(nodes)
    )


def _node(
    asked: _Asked, key: str, node: dict[str, Any], known: Known, moment: float
) -> Iterator[str]:
    """Its own numbers, or zeros and the reason."""
    fields = FIELDS[asked.request.get("statType", 0)]
    history = node.get("history")
    could_be = [one for one in known.nodes if key in one.names]
    exact = tuple(node) in (fields, (*fields, "history"))
    enough = exact or (any(one.chatty for one in could_be) and node.keys() >= set(fields))
    if not enough or node["name"] != key:
        yield f"that is no object of {key}: {node}"
        return
    if history is not None and "history" not in asked.request:
        yield f"nobody asked {key} for its history"
    numbers = {field: node[field] for field in fields if field not in ("name", "error")}
    if node["error"]:
        silent = node["error"].startswith("no answer within") and _is_short(asked, known, moment)
        if could_be and all(one.sound for one in could_be) and not silent:
            yield f"nothing is wrong with {key}, and it is said: {node['error']}"
        if any(numbers.values()) and not known.push:
            yield f"{key} has an error, and numbers beside it: {node}"
    elif not any(_is_of(one, numbers, history, asked, known) for one in could_be):
        yield f"these are not the numbers of {key} after the question: {node}"


def _is_short(asked: _Asked, known: Known, moment: float) -> bool:
    """Whether there was not much time to answer in, or the agent did not have it."""
    request = asked.request
    time = request.get("timeout", request.get("every", DEFAULT_TIMEOUT))
    began = max(asked.moment, moment - time - GRACE - SLACK)
    return time < SLACK or any(began < until and since < moment for since, until in known.still)


def _is_of(
    node: Node,
    numbers: dict[str, float],
    history: dict[str, Any] | None,
    asked: _Asked,
    known: Known,
) -> bool:
    if any(numbers.get(field, value) != value for field, value in node.stats.items()):
        return False
    if node.stamped and not known.push and "every" not in asked.request:
        since = int(asked.moment * 1000)
        if any(numbers.get(field, since) < since for field in ("memoryUsed", "diskUsed")):
            return False
    if history is not None and node.every is not None and history["every"] != node.every:
        return False
    return bool(numbers.get("memoryTotal", 1)) and 0 <= numbers.get("cpuUsed", 0) <= 100
