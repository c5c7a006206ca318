"""The past of a node that is down, from the agents that have kept it."""

import json
from typing import Any

import pytest

from core.harness import WALL, CoreHarness, FakeClient, FakePeer
from nodnod_agent.core.interfaces import Hello
from nodnod_client.messages import MAX_KEPT

TURN = 11.0
AGENT = Hello(2, "kyle", "instance of kyle")


def past(
    harness: CoreHarness, value: float = 50.0, count: int = 6, **fields: Any
) -> dict[str, Any]:
    end = WALL + harness.clock.now
    return {"every": 10.0, "end": end, "cpuUsed": [value] * count} | fields


class Survivor:
    """An agent whose peer kenny is dead, and whose peers kyle and stan may have kept its past."""

    def __init__(self, *, names: tuple[str, ...] = ("kyle", "stan")) -> None:
        self.harness = CoreHarness()
        self.address = self.harness.configure()
        self.kenny = self.harness.welcome("kenny", self.address)
        self.peers = [self.harness.peer(name) for name in names]
        self.kenny.hang_up("connection reset")

    def ask(self, **fields: Any) -> FakeClient:
        """Ask, and have the peers answer for themselves."""
        client = self.harness.client()
        client.ask(**({"type": 1, "history": 60} | fields))
        self.harness.clock.turn()
        for peer in self.peers:
            for query in peer.queries:
                peer.answer(query, history=past(self.harness))
        return client

    def tell(self, peer: FakePeer, *, node: str = "kenny", kept: Any = None, **fields: Any) -> None:
        """Have a peer tell what it keeps."""
        told = {node: past(self.harness, **fields)} if kept is None else kept
        peer.answer_nodes({peer.name: peer.node()}, peer.kept_queries[-1], kept=told)


@pytest.fixture
def survivor() -> Survivor:
    return Survivor()


def test_the_past_of_a_dead_node_stands_beside_its_error_and_says_who_kept_it(
    survivor: Survivor,
) -> None:
    client = survivor.ask()
    kyle, stan = survivor.peers
    survivor.tell(kyle)
    assert client.answers == []
    survivor.tell(stan, kept={})
    dead = client.nodes["kenny"]
    assert dead["error"] == "down: connection reset"
    assert dead["cpuUsed"] == dead["memoryTotal"] == 0
    assert dead["history"] == past(survivor.harness) | {"keptBy": "kyle"}
    assert client.nodes["kyle"]["history"] == past(survivor.harness)


def test_it_is_asked_for_in_the_seconds_of_the_request_and_by_name(survivor: Survivor) -> None:
    survivor.ask(history=300)
    (query,) = survivor.peers[0].kept_queries
    assert query["kept"] == {"kenny": 300}
    assert query.get("type", 0) == 0
    assert "history" not in query


def test_a_question_for_the_dead_node_alone_asks_its_keepers(survivor: Survivor) -> None:
    client = survivor.ask(nodes=["kenny"])
    assert [len(peer.queries) for peer in survivor.peers] == [0, 0]
    for peer in survivor.peers:
        survivor.tell(peer)
    assert client.answer["nodes"].keys() == {"kenny"}
    assert client.nodes["kenny"]["history"]["keptBy"] in ("kyle", "stan")


@pytest.mark.parametrize("fields", [{"history": None}, {"history": 5}, {"nodes": ["kyle"]}])
def test_a_question_that_does_not_want_it_asks_nobody_for_it(
    survivor: Survivor, fields: dict[str, Any]
) -> None:
    client = survivor.ask(**fields)
    assert [peer.kept_queries for peer in survivor.peers] == [[], []]
    assert "history" not in client.nodes.get("kenny", {})


def test_nobody_is_asked_while_all_are_up(survivor: Survivor) -> None:
    survivor.harness.welcome("kenny", survivor.address)
    survivor.harness.clock.turn()
    survivor.ask()
    assert [peer.kept_queries for peer in survivor.peers] == [[], []]


@pytest.mark.parametrize("first", [True, False])
def test_of_two_pasts_the_one_that_knows_more_is_shown(survivor: Survivor, *, first: bool) -> None:
    client = survivor.ask()
    kyle, stan = survivor.peers
    tellings = [lambda: survivor.tell(kyle, count=6), lambda: survivor.tell(stan, count=3)]
    for telling in tellings if first else reversed(tellings):
        telling()
    assert client.nodes["kenny"]["history"]["keptBy"] == "kyle"


