"""A past that ends at a moment: each node finds it by its own clock, or says that it cannot."""

from typing import Any

import pytest

from core.harness import WALL, CoreHarness, FakeClient, FakePeer
from nodnod_agent.core.encoding import NO_UNTIL
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.stats.sample import Sample

DAY = 86_400
AGENT = Hello(2, "kyle", "instance of kyle")


@pytest.fixture
def kyle(harness: CoreHarness) -> FakePeer:
    return harness.peer("kyle")


def now(harness: CoreHarness) -> float:
    return WALL + harness.clock.now


def ask(harness: CoreHarness, ago: float, **fields: Any) -> FakeClient:
    """Ask for the minute that ended so many seconds ago, by the clock of the asked agent."""
    client = harness.client()
    client.ask(**({"type": 1, "history": 60, "until": now(harness) - ago} | fields))
    harness.clock.advance(0.1)
    return client


def told(harness: CoreHarness, skew: float = 0.0, **fields: Any) -> dict[str, Any]:
    """What a node tells of the minute that ended a day ago, by a clock that is wrong by ``skew``."""
    then = now(harness) - DAY + skew
    return {"every": 10.0, "end": then - 3, "until": then, "cpuUsed": [7.0] * 6} | fields


def sampled(harness: CoreHarness, seconds: int) -> None:
    """Have the agent take samples that are worth their second."""
    harness.sampling = False
    for _ in range(seconds):
        harness.clock.advance(1.0)
        moment = harness.clock.now
        harness.node.sampled(Sample(now(harness), clock=moment, series={"cpuUsed": moment}))


def test_the_own_past_ends_at_the_moment(harness: CoreHarness) -> None:
    sampled(harness, 100)
    for kind in (0, 1):
        history = ask(harness, 50, type=kind, history=3).nodes["own"]["history"]
        assert history["end"] == history["until"] == pytest.approx(now(harness) - 50, abs=1.2)
        assert history["cpuUsed"][-1] == pytest.approx(harness.clock.now - 50, abs=1.2)
        assert len(history["cpuUsed"]) == 3


@pytest.mark.parametrize("skew", [0.0, 3600.0, -7200.0])
def test_a_peer_is_told_how_long_ago_that_is_whatever_its_clock_says(
    harness: CoreHarness, kyle: FakePeer, skew: float
) -> None:
    client = ask(harness, DAY)
    query = kyle.queries[-1]
    assert "until" not in query
    assert query["history"] == 60
    assert DAY <= query["ago"] <= DAY + 1.1
    kyle.answer(history=told(harness, skew))
    assert client.nodes["kyle"]["history"] == told(harness, skew)


def test_an_agent_that_is_told_how_long_ago_looks_there_by_its_own_clock(
    harness: CoreHarness,
) -> None:
    sampled(harness, 100)
    agent = harness.client(AGENT)
    agent.ask(type=0, history=3, ago=50)
    history = agent.nodes["own"]["history"]
    assert history["until"] == now(harness) - 50
    assert history["end"] == history["until"]
    assert history["cpuUsed"][-1] == harness.clock.now - 50


@pytest.mark.parametrize(("hello", "heeds"), [(AGENT, True), (Hello(version=1), False)])
def test_an_agent_may_say_how_long_ago_of_several_nodes_and_a_client_may_not(
    harness: CoreHarness, kyle: FakePeer, hello: Hello, heeds: bool
) -> None:
    sampled(harness, 100)
    asker = harness.client(hello)
    asker.ask(type=1, history=3, ago=50)
    harness.clock.advance(0)
    assert ("ago" in kyle.queries[-1]) == heeds
    kyle.answer(history=told(harness))
    assert ("until" in asker.nodes["own"]["history"]) == heeds


def test_a_moment_in_the_future_is_now(harness: CoreHarness, kyle: FakePeer) -> None:
    client = ask(harness, -DAY)
    assert kyle.queries[-1]["ago"] == 0
    kyle.answer(history=told(harness))
    assert client.nodes["own"]["history"]["until"] == pytest.approx(now(harness) + DAY, abs=1.2)


def test_the_newest_past_of_a_peer_that_does_not_know_the_field_is_not_shown_as_that_of_yesterday(
    harness: CoreHarness, kyle: FakePeer
) -> None:
    stan = harness.peer("stan")
    client = ask(harness, DAY)
    kyle.answer(history={"every": 1.0, "end": now(harness), "cpuUsed": [99.0] * 60})
    stan.answer(history=told(harness))
    assert client.errors == {"kyle": "", "own": "", "stan": ""}
    assert client.nodes["kyle"]["history"] == {"error": NO_UNTIL}
    assert client.nodes["kyle"]["cpuUsed"] == 7.0
    assert client.nodes["stan"]["history"] == told(harness)


@pytest.mark.parametrize("history", [{"error": "left out: too large"}, 5, None, []])
def test_what_is_no_history_is_passed_on_as_it_is(
    harness: CoreHarness, kyle: FakePeer, history: object
) -> None:
    client = ask(harness, DAY)
    kyle.answer(history=history)
    assert client.nodes["kyle"]["history"] == history


def test_a_node_of_version_1_has_no_past_then_either(harness: CoreHarness) -> None:
    peer = harness.peer("token", version=1)
    client = ask(harness, DAY)
    peer.answer()
    assert client.errors == {"own": "", "token": ""}
    assert "history" not in client.nodes["token"]


