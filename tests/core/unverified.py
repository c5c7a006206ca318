"""What a node is told of others by an agent that it cannot verify, and what it makes of that."""

from typing import Any

import pytest

from core.harness import WALL, CoreHarness, FakePeer
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


def tell(harness: CoreHarness, *entries: dict[str, Any]) -> None:
    """Have an agent that has dialed us tell of these."""
    own = entry(TELLER.name, parse_address(TELLER.address), instance=TELLER.instance)
    harness.client(TELLER).ask(type=4, id=1, member=own, digest="0", members=entries)
    harness.clock.advance(0.01)


def told_of(harness: CoreHarness, name: str, address: Address) -> FakePeer:
    """A node that we were told of, and that answers."""
    tell(harness, entry(name, address))
    return harness.welcome(name, address)


def errors(harness: CoreHarness) -> dict[str, str]:
    """The errors of the other nodes in a cluster answer, without the teller, which never answers."""
    client = harness.ask_all(timeout=0.05)
    harness.clock.advance(0.1)
    return {n: e for n, e in client.errors.items() if n not in ("own", TELLER.name)}


def states(harness: CoreHarness) -> dict[str, str]:
    """The states in the answer to type 3, by address, likewise."""
    rows = harness.node.peers.members()[1:]
    return {row.address: row.state for row in rows if row.name != TELLER.name}


def pass_a_day(harness: CoreHarness) -> None:
    """As if the machine had slept so long: each timer of the core is due once."""
    harness.clock.now += FORGOTTEN_AFTER
    harness.clock.advance(2 * HOUSEKEEPING)


class Story:
    """What happens to nodes, step by step; each step is an event and where it happens.

    ========================== ==================================================================
    ``told kyle A 2``          others tell that process 2 of kyle is at address A
    ``told kyle A 3 2``        the same, with incarnation 3
    ``answers kyle A 2``       that process answers when it is dialed there
    ``up kyle A 2``            both
    ``configured kyle K 1``    an address of the configuration, where that process answers
    ``goodbye kyle A 3 2``     others tell, with incarnation 3, that process 2 of kyle has left
    ``refused A``              nothing answers there
    ``ends A``                 the connection to A breaks
    ``silent A``               nothing comes over the connection to A any more
    ``wait 5``                 seconds pass
    ========================== ==================================================================
    """

    def __init__(self, harness: CoreHarness, *steps: str) -> None:
        self.harness = harness
        self.places = {"A": A, "B": B, "C": C, "K": Address("10.0.0.2", 7070)}
        self.peers: dict[str, FakePeer] = {}
        self.play(*steps)

    def play(self, *steps: str) -> None:
        for step in steps:
            event, *words = step.split()
            getattr(self, f"_{event}")(*words)

    def _told(self, name: str, place: str, incarnation: str, process: str = "") -> None:
        self._tell(name, place, incarnation, instance=f"{name} {process or incarnation}")

    def _goodbye(self, name: str, place: str, incarnation: str, process: str) -> None:
        since = WALL + self.harness.clock.now
        instance = f"{name} {process}"
        self._tell(name, place, incarnation, instance=instance, state="left", since=since)

    def _tell(self, name: str, place: str, incarnation: str, **more: object) -> None:
        tell(self.harness, entry(name, self.places[place], int(incarnation), **more))

    def _answers(self, name: str, place: str, process: str) -> None:
        address, instance = self.places[place], f"{name} {process}"
        self.peers[place] = self.harness.welcome(name, address, instance=instance)

    def _up(self, name: str, place: str, process: str) -> None:
        self._told(name, place, process)
        self._wait("1")
        self._answers(name, place, process)

    def _configured(self, name: str, place: str, process: str) -> None:
        self.harness.configure(str(self.places[place]))
        self._answers(name, place, process)
        self._told(name, place, process)

    def _refused(self, place: str) -> None:
        self.harness.attempt(self.places[place]).refuse()

    def _ends(self, place: str) -> None:
        self.peers[place].hang_up("closed")

    def _silent(self, place: str) -> None:
        self.peers[place].wire.silence()

    def _wait(self, seconds: str) -> None:
        self.harness.clock.advance(float(seconds))

    def listed(self) -> set[str]:
        """The nodes in the answer to type 3, each with its place and state."""
        names = {str(address): place for place, address in self.places.items()}
        rows = [row for row in self.harness.node.peers.members()[1:] if row.name != TELLER.name]
        shown = [row.name for row in rows if row.state != "left"]
        assert sorted(shown) == sorted(errors(self.harness)), "a cluster answer lists the same"
        return {f"{row.name.split('@')[0]} {names[row.address]} {row.state}" for row in rows}

    def table(self) -> set[str]:
        """The nodes that a newcomer is told of, likewise."""
        names = {str(address): place for place, address in self.places.items()}
        entries = self.harness.node.peers.gossip.table.entries.values()
        told = (one for one in entries if one.name != TELLER.name)
        return {f"{one.name} {names[one.address]} {one.state}" for one in told}
