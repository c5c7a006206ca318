"""From the keywords of the client face to a request, and what a version-1 agent takes of it."""

import math
from collections.abc import Iterable

import msgspec

from nodnod_client.errors import StatFailedError
from nodnod_client.messages import Request, RequestType, StatType

Texts = str | Iterable[str] | None
"""Some texts; a single one may stand without its list."""

# What an older agent would ignore in silence, and so answer something else than was asked.
_VERSION_2 = ("nodes", "detail", "history", "every")


def question(
    scope: RequestType,
    *,
    stat_type: int = StatType.ALL,
    detail: Texts = None,
    history: float | None = None,
    nodes: Texts = None,
    deadline: float | None = None,
    every: float | None = None,
) -> Request:
    """Build a request; the agent judges the values.

    Raises ValueError for what cannot be said in JSON (NaN, infinity) or makes no sense (``nodes``
    for a question to one node).
    """
    for name, seconds in (("history", history), ("deadline", deadline), ("every", every)):
        # JSON has no NaN: it would go out as null, which means "not asked for".
        if seconds is not None and not math.isfinite(seconds):
            raise ValueError(f"`{name}` must be a number of seconds, got {seconds}")
    if nodes is not None and scope is not RequestType.STAT_ALL:
        raise ValueError("`nodes` goes with a question to the whole cluster only")
    return Request(
        type=int(scope),
        stat_type=int(stat_type),
        detail=_listed(detail),
        history=history,
        nodes=_listed(nodes),
        timeout=deadline,
        every=every,
    )


def for_version_1(request: Request, server: str) -> Request:
    """Cut a request down to what a version-1 agent understands.

    All stats come back where some were asked for, and the agent's own patience holds instead of a
    deadline. Raises StatFailedError, without a code, where the answer would not be what was asked.
    """
    if request.type == RequestType.MEMBERS:
        raise StatFailedError(f"members need a version-2 agent, and {server} is version 1")
    for name in _VERSION_2:
        if getattr(request, name) is not None:
            raise StatFailedError(f"`{name}` needs a version-2 agent, and {server} is version 1")
    return msgspec.structs.replace(request, stat_type=int(StatType.ALL), timeout=None)


def _listed(texts: Texts) -> list[str] | None:
    if texts is None:
        return None
    return [texts] if isinstance(texts, str) else list(texts)