def test_of_two_pasts_the_one_that_ends_later_is_shown(survivor: Survivor) -> None:
    client = survivor.ask()
    kyle, stan = survivor.peers
    survivor.tell(kyle, end=WALL)
    survivor.tell(stan)
    assert client.nodes["kenny"]["history"]["keptBy"] == "stan"


def test_an_older_past_is_better_than_a_newer_one_of_one_point(survivor: Survivor) -> None:
    client = survivor.ask()
    kyle, stan = survivor.peers
    survivor.tell(kyle, end=WALL + survivor.harness.clock.now - 20)
    survivor.tell(stan, count=1)
    assert client.nodes["kenny"]["history"]["keptBy"] == "kyle"


def test_without_a_keeper_there_is_no_history(survivor: Survivor) -> None:
    client = survivor.ask()
    for peer in survivor.peers:
        survivor.tell(peer, kept={})
    assert "history" not in client.nodes["kenny"]


def test_a_peer_of_version_2_0_answers_with_itself_alone(survivor: Survivor) -> None:
    client = survivor.ask()
    kyle, stan = survivor.peers
    kyle.answer(kyle.kept_queries[-1])
    survivor.tell(stan)
    assert client.nodes["kenny"]["history"]["keptBy"] == "stan"
    assert client.nodes["kyle"]["error"] == ""


def test_a_keeper_that_hangs_does_not_keep_the_answer_beyond_its_deadline(
    survivor: Survivor,
) -> None:
    client = survivor.ask(timeout=1)
    survivor.tell(survivor.peers[0])
    survivor.harness.clock.advance(1.1)
    assert client.nodes["kenny"]["history"]["keptBy"] == "kyle"
    assert client.errors == {"kenny": "down: connection reset", "kyle": "", "own": "", "stan": ""}


def test_a_keeper_that_dies_is_not_waited_for(survivor: Survivor) -> None:
    client = survivor.ask()
    kyle, stan = survivor.peers
    survivor.tell(kyle)
    stan.hang_up()
    assert client.nodes["kenny"]["history"]["keptBy"] == "kyle"


@pytest.mark.parametrize(
    "lie",
    [
        {"kenny": 5},
        {"kenny": {}},
        {"kenny": {"every": 0, "end": 1, "cpuUsed": [1]}},
        {"kenny": {"every": 1, "end": 1, "cpuUsed": ["x"]}},
        {"kenny": {"every": 1, "end": 1, "cpuUsed": [1] * 601}},
        {"kenny": {"every": 1, "end": 1}},
        {"stan": {"every": 1, "end": 1, "cpuUsed": [66.0]}},
        {"own": {"every": 1, "end": 1, "cpuUsed": [66.0]}},
        {"nobody": {"every": 1, "end": 1, "cpuUsed": [66.0]}},
    ],
)
def test_a_lie_is_passed_over_and_harms_no_entry(survivor: Survivor, lie: dict[str, Any]) -> None:
    client = survivor.ask()
    kyle, stan = survivor.peers
    survivor.tell(kyle, kept=lie)
    survivor.tell(stan, kept={})
    assert sorted(client.nodes) == ["kenny", "kyle", "own", "stan"]
    assert "history" not in client.nodes["kenny"]
    assert "66" not in json.dumps(client.nodes)
    assert client.nodes["stan"]["history"] == past(survivor.harness)


def test_a_lie_of_too_many_points_is_cut_to_what_was_asked(survivor: Survivor) -> None:
    client = survivor.ask()
    kyle, stan = survivor.peers
    survivor.tell(kyle, count=600)
    survivor.tell(stan, kept={})
    assert len(client.nodes["kenny"]["history"]["cpuUsed"]) == 6


def test_an_answer_to_no_question_is_passed_over(survivor: Survivor) -> None:
    kyle, stan = survivor.peers
    client = survivor.ask()
    told = {"kenny": past(survivor.harness)}
    kyle.answer_nodes({"kyle": kyle.node()}, {"id": 999}, kept=told)
    kyle.answer_nodes({"kyle": kyle.node()}, kyle.queries[-1], kept=told)
    for peer in (kyle, stan):
        survivor.tell(peer, kept={})
    assert "history" not in client.nodes["kenny"]