def test_those_who_look_at_nearly_the_same_hour_are_answered_by_one_question(
    harness: CoreHarness, kyle: FakePeer
) -> None:
    then, before = now(harness) // 6 * 6 - DAY, len(kyle.queries)
    clients = [harness.client() for _ in range(4)]
    for client, more in zip(clients, (6, 0, 2.5, 5.9), strict=True):
        client.ask(type=1, history=3600, until=then + more)
    harness.clock.advance(1)
    asked = kyle.queries[before:]
    assert len(asked) == 2
    for query in asked:
        kyle.answer(query, history=told(harness))
    assert all(client.nodes["kyle"]["history"]["cpuUsed"] for client in clients)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"history": 60, "until": "yesterday"}, "`until` must be Unix seconds, 0 or later, got"),
        ({"history": 60, "until": True}, "`until` must be Unix seconds, 0 or later, got true"),
        ({"history": 60, "until": -1}, "`until` must be Unix seconds, 0 or later, got -1"),
        ({"history": 60, "until": {}}, "`until` must be Unix seconds, 0 or later, got {}"),
        ({"until": 5}, "`until` needs `history`, whose end it is"),
        ({"history": 60, "until": 5, "every": 1}, "`until` needs a request without `every`"),
    ],
)
@pytest.mark.parametrize("kind", [0, 1])
def test_a_wrong_end_is_refused_by_name(
    harness: CoreHarness, fields: dict[str, Any], fault: str, kind: int
) -> None:
    client = harness.client()
    client.ask(type=kind, id=7, **fields)
    assert client.answer["code"] == "bad_request"
    assert client.answer["error"].startswith(fault)
    assert client.answer["id"] == 7


def test_not_a_number_is_no_request(harness: CoreHarness) -> None:
    client = harness.client()
    client.say(b'{"history":60,"until":NaN}')
    assert client.answer["code"] == "bad_json"


def test_null_means_absent(harness: CoreHarness) -> None:
    client = harness.client()
    client.ask(history=60, until=None)
    assert "until" not in client.nodes["own"]["history"]


# Of a node that is down


class Survivor:
    """An agent that has kept the past of kenny, which is dead, as its peer kyle may have."""

    def __init__(self) -> None:
        self.harness = CoreHarness()
        address = self.harness.configure()
        kenny = self.harness.welcome("kenny", address)
        self.skew = 3600.0
        """Seconds by which the clock of kenny is wrong."""
        for _ in range(10):
            before = len(kenny.keeping)
            self.harness.clock.wait_for(lambda before=before: len(kenny.keeping) > before, 30)
            value, end = self.harness.clock.now, now(self.harness) + self.skew
            values = [value - back for back in range(19, -1, -1)]
            kenny.answer(kenny.keeping[-1], history={"every": 1.0, "end": end, "cpuUsed": values})
        self.heard = self.harness.clock.now
        kenny.hang_up()

    def kept(self, client: FakeClient) -> dict[str, Any] | None:
        history: dict[str, Any] | None = client.nodes["kenny"].get("history")
        return history


@pytest.fixture
def survivor() -> Survivor:
    return Survivor()


def test_what_is_kept_here_is_found_by_the_clock_here(survivor: Survivor) -> None:
    harness = survivor.harness
    ago = harness.clock.now - survivor.heard + 40
    history = survivor.kept(ask(harness, ago, history=30, nodes=["kenny"]))
    assert history is not None
    assert history["keptBy"] == "own"
    assert len(history["cpuUsed"]) == 3
    assert history["cpuUsed"][-1] == pytest.approx(survivor.heard - 45, abs=16)
    assert history["until"] == pytest.approx(WALL + survivor.heard - 40 + survivor.skew, abs=2)
    assert history["until"] - 11 < history["end"] <= history["until"]


@pytest.mark.parametrize("ago", [0.0, 3.0, -DAY])
def test_after_its_death_it_is_the_end_of_what_is_kept(survivor: Survivor, ago: float) -> None:
    survivor.harness.clock.advance(5)
    history = survivor.kept(ask(survivor.harness, ago, history=30, nodes=["kenny"]))
    assert history is not None
    assert history["end"] == WALL + survivor.heard + survivor.skew


def test_before_all_that_is_kept_it_has_no_history(survivor: Survivor) -> None:
    assert survivor.kept(ask(survivor.harness, DAY, nodes=["kenny"])) is None


def test_keepers_are_told_how_long_ago_and_those_that_ignore_it_are_passed_over(
    survivor: Survivor,
) -> None:
    harness = survivor.harness
    kyle, stan = harness.peer("kyle"), harness.peer("stan")
    client = ask(harness, DAY, nodes=["kenny"])
    for peer in (kyle, stan):
        (query,) = peer.kept_queries
        assert query["kept"] == {"kenny": 60}
        assert DAY <= query["ago"] <= DAY + 1.1
    newest = {"every": 10.0, "end": now(harness), "cpuUsed": [99.0] * 6}
    for peer, past in ((kyle, newest), (stan, told(harness))):
        peer.answer_nodes({peer.name: peer.node()}, peer.kept_queries[-1], kept={"kenny": past})
    history = survivor.kept(client)
    assert history == told(harness) | {"keptBy": "stan"}


def test_a_keeper_looks_there_by_its_own_clock(survivor: Survivor) -> None:
    harness = survivor.harness
    agent = harness.client(AGENT)
    ago = harness.clock.now - survivor.heard + 40
    agent.ask(type=0, statType=1, id=7, kept={"kenny": 30}, ago=ago)
    past = agent.answer["kept"]["kenny"]
    assert past["until"] == pytest.approx(WALL + survivor.heard - 40 + survivor.skew)
    assert len(past["cpuUsed"]) == 3
