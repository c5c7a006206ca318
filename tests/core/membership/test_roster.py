"""Which members stand in an answer, and under which names: each node once, none over another."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from nodnod_agent.core.membership.link import Link
from nodnod_agent.core.membership.member import Member, MemberState
from nodnod_agent.core.membership.roster import Roster
from nodnod_agent.core.membership.table import MembershipTable
from nodnod_agent.core.question import Question
from nodnod_client.address import Address
from nodnod_client.messages import MemberEntry


class Scenario:
    """A roster, and members in it whose links are up or down as the steps say.

    A step is ``up``, ``down``, ``leave``, ``remove`` or ``claim``, then the last number of the address,
    and for ``up`` and ``claim`` the name of the node there and its instance.
    """

    def __init__(self, *steps: str) -> None:
        own = MemberEntry("own", "10.0.0.200:7070", "own instance", 1)
        self.table = MembershipTable(own, lambda: 0.0)
        self.roster = Roster(self.table)
        for step in steps:
            self.play(step)

    def __getitem__(self, host: int) -> Member:
        return self.roster.add(Address(f"10.0.0.{host}", 7070), configured=True)

    def play(self, step: str) -> None:
        event, host, *node = step.split()
        member = self[int(host)]
        name, instance = (*node, f"instance at {host}")[:2] if node else ("", "")
        match event:
            case "up" | "down":
                member.link = cast(Link, SimpleNamespace(up=event == "up"))
                if name:
                    self.roster.identify(member, name, instance, 2)
            case "claim":
                self.roster.note_claim(member, name, instance)
            case _:
                getattr(self.roster, event)(member)

    @property
    def listed(self) -> dict[str, int]:
        """The listed names, and the last number of each address."""
        return {one.listed: int(one.address.host[7:]) for one in self.roster.listing()}


SECOND = "kenny@10.0.0.3:7070"
SCENARIOS: list[tuple[str, list[str], dict[str, int]]] = [
    ("nodes are sorted by name", ["up 2 zora", "up 3 anna"], {"anna": 3, "zora": 2}),
    ("a node that goes down keeps its name", ["up 2 kenny", "down 2"], {"kenny": 2}),
    (
        "each of two with one name keeps its own when they come back",
        ["up 2 kenny", "up 3 kenny", "down 2", "up 3 kenny", "up 2 kenny"],
        {"kenny": 2, SECOND: 3},
    ),
    (
        "a name that a removed node had goes to the next",
        ["up 2 kenny", "up 3 kenny", "up 4 kenny", "remove 2"],
        {"kenny": 3, "kenny@10.0.0.4:7070": 4},
    ),
    (
        "a name that a leaving node had goes to the next",
        ["up 2 kenny", "up 3 kenny", "up 4 kenny", "leave 2"],
        {"kenny": 3, "kenny@10.0.0.4:7070": 4},
    ),
    (
        "a name that a renamed node had goes to the next",
        ["up 2 kenny", "up 3 kenny", "up 2 stan j"],
        {"kenny": 3, "stan": 2},
    ),
    (
        "a name that is said to be another's goes to the next",
        ["up 2 kenny", "up 3 kenny", "claim 2 stan j"],
        {"kenny": 3, "stan": 2},
    ),
    (
        "our own name goes to no other node",
        ["up 2 own", "up 3 own", "leave 2"],
        {"own@10.0.0.3:7070": 3},
    ),
    (
        "an alias that turns out to be another node is listed",
        ["up 2 kenny i", "up 3 kenny i", "up 3 stan j"],
        {"kenny": 2, "stan": 3},
    ),
    (
        "the alias of a removed address is listed",
        ["up 2 kenny i", "up 3 kenny i", "remove 2"],
        {"kenny": 3},
    ),
    (
        "the alias of an address that is said to be another's is listed",
        ["up 2 kenny i", "up 3 kenny i", "down 2", "claim 2 stan j"],
        {"kenny": 3, "stan": 2},
    ),
    (
        "another node at an old address has its own name",
        ["up 2 kenny i", "up 2 stan j"],
        {"stan": 2},
    ),
    (
        "a node that is said to be elsewhere is no other node while it is up",
        ["up 2 kenny", "up 3 kenny", "claim 4 kenny i", "down 2", "claim 2 stan j"],
        {"kenny": 3, "stan": 2},
    ),
    ("a node that left is not listed", ["up 2 kenny", "leave 2"], {}),
    (
        "a node that left is listed when it is back",
        ["up 2 kenny", "leave 2", "up 2 kenny"],
        {"kenny": 2},
    ),
]


@pytest.mark.parametrize(
    ("steps", "listed"),
    [(steps, listed) for _, steps, listed in SCENARIOS],
    ids=[sentence for sentence, _, _ in SCENARIOS],
)
def test_each_node_is_listed_once(steps: list[str], listed: dict[str, int]) -> None:
    scenario = Scenario(*steps)
    assert scenario.listed == listed
    assert list(scenario.listed) == sorted(listed)
    assert scenario.roster.nodes == {name: scenario[host] for name, host in listed.items()}


def test_a_node_is_listed_under_its_address_until_its_name_is_known() -> None:
    scenario = Scenario()
    member = scenario[2]
    assert list(scenario.roster.nodes) == ["10.0.0.2:7070"]
    assert b'"name":"10.0.0.2:7070"' in member.failure("down", 0)
    scenario.play("up 2 kenny")
    assert list(scenario.roster.nodes) == ["kenny"]
    assert b'"name":"kenny"' in member.failure("down", 0)


def test_no_name_gets_a_node_listed_over_another() -> None:
    scenario = Scenario(
        *("up 2 kenny", "up 3 kenny@10.0.0.4:7070", "up 4 kenny", "up 5 10.0.0.6:7070", "down 6")
    )
    assert len(scenario.listed) == 5


def test_two_version_1_nodes_with_one_name_are_not_the_same_process() -> None:
    scenario = Scenario("up 2", "up 3")
    for host in (2, 3):
        scenario.roster.identify(scenario[host], "kyle", "", 1)
    assert [scenario[host].state for host in (2, 3)] == [MemberState.LISTED] * 2


def test_all_aliases_follow_the_address_that_takes_over() -> None:
    scenario = Scenario(*(f"up {host} kenny i" for host in (2, 3, 4)), "down 2", "up 3 kenny i")
    assert set(scenario.roster.aliases(scenario[3])) == {scenario[2], scenario[4]}
    assert scenario[4].state is MemberState.ALIAS


def test_the_aliases_of_a_renamed_node_stay_its_aliases() -> None:
    scenario = Scenario("up 2 kenny i", "up 3 kenny i", "up 2 stan j")
    assert scenario.roster.aliases(scenario[2]) == [scenario[3]]
    assert list(scenario.listed) == ["stan"]


def test_a_name_that_is_too_long_is_cut() -> None:
    assert [len(name) for name in Scenario("up 2 " + "x" * 10_000).listed] == [128]


def test_every_change_of_the_listed_nodes_grows_the_version() -> None:
    scenario = Scenario()
    versions = [scenario.roster.version]
    for step in ("down 2", "up 2 kenny", "leave 2", "remove 2"):
        scenario.play(step)
        versions.append(scenario.roster.version)
    assert versions == sorted(set(versions))


@pytest.mark.parametrize(
    ("nodes", "found", "own", "unknown"),
    [
        (("kenny",), ["kenny"], False, []),
        (("own",), [], True, []),
        (("k*",), ["kenny", "kyle"], False, []),
        (("*",), ["kenny", "kyle"], True, []),
        (("kenny", "k*"), ["kenny", "kyle"], False, []),
        (("butters",), [], False, ["butters"]),
        (("butters", "own"), [], True, ["butters"]),
        (("x*",), [], False, []),
        ((), [], False, []),
        (("10.0.0.2:7070",), [], False, ["10.0.0.2:7070"]),
    ],
)
def test_nodes_are_selected_by_name_and_pattern(
    nodes: tuple[str, ...], found: list[str], own: bool, unknown: list[str]
) -> None:
    roster = Scenario("up 2 kenny", "up 3 kyle").roster
    selected: Any = roster.select(Question(nodes=nodes))
    assert ([member.listed for member in selected[0]], *selected[1:]) == (found, own, unknown)


def test_a_question_for_this_node_is_about_no_other() -> None:
    assert Scenario("up 2 kenny").roster.select(Question(local=True)) == ((), True, [])


def test_failures_of_ever_new_wording_do_not_pile_up() -> None:
    member = Scenario()[2]
    for number in range(1000):
        member.failure(f"error {number}", 0)
    assert len(member._failures) <= 17
