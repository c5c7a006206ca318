"""Whatever a peer sends, each request gets one answer in time, with every node in it once."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bench.harness.invariants.form import FIELDS
from core.harness import CoreHarness, FakeClient, FakePeer
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.membership.v1_pipeline import MAX_UNANSWERED
from nodnod_client.address import parse_address
from simulation.ledger import Ledger
from strategies import documents, examples, json_values, odd_values

PATIENCE = 0.1
"""Seconds after its deadline by which every answer is there."""

NAMES = ["bad", "stan", "own", "", "x" * 200, "10.0.0.2:7070", "a\0b", "stan@10.0.0.2:7070"]

nodes = st.fixed_dictionaries(
    {field: st.just(1) for field in FIELDS[0]},
    optional={"detail": json_values, "history": json_values, "more": json_values},
).flatmap(
    lambda node: st.fixed_dictionaries(
        {name: st.just(value) for name, value in node.items()}
        | {"name": st.sampled_from(NAMES), "error": st.sampled_from(["", "on fire"])}
    )
)
members = st.fixed_dictionaries(
    {
        "name": st.sampled_from(NAMES),
        "address": st.sampled_from(["10.0.0.9", "10.0.0.1:7070", "x"]),
        "instance": st.sampled_from(["i", "own instance", ""]),
        "incarnation": st.sampled_from([0, 1, 1_700_000_001_000, 2**53]),
    }
)
answers = st.fixed_dictionaries(
    {
        "id": st.sampled_from([1, 2, 3, 0, -1, "1", None]),
        "nodes": st.dictionaries(st.sampled_from(NAMES), nodes | odd_values, max_size=2),
    },
    optional={
        "host": st.sampled_from(NAMES),
        "error": st.sampled_from(["", "shutting down", "x" * 9000]),
        "seq": st.integers(0, 3),
        "members": st.lists(members | odd_values, max_size=3),
        "member": members,
        "digest": st.text(max_size=20),
        "kept": st.dictionaries(st.sampled_from(NAMES), json_values, max_size=2) | odd_values,
    },
)
questions = st.fixed_dictionaries(
    {"type": st.just(1)},
    optional={
        "statType": st.integers(0, 3),
        "id": st.sampled_from([1, "a"]),
        "detail": st.sampled_from([["load"], ["processes"]]),
        "match": st.just("x"),
        "history": st.just(60),
        "until": st.sampled_from([0, 1_700_000_000, 4e9]),
        "kept": st.just({"stan": 60}),
        "timeout": st.sampled_from([0.05, 1]),
    },
).filter(lambda question: "until" not in question or "history" in question)
hellos = st.sampled_from([Hello(1), *(Hello(2, name, "instance of bad") for name in NAMES)])


class Cluster:
    """Clients of an agent with a good peer ``stan`` and a bad one, which may send anything."""

    def __init__(self, mode: str, hello: Hello) -> None:
        self.harness = CoreHarness(mode=mode)
        self.clock = self.harness.clock
        self.good = self.harness.peer("stan")
        self._served = 0
        self._serve()
        self._address = self.harness.configure()
        self.bad = FakePeer("bad", self.harness.attempt(self._address), hello)
        self.clients: list[tuple[FakeClient, Ledger, dict[str, Any]]] = []

    def _serve(self) -> None:
        """Have the good peer answer its questions, and send ticks of the streams among them."""
        sent = self.good.wire.sent
        while self._served < len(sent):  # an answer may bring the next question
            query = json.loads(sent[self._served])
            self._served += 1
            if query.get("type", 0) == 0:
                self._answer(query)
        self.clock.call_at(self.clock.now + 0.005, self._serve)

    def _answer(self, query: dict[str, Any]) -> None:
        self.good.answer(query)
        if "every" in query:
            self.clock.call_at(self.clock.now + query["every"], self._answer, query)

    def wait(self, seconds: float) -> None:
        """Move the clock."""
        self.clock.advance(seconds)

    def ask(self, question: dict[str, Any]) -> None:
        """Send a question from a new client, which must be answered in time."""
        client, ledger = self.harness.client(), Ledger()
        text = json.dumps(question).encode()
        ledger.ask(text)
        self.clients.append((client, ledger, question))
        client.say(text)
        due = self.clock.now + question.get("timeout", 2.0) + PATIENCE
        self.clock.call_at(due, self._check_answered, client)

    def _check_answered(self, client: FakeClient) -> None:
        assert client.wire.sent, "no answer by its deadline"

    def say(self, text: bytes) -> None:
        """Have the bad peer send a message, if it is connected."""
        if self.bad.wire.open:
            self.bad.say(text)

    def answer(self, fields: dict[str, Any], twice: str = "") -> None:
        """Have the bad peer answer its last question with odd fields; ``twice`` names one."""
        if self.bad.queries:
            node = self.bad.node(**{"name": self.bad.hello.name, **fields})
            answer = {"nodes": {self.bad.hello.name: node}, "id": self.bad.queries[-1].get("id")}
            text = json.dumps(answer).replace(f'"{twice}": ', f'"{twice}": 0, "{twice}": ')
            self.say(text.encode())

    def repeat(self, field: str) -> None:
        """Have the bad peer answer with a field that is there twice."""
        self.answer({}, field)

    def return_as(self, hello: Hello) -> None:
        """Have the bad peer hang up and come back, perhaps with another name."""
        if self.bad.wire.open:
            self.bad.hang_up()
            self.harness.await_dial(self._address)
            self.bad = FakePeer("bad", self.harness.attempt(self._address), hello)

    def check(self) -> None:
        """Let every deadline pass, and check all answers."""
        self.wait(3)
        for client, ledger, question in self.clients:
            for text in client.wire.sent:
                ledger.answer(text)
            ledger.check()
            self._check_nodes(client.nodes, question)
        links = self.harness.node.peers.links.members
        assert all(link.unanswered <= MAX_UNANSWERED for link in links)
        queries = self.harness.node.responder.queries
        assert not queries._under_way, "nothing is left"
        assert not queries._kept, "nothing is left"
        groups = queries._groups.values()
        assert all(one.lasting and not (one.waiting or one.broadcasts) for one in groups)

    def _check_nodes(self, found: dict[str, Any], question: dict[str, Any]) -> None:
        fields = FIELDS[question.get("statType", 0)]
        assert list(found) == sorted(found)
        assert len(found) >= 3  # more if the bad peer sent members
        for node in found.values():
            assert set(fields) <= set(node)
            numbers = [node[field] for field in fields[1:-1]]
            assert all(isinstance(number, int | float) and number >= 0 for number in numbers)
        assert found["own"]["error"] == ""
        stan = found["stan"]
        if stan[
            "error"
        ]:  # questions about the past wait for each other, longer than some have time
            assert "history" in question
            assert stan["error"] == "no answer within 0.05 s"
        else:
            assert stan.get("cpuUsed", 7) == 7


moves = st.one_of(
    *(st.tuples(st.just("say"), documents(answers)),) * 3,
    st.tuples(
        st.just("answer"), st.dictionaries(st.sampled_from(FIELDS[0]), odd_values, max_size=2)
    ),
    st.tuples(st.just("repeat"), st.sampled_from(FIELDS[0])),
    *(st.tuples(st.just("ask"), questions),) * 2,
    st.tuples(st.just("return_as"), hellos),
    st.tuples(st.just("wait"), st.sampled_from([0.02, 0.5, 4.0])),
)


@examples(300)
@given(moves=st.lists(moves, max_size=15), mode=st.sampled_from(["pull", "push"]), hello=hellos)
def test_a_bad_peer_harms_its_own_entry_only(
    moves: list[tuple[str, Any]], mode: str, hello: Hello
) -> None:
    cluster = Cluster(mode, hello)
    for move, argument in [*moves, ("ask", {"type": 1})]:
        getattr(cluster, move)(argument)
    cluster.check()
    roster = cluster.harness.node.peers.roster
    assert parse_address("10.0.0.1:7070") not in roster.members, "that is this node itself"
    last = cluster.clients[-1][0].nodes
    assert last.keys() == {"own"} | {member.listed for member in roster.listing()}