def test_what_this_agent_has_kept_itself_is_shown_too(survivor: Survivor) -> None:
    harness = survivor.harness
    kenny = harness.welcome("kenny", survivor.address)
    for _ in range(3):
        before = len(kenny.keeping)
        harness.clock.wait_for(lambda before=before: len(kenny.keeping) > before, 2 * TURN)
        own = {"every": 1.0, "end": WALL + harness.clock.now, "cpuUsed": [30.0] * 20}
        kenny.answer(kenny.keeping[-1], history=own)
    kenny.hang_up()
    client = survivor.ask()
    for peer in survivor.peers:
        survivor.tell(peer, kept={})
    assert client.nodes["kenny"]["history"]["keptBy"] == "own"
    assert client.nodes["kenny"]["history"]["cpuUsed"][-1] == 30.0


def test_a_keeper_tells_other_agents_and_no_clients(survivor: Survivor) -> None:
    harness = survivor.harness
    kenny = harness.welcome("kenny", survivor.address)
    harness.clock.wait_for(lambda: bool(kenny.keeping), 2 * TURN)
    kenny.answer(kenny.keeping[-1], history=past(harness))
    agent, client = harness.client(AGENT), harness.client()
    for one in (agent, client):
        one.ask(type=0, statType=1, id=7, kept={"kenny": 60, "nobody": 60})
    assert list(agent.answer["kept"]) == ["kenny"]
    assert agent.answer["kept"]["kenny"]["cpuUsed"][-1] == 50.0
    assert agent.answer["id"] == 7
    assert "kept" not in client.answer


def test_a_keeper_keeps_to_the_limit_of_the_agent_that_asks(survivor: Survivor) -> None:
    harness = survivor.harness
    kenny = harness.welcome("kenny", survivor.address)
    harness.clock.wait_for(lambda: bool(kenny.keeping), 2 * TURN)
    series = {f"s{number}": [1 / 3] * 600 for number in range(13)}
    kenny.answer(kenny.keeping[-1], history={"every": 6.0, "end": WALL} | series)
    whole, small = harness.client(AGENT), harness.client(Hello(2, "x", "y", limit=10_000))
    for one in (whole, small):
        one.ask(type=0, statType=1, id=7, kept={"kenny": 3600})
    assert len(whole.answer["kept"]["kenny"]["s0"]) >= 359
    assert 10 < len(small.answer["kept"]["kenny"]["s0"]) < 300
    assert len(small.wire.sent[0]) < 10_000


@pytest.mark.parametrize(
    "wrong",
    [
        5,
        ["kenny"],
        {"kenny": 0},
        {"kenny": 3601},
        {"kenny": "60"},
        {"": 60},
        {"x" * 129: 60},
        {f"node-{number}": 60 for number in range(MAX_KEPT + 1)},
    ],
)
def test_a_malformed_question_is_refused_by_the_name_of_its_field(
    survivor: Survivor, wrong: Any
) -> None:
    agent = survivor.harness.client(AGENT)
    agent.ask(type=0, id=7, kept=wrong)
    assert agent.answer["code"] == "bad_request"
    assert "`kept`" in agent.answer["error"]


def test_push_mode_shows_it_too() -> None:
    harness = CoreHarness(mode="push")
    kenny, kyle = harness.peer("kenny"), harness.peer("kyle")
    kenny.hang_up()
    client = harness.client()
    client.ask(type=1, history=60, nodes=["kenny"])
    harness.clock.turn()
    kyle.answer_nodes({"kyle": kyle.node()}, kyle.kept_queries[-1], kept={"kenny": past(harness)})
    assert client.nodes["kenny"]["history"]["keptBy"] == "kyle"


def test_nodes_that_share_a_name_get_no_past() -> None:
    survivor = Survivor()
    survivor.harness.peer("kenny", instance="another")
    survivor.ask(nodes=["kenny*"])
    assert [peer.kept_queries for peer in survivor.peers] == [[], []]


def test_a_node_that_is_back_meanwhile_is_not_shown_as_well(survivor: Survivor) -> None:
    client = survivor.ask()
    survivor.harness.welcome("kenny", survivor.address)
    for peer in survivor.peers:
        survivor.tell(peer)
    assert client.errors["kenny"] == "down: connection reset"
