"""What an agent on the stage is told of others, and what it makes of that."""

from typing import Any

import pytest

from core.harness import CoreHarness, FakePeer
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.membership.peers import FORGOTTEN_AFTER, HOUSEKEEPING
from nodnod_client.address import Address, parse_address

NAME = Address("cluster.example", 7070)
A, B, C = (Address(f"10.2.0.{n}", 7070) for n in (1, 2, 3))
TELLER = Hello(2, "teller", "i-teller", "10.3.0.1:7070")


def lines(log: pytest.LogCaptureFixture, level: str = "") -> list[str]:
    """What was logged, with the values at that moment."""
    return [record.message for record in log.records if level in ("", record.levelname)]


def entry(name: str, address: Address, incarnation: int = 1, **more: object) -> dict[str, Any]:
    fields = {"name": name, "address": str(address), "instance": f"instance of {name}"}
    return {**fields, "incarnation": incarnation, **more}


def tell(stage: CoreHarness, *entries: dict[str, Any]) -> None:
    """Have an agent that has dialled us tell of these."""
    own = entry(TELLER.name, parse_address(TELLER.address), instance=TELLER.instance)
    stage.client(TELLER).ask(type=4, id=1, member=own, digest="0", members=entries)
    stage.clock.advance(0.01)


def told_of(stage: CoreHarness, name: str, address: Address) -> FakePeer:
    """A node that we were told of, and that answers."""
    tell(stage, entry(name, address))
    return stage.welcome(name, stage.attempt(address))


def errors(stage: CoreHarness) -> dict[str, str]:
    """The other nodes of a cluster answer; the teller, who never answers, not among them."""
    nodes = stage.ask_all(timeout=0.05)
    stage.clock.advance(0.1)
    known = {name: node["error"] for name, node in nodes.nodes.items()}
    return {n: e for n, e in known.items() if n not in ("own", TELLER.name)}


def states(stage: CoreHarness) -> dict[str, str]:
    """What type 3 tells, by address, likewise."""
    rows = stage.cluster.peers.members()[1:]
    return {row.address: row.state for row in rows if row.name != TELLER.name}


def pass_a_day(stage: CoreHarness) -> None:
    """As if the machine had slept so long: the timers of the core come due once."""
    stage.clock.now += FORGOTTEN_AFTER
    stage.clock.advance(2 * HOUSEKEEPING)
