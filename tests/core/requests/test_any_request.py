"""Whatever a client sends: one answer to each request, right in its form and at its place."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.harness import CoreHarness, FakeClient, FakePeer
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.requests.session import MAX_BAD_IN_A_ROW
from nodnod_client.messages import SECTIONS
from simulation.ledger import Ledger, read
from strategies import documents, examples

LONGEST = 31.0
"""Seconds after which every deadline has passed."""

IDS = st.sampled_from([0, 1, "a", "☃", 2**53 - 1])
PEER = Hello(2, "kyle", "instance of kyle", "10.0.0.2:7070")

requests = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from([1, 0, 0, 1, 2, 3, 4, 5]),
        "statType": st.integers(0, 3),
        "id": IDS,
        "detail": st.lists(st.sampled_from(sorted(SECTIONS)), max_size=2),
        "history": st.sampled_from([0.5, 60, 3600]),
        "nodes": st.lists(st.sampled_from(["own", "kyle", "stan", "k*", "[", "?"]), max_size=3),
        "timeout": st.sampled_from([0.05, 1, 30]),
        "every": st.sampled_from([0.25, 1, 3600]),
    },
)
# A pump hands on what is UTF-8, and nothing else.
texts = documents(requests).map(lambda text: text.decode(errors="replace").encode())


class Conversation:
    """One client of an agent with two peers, of which one may be silent."""

    def __init__(self, mode: str = "pull", hello: Hello = Hello(1)) -> None:  # noqa: B008
        self.stage = CoreHarness(mode=mode)
        self.kyle = self.stage.peer("kyle")
        self.stan = self.stage.peer("stan", version=1)
        self.client: FakeClient = self.stage.client(hello)
        self.ledger = Ledger()
        self._read = 0

    def say(self, text: bytes) -> None:
        """Send a request, if the connection still takes one."""
        if self.client.wire.open:
            self.ledger.ask(text)
        self.client.say(text)
        self.stage.clock.turn()
        self._hear()

    def answer(self, peer: FakePeer) -> None:
        """Have a peer answer the last question that it was asked, if it was."""
        if peer.queries:
            peer.answer()
        self.stage.clock.turn()
        self._hear()

    def wait(self, seconds: float) -> None:
        self.stage.clock.advance(seconds)
        self._hear()

    def _hear(self) -> None:
        sent = self.client.wire.sent
        for text in sent[self._read :]:
            self.ledger.answer(text)
        self._read = len(sent)
        self.ledger.check(complete=False)

    @property
    def refused(self) -> int:
        return sum(self.stage.cluster.counters.refusals.values())


moves = st.one_of(
    *(st.tuples(st.just("say"), texts),) * 4,
    st.tuples(st.just("wait"), st.sampled_from([0.01, 0.3, 2.0])),
    st.tuples(st.just("answer"), st.sampled_from(["kyle", "stan"])),
)


@examples(200)
@given(
    moves=st.lists(moves, max_size=20),
    mode=st.sampled_from(["pull", "push"]),
    hello=st.sampled_from([Hello(1), PEER]),
)
def test_each_gets_one_answer_by_its_deadline(
    moves: list[tuple[str, Any]], mode: str, hello: Hello
) -> None:
    conversation = Conversation(mode, hello)
    for move, what in moves:
        if move == "say":
            conversation.say(what)
        elif move == "wait":
            conversation.wait(what)
        else:
            conversation.answer(getattr(conversation, what))
    conversation.wait(LONGEST)
    conversation.ledger.check()
    assert conversation.client.session.in_flight == set()


def alone(text: bytes) -> tuple[str, list[str]]:
    """What a request is answered that is the only one: its code, and the nodes that it names."""
    conversation = Conversation()
    conversation.say(text)
    conversation.wait(LONGEST)
    return told(conversation.ledger.answers[0])


def told(answer: dict[str, Any]) -> tuple[str, list[str]]:
    return answer.get("code", ""), sorted(answer.get("nodes", {}))


@examples(100)
@given(texts=st.lists(texts.filter(lambda text: read(text).id is None), max_size=9))
def test_those_without_id_are_answered_in_their_order(texts: list[bytes]) -> None:
    conversation = Conversation()
    for text in texts:
        conversation.say(text)
        conversation.wait(0.02)
    conversation.wait(LONGEST)
    assert list(map(told, conversation.ledger.answers)) == list(map(alone, texts))


@examples(100)
@given(
    texts=st.lists(texts, min_size=1, max_size=3),
    order=st.lists(st.integers(0, 2), min_size=MAX_BAD_IN_A_ROW, max_size=30),
)
def test_after_ten_refusals_in_a_row_and_never_before_the_connection_closes(
    texts: list[bytes], order: list[int]
) -> None:
    conversation = Conversation()
    in_a_row = 0
    for text in (texts[which % len(texts)] for which in order):
        before = conversation.refused
        conversation.say(text)
        in_a_row = in_a_row + 1 if conversation.refused > before else 0
        if in_a_row == MAX_BAD_IN_A_ROW:
            break
        assert conversation.client.wire.open
    else:
        return
    assert conversation.client.wire.closed is not None
    assert conversation.client.wire.closed[0] == 1008
    said = len(conversation.client.wire.sent)
    conversation.client.ask()
    conversation.wait(LONGEST)
    assert len(conversation.client.wire.sent) == said


@examples(100)
@given(texts=st.lists(texts, max_size=8), stopped=st.integers(0, 8))
def test_an_agent_that_stops_owes_nobody_an_answer(texts: list[bytes], stopped: int) -> None:
    conversation = Conversation()
    for text in texts[:stopped]:
        conversation.say(text)
    conversation.stage.cluster.stop()
    conversation.wait(0)
    conversation.ledger.check(ticked=False)
    for text in texts[stopped:]:
        conversation.say(text)
    conversation.wait(LONGEST)
    conversation.ledger.check(ticked=False)
