"""Random requests of every kind, for clients whose answers are judged."""

from collections.abc import Sequence
from random import Random
from typing import Any

MAX_IN_FLIGHT = 40
"""Fewer than an agent reads ahead, so that a deadline begins when the request is sent."""

BEFORE_ALL, AFTER_ALL = 0, 10**10
"""Unix seconds at which a history may be asked to end: before its beginning, and in the future."""


def random_request(
    rng: Random, names: Sequence[str], timeouts: Sequence[float | None]
) -> dict[str, Any]:
    """A request without an id; it may name nodes of ``names``. ``None`` as timeout leaves it out."""
    request: dict[str, Any] = {"type": rng.choices((0, 1, 3, 99), (3, 9, 1, 1))[0]}
    if request["type"] > 1:
        return request
    request["statType"] = rng.randrange(4)
    timeout = rng.choice(timeouts)
    if timeout is not None:
        request["timeout"] = timeout
    if rng.random() < 0.3:
        name = rng.choice(names)
        request["nodes"] = rng.choice(([name], [name], [name, "nobody"], [name, f"{name[0]}*"]))
    if rng.random() < 0.2:
        request["history"] = 5
        if rng.random() < 0.5:
            request["until"] = rng.choice((BEFORE_ALL, AFTER_ALL))
    return request
