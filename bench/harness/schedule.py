"""The faults of a soak, and when each begins: the same ones for the same seed."""

import random
from collections.abc import Iterator

from msgspec import Struct

from bench.hostile import KINDS as HOSTILE

FIRST = 1.0
"""Seconds before the first fault."""

ELDER = 1
"""The place of the agent whose process is never ended, so that its growth can be measured."""

PROXIED = 2
"""So many agents, the last ones, are reached through a proxy that can harm their links."""

SERIOUS = {
    # kind: (how often, seconds at least and at most)
    "kill": (4, (0.0, 4.0)),
    "freeze": (4, (1.0, 8.0)),
    "stop": (2, (0.0, 4.0)),
    "move": (2, (0.0, 3.0)),
    "slow link": (1, (2.0, 6.0)),
    "reset link": (2, (0.0, 0.0)),
    "dead link": (2, (1.0, 8.0)),
}
"""One at a time: an agent, or the link to it, does not work meanwhile."""

MINOR = {
    "pieces": (1, (1.0, 6.0)),
    "reload": (2, (0.0, 0.0)),
    "bad reload": (1, (0.0, 0.0)),
    "hostile": (6, (2.0, 6.0)),
    "burst": (3, (0.0, 0.0)),
}
"""At any time, also several at once: these must change no answer."""

FORBIDDEN = {"false_join"}
"""Hostile clients whose made-up members answers would list for a day, as they should."""

RESTART = 2.0
"""Seconds that a process takes to come back, roughly."""


class Planned(Struct, frozen=True):
    """A fault that begins ``at`` so many seconds, at the agent of a place, for ``span`` seconds.

    ``detail`` depends on the kind: the delay of a link in seconds, the kinds of hostile clients.
    """

    at: float
    kind: str
    place: int
    span: float
    detail: tuple[str, ...] = ()

    @property
    def serious(self) -> bool:
        """Whether no other such fault may happen at the same time."""
        return self.kind in SERIOUS


def schedule(seed: int, seconds: float, agents: int) -> list[Planned]:
    """All faults that begin before so many seconds, in their order."""
    rng = random.Random(f"schedule {seed}")
    faults = [*_serious(rng, seconds, agents), *_minor(rng, seconds, agents)]
    return sorted(faults, key=lambda fault: fault.at)


def _serious(rng: random.Random, seconds: float, agents: int) -> Iterator[Planned]:
    at = FIRST
    while at < seconds:
        kind, span = _any_of(rng, SERIOUS)
        if "link" in kind:
            place = rng.randrange(agents - PROXIED, agents)
        elif kind == "move":  # those behind a proxy keep their address
            place = rng.choice([one for one in range(agents - PROXIED) if one != ELDER])
        else:
            place = rng.choice([one for one in range(agents) if one != ELDER or kind == "freeze"])
        detail = (f"{rng.uniform(0.05, 1.5):.2f}",) if kind == "slow link" else ()
        yield Planned(round(at, 2), kind, place, span, detail)
        at += span + RESTART * (kind in ("kill", "stop", "move")) + rng.uniform(1.5, 5.0)


def _minor(rng: random.Random, seconds: float, agents: int) -> Iterator[Planned]:
    at = FIRST + rng.uniform(0.0, 2.0)
    while at < seconds:
        kind, span = _any_of(rng, MINOR)
        place = rng.randrange(agents - PROXIED if kind == "pieces" else 0, agents)
        detail: tuple[str, ...] = ()
        if kind == "hostile":
            kinds = sorted(HOSTILE.keys() - FORBIDDEN)
            detail = (str(rng.randint(1, 8)), *rng.sample(kinds, rng.randint(1, 2)))
        elif kind == "burst":
            detail = (str(rng.randint(2, 10)), str(rng.randint(5, 40)))
        yield Planned(round(at, 2), kind, place, span, detail)
        at += rng.uniform(1.0, 5.0)


def _any_of(
    rng: random.Random, table: dict[str, tuple[int, tuple[float, float]]]
) -> tuple[str, float]:
    (kind,) = rng.choices(list(table), [often for often, _ in table.values()])
    return kind, round(rng.uniform(*table[kind][1]), 2)
