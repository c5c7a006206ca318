"""Which faults there are in a soak, and when: the same ones for the same seed."""

import random
from collections.abc import Iterator

from msgspec import Struct

from bench.hostile import KINDS as HOSTILE

FIRST = 1.0
"""Seconds before the first fault."""

ELDER = 1
"""The place of the agent whose process is never ended, so that what it takes can be watched."""

LINES = 2
"""So many agents, the last ones, are reached over a line that can be bad."""

GRAVE = {
    # kind: (how often, seconds at least and at most)
    "kill": (4, (0.0, 4.0)),
    "freeze": (4, (1.0, 8.0)),
    "stop": (2, (0.0, 4.0)),
    "move": (2, (0.0, 3.0)),
    "slow line": (1, (2.0, 6.0)),
    "reset line": (2, (0.0, 0.0)),
    "dead line": (2, (1.0, 8.0)),
}
"""One at a time: what an agent, or the way to it, is not well in."""

MINOR = {
    "pieces": (1, (1.0, 6.0)),
    "reload": (2, (0.0, 0.0)),
    "bad reload": (1, (0.0, 0.0)),
    "hostile": (6, (2.0, 6.0)),
    "burst": (3, (0.0, 0.0)),
}
"""At any time, also several: what must change no answer."""

FORBIDDEN = {"false_join"}
"""Hostile clients whose made-up members would rightly stand in answers for a day."""

RESTART = 2.0
"""Seconds that a process takes to come back, roughly."""


class Fault(Struct, frozen=True):
    """What is done ``at`` so many seconds to the agent at a place, for ``span`` seconds.

    ``detail`` is what else there is to say: how many seconds late a line is, which hostile clients.
    """

    at: float
    kind: str
    place: int
    span: float
    detail: tuple[str, ...] = ()

    @property
    def grave(self) -> bool:
        """Whether no other such fault may be at the same time."""
        return self.kind in GRAVE


def schedule(seed: int, seconds: float, agents: int) -> list[Fault]:
    """All faults that begin before so many seconds, in their order."""
    rng = random.Random(f"schedule {seed}")
    faults = [*_grave(rng, seconds, agents), *_minor(rng, seconds, agents)]
    return sorted(faults, key=lambda fault: fault.at)


def _grave(rng: random.Random, seconds: float, agents: int) -> Iterator[Fault]:
    at = FIRST
    while at < seconds:
        kind, span = _any_of(rng, GRAVE)
        if "line" in kind:
            place = rng.randrange(agents - LINES, agents)
        elif kind == "move":  # those behind a line keep their address
            place = rng.choice([one for one in range(agents - LINES) if one != ELDER])
        else:
            place = rng.choice([one for one in range(agents) if one != ELDER or kind == "freeze"])
        detail = (f"{rng.uniform(0.05, 1.5):.2f}",) if kind == "slow line" else ()
        yield Fault(round(at, 2), kind, place, span, detail)
        at += span + RESTART * (kind in ("kill", "stop", "move")) + rng.uniform(1.5, 5.0)


def _minor(rng: random.Random, seconds: float, agents: int) -> Iterator[Fault]:
    at = FIRST + rng.uniform(0.0, 2.0)
    while at < seconds:
        kind, span = _any_of(rng, MINOR)
        place = rng.randrange(agents - LINES if kind == "pieces" else 0, agents)
        detail: tuple[str, ...] = ()
        if kind == "hostile":
            kinds = sorted(HOSTILE.keys() - FORBIDDEN)
            detail = (str(rng.randint(1, 8)), *rng.sample(kinds, rng.randint(1, 2)))
        elif kind == "burst":
            detail = (str(rng.randint(2, 10)), str(rng.randint(5, 40)))
        yield Fault(round(at, 2), kind, place, span, detail)
        at += rng.uniform(1.0, 5.0)


def _any_of(
    rng: random.Random, table: dict[str, tuple[int, tuple[float, float]]]
) -> tuple[str, float]:
    (kind,) = rng.choices(list(table), [often for often, _ in table.values()])
    return kind, round(rng.uniform(*table[kind][1]), 2)
