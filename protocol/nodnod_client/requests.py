"""Builds requests from the keywords of the client, and reduces them to version 1."""

import math
from collections.abc import Iterable
from typing import TypedDict

import msgspec

from nodnod_client.errors import StatFailedError
from nodnod_client.messages import Request, RequestType, SilenceTerms, StatType

Texts = str | Iterable[str] | None
"""Some strings; a single one needs no list."""


class StatOptions(TypedDict, total=False):
    """The keywords of all requests for stats. Each may be absent."""

    stat_type: int
    """A StatType: all stats (the default), or only CPU, memory or disk."""
    detail: Texts
    """Names of sections to add to each node (see nodnod_client.sections)."""
    history: float | None
    """Seconds of history to add to each node, at most 604800 (a week)."""
    until: float | None
    """When the history is to end, in Unix seconds by the agent's clock; absent for now."""
    deadline: float | None
    """Seconds that the agent may take, from 0.05 to 30."""
    match: str | None
    """The name or pattern of the processes to list, with ``processes`` in ``detail``."""


NEWER: dict[int, str] = {
    RequestType.ALERTS: "alerts",
    RequestType.SILENCE: "silences",
    RequestType.EVENTS: "events",
}
"""The types that agents of version 2.0 do not know, and what they are about."""

# A version-1 agent ignores these fields, and so would answer another request than the one sent.
_VERSION_2 = ("nodes", "detail", "history", "until", "every", "match")


def build_request(
    scope: RequestType,
    nodes: Texts = None,
    every: float | None = None,
    /,
    *,
    stat_type: int = StatType.ALL,
    detail: Texts = None,
    history: float | None = None,
    until: float | None = None,
    deadline: float | None = None,
    match: str | None = None,
) -> Request:
    """Build a request, with the keywords of StatOptions; the agent checks the values.

    Raises ValueError for numbers that JSON does not have (NaN, infinity), for ``nodes`` in a
    request to one node, and for ``until`` in a stream, which an older agent would not refuse.
    """
    numbers = {"history": history, "until": until, "deadline": deadline, "every": every}
    for name, seconds in numbers.items():
        # NaN would be encoded as null, which means that the field is absent.
        if seconds is not None and not math.isfinite(seconds):
            raise ValueError(f"`{name}` must be a number of seconds, got {seconds}")
    if nodes is not None and scope is not RequestType.STAT_ALL:
        raise ValueError("`nodes` is allowed only in a request to the whole cluster")
    if until is not None and every is not None:
        raise ValueError("`until` is not allowed in a stream, which goes on from now")
    return Request(
        type=int(scope),
        stat_type=int(stat_type),
        detail=_as_list(detail),
        history=history,
        until=until,
        nodes=_as_list(nodes),
        timeout=deadline,
        every=every,
        match=match,
    )


def events_request(
    since: float | None = None, nodes: Texts = None, every: float | None = None
) -> Request:
    """Build a request for events. Raises ValueError for a time that JSON does not have."""
    for name, seconds in (("since", since), ("every", every)):
        if seconds is not None and not math.isfinite(seconds):
            raise ValueError(f"`{name}` must be a number of seconds, got {seconds}")
    return Request(type=int(RequestType.EVENTS), since=since, nodes=_as_list(nodes), every=every)


def alerts_request(nodes: Texts = None, every: float | None = None) -> Request:
    """Build a request for alerts. Raises ValueError for a time that JSON does not have."""
    if every is not None and not math.isfinite(every):
        raise ValueError(f"`every` must be a number of seconds, got {every}")
    return Request(type=int(RequestType.ALERTS), nodes=_as_list(nodes), every=every)


def silence_request(
    node: str | None = None,
    rule: str | None = None,
    seconds: float | None = None,
    reason: str = "",
    end: str | None = None,
) -> Request:
    """Build a request that begins a silence, ends one, or only asks for all.

    Raises ValueError for a time that JSON does not have.
    """
    kind = int(RequestType.SILENCE)
    if seconds is None:
        return Request(type=kind, end=end)
    if not math.isfinite(seconds):
        raise ValueError(f"`seconds` must be a number of seconds, got {seconds}")
    return Request(type=kind, silence=SilenceTerms(seconds, node, rule, reason))


def for_version_1(request: Request, server: str) -> Request:
    """Reduce a request to what a version-1 agent understands: its type.

    The answer then has all stats, and the agent applies its own deadline. Raises StatFailedError,
    without a code, if the request has a field that would change the answer.
    """
    if request.type == RequestType.MEMBERS:
        raise StatFailedError(f"members need a version-2 agent, and {server} is version 1")
    if request.type in NEWER:
        what = NEWER[request.type]
        raise StatFailedError(f"{what} need a version-2 agent, and {server} is version 1")
    for name in _VERSION_2:
        if getattr(request, name) is not None:
            raise StatFailedError(f"`{name}` needs a version-2 agent, and {server} is version 1")
    return msgspec.structs.replace(request, stat_type=int(StatType.ALL), timeout=None)


def too_old(error: StatFailedError, request: Request, server: str) -> StatFailedError:
    """What a refusal means: an agent of version 2.0 does not know this type."""
    what = NEWER.get(request.type or 0)
    if error.code != "unknown_type" or what is None:
        return error
    return StatFailedError(f"{what} need a newer agent than {server} is", error.code)


def _as_list(texts: Texts) -> list[str] | None:
    if texts is None:
        return None
    return [texts] if isinstance(texts, str) else list(texts)
