"""Whatever a client sends, each request gets one answer, in the right form and order."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.harness import CoreHarness
from nodnod_agent.core.interfaces import Hello
from nodnod_client.sections import SECTIONS
from simulation.ledger import Ledger, read
from strategies import documents, examples

LONGEST = 31.0
"""Seconds in which every deadline passes."""

IDS = st.sampled_from([0, 1, "a", "☃", 2**53 - 1])
PEER = Hello(2, "kyle", "instance of kyle", "10.0.0.2:7070", operator="kyle")

requests = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from([1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 9]),
        "statType": st.integers(0, 3),
        "id": IDS,
        "detail": st.lists(st.sampled_from(sorted(SECTIONS)), max_size=2),
        "history": st.sampled_from([0.5, 60, 3600]),
        "nodes": st.lists(st.sampled_from(["own", "kyle", "stan", "k*", "[", "?"]), max_size=3),
        "timeout": st.sampled_from([0.05, 1, 30]),
        "every": st.sampled_from([0.25, 1, 3600]),
        "until": st.sampled_from([0, 1_700_000_000.5, 4e9]),
        "ago": st.sampled_from([0, 60.5, 1e9]),
        "since": st.sampled_from([0, 1e9, 4e9]),
        "silence": st.fixed_dictionaries(
            {},
            optional={
                "seconds": st.sampled_from([1, 60, 1e9]),
                "node": st.sampled_from(["own", "k*", "["]),
            },
        ),
        "end": st.sampled_from(["a", ""]),
        "match": st.sampled_from(["x", "p*", "["]),
    },
)
# A connection passes on UTF-8 only.
texts = documents(requests).map(lambda text: text.decode(errors="replace").encode())


class Conversation:
    """One client of an agent with two peers, which answer only if they are told to."""

    def __init__(self, mode: str = "pull", hello: Hello = Hello(1)) -> None:  # noqa: B008
        self.harness = CoreHarness(mode=mode)
        self.peers = {
            "kyle": self.harness.peer("kyle"),
            "stan": self.harness.peer("stan", version=1),
        }
        self.client = self.harness.client(hello)
        self.ledger = Ledger()
        self._read = 0

    def say(self, text: bytes) -> None:
        """Send a request, if the connection is open."""
        if self.client.wire.open:
            self.ledger.ask(text)
        self.client.say(text)
        self.wait(0)

    def answer(self, peer: str) -> None:
        """Have a peer answer the last question that it was asked, if there is one."""
        if self.peers[peer].queries:
            self.peers[peer].answer()
        self.wait(0)

    def wait(self, seconds: float) -> None:
        """Move the clock, and note what the client is sent."""
        self.harness.clock.advance(seconds)
        sent = self.client.wire.sent
        for text in sent[self._read :]:
            self.ledger.answer(text)
        self._read = len(sent)
        self.ledger.check(complete=False)

    def stop(self) -> None:
        """Stop the agent; every request has its answer then."""
        self.harness.node.stop()
        self.wait(0)
        self.ledger.check(ticked=False)


moves = st.one_of(
    *(st.tuples(st.just("say"), texts),) * 4,
    st.tuples(st.just("wait"), st.sampled_from([0.01, 0.3, 2.0])),
    st.tuples(st.just("answer"), st.sampled_from(["kyle", "stan"])),
)


@examples(300)
@given(
    moves=st.lists(moves, max_size=20),
    mode=st.sampled_from(["pull", "push"]),
    hello=st.sampled_from([Hello(1), PEER]),
    stops_before=st.integers(0, 60),
)
def test_every_request_gets_one_answer_by_its_deadline_or_when_the_agent_stops(
    moves: list[tuple[str, Any]], mode: str, hello: Hello, stops_before: int
) -> None:
    conversation = Conversation(mode, hello)
    for number, (move, argument) in enumerate(moves):
        if number == stops_before:
            conversation.stop()
        getattr(conversation, move)(argument)
    conversation.wait(LONGEST)
    conversation.ledger.check(ticked=stops_before >= len(moves))
    assert conversation.client.session.in_flight == {}


def summary(answer: dict[str, Any]) -> tuple[str, list[str]]:
    return answer.get("code", ""), sorted(answer.get("nodes", {}))


def alone(text: bytes) -> tuple[str, list[str]]:
    """The answer to a request that is the only one."""
    conversation = Conversation()
    conversation.say(text)
    conversation.wait(LONGEST)
    return summary(conversation.ledger.answers[0])


@examples(100)
@given(texts=st.lists(texts.filter(lambda text: read(text).id is None), max_size=9))
def test_requests_without_id_are_answered_in_their_order(texts: list[bytes]) -> None:
    conversation = Conversation()
    for text in texts:
        conversation.say(text)
        conversation.wait(0.02)
    conversation.wait(LONGEST)
    assert list(map(summary, conversation.ledger.answers)) == list(map(alone, texts))
