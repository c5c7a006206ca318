"""What push mode answers from memory."""

import json
from collections.abc import Callable

import pytest
from msgspec import Raw

from nodnod_agent.core.encoding import AnswerEncoder
from nodnod_agent.core.membership.member import Member
from nodnod_agent.core.membership.roster import Roster
from nodnod_agent.core.question import Question
from nodnod_agent.core.stats.cache import StatsCache
from nodnod_agent.core.stats.local import LocalNode
from nodnod_agent.core.stats.sample import Sample
from nodnod_client.address import Address
from nodnod_client.codec import encode
from nodnod_client.errors import WireError
from nodnod_client.messages import FullStats, PeerAnswer
from simulation.clock import FakeClock


class UpLink:
    """As much of a link as a member looks at."""

    up = True


def stats(name: str, cpu: float = 5.0) -> PeerAnswer:
    node = FullStats(name, cpu, 100, 40, 40.0, 200, 20, 10.0, "")
    return PeerAnswer(nodes={name: Raw(encode(node))})


class Stage:
    """A board with its roster, and what it says."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.roster = Roster("self", "i-self")
        local = LocalNode("self", interval=1.0, want=lambda sections, seconds: None)
        local.update(Sample(time=1.0, cpu_used=1.0, memory_total=10, memory_used=5))
        self.board = StatsCache(self.roster, local, AnswerEncoder("self"), self.clock, interval=1.0)

    def member(self, name: str) -> Member:
        member = self.roster.add(Address(f"{name}.test", 7070), configured=True)
        member.link = UpLink()  # type: ignore[assignment]
        member.error = ""
        self.roster.identify(member, name, f"i-{name}", 2)
        return member

    def nodes(self, **question: object) -> dict[str, dict[str, object]]:
        body = self.board.body(Question(**question))  # type: ignore[arg-type]
        found: dict[str, dict[str, object]] = json.loads(body)["nodes"]
        return found


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_the_newest_numbers_of_every_node_are_told(stage: Stage) -> None:
    kenny = stage.member("kenny")
    stage.board.update(kenny, stats("kenny", 5.0))
    stage.board.update(kenny, stats("kenny", 6.0))

    nodes = stage.nodes()

    assert list(nodes) == ["kenny", "self"]
    assert nodes["kenny"]["cpuUsed"] == 6.0


def test_the_same_answer_is_encoded_once(stage: Stage) -> None:
    stage.board.update(stage.member("kenny"), stats("kenny"))

    assert stage.board.body(Question()) is stage.board.body(Question())


def test_a_node_not_heard_from_for_three_intervals_keeps_its_numbers_and_says_so(
    stage: Stage,
) -> None:
    stage.board.update(stage.member("kenny"), stats("kenny"))
    stage.clock.advance(2.9)
    assert stage.nodes()["kenny"]["error"] == ""

    stage.clock.advance(0.3)

    assert stage.nodes()["kenny"]["error"] == "stale: last heard 3.2 s ago"
    assert stage.nodes()["kenny"]["cpuUsed"] == 5.0


def test_how_old_stale_numbers_are_is_told_anew(stage: Stage) -> None:
    stage.board.update(stage.member("kenny"), stats("kenny"))
    stage.clock.advance(4.0)
    stage.nodes()
    stage.clock.advance(2.0)

    assert stage.nodes()["kenny"]["error"] == "stale: last heard 6.0 s ago"


def test_a_node_whose_link_is_down_is_stale_at_once_with_the_reason(stage: Stage) -> None:
    kenny = stage.member("kenny")
    stage.board.update(kenny, stats("kenny"))
    kenny.link = None
    kenny.error = "down: connection refused"
    stage.board.changed()

    error = stage.nodes()["kenny"]["error"]

    assert error == "stale: last heard 0.0 s ago; down: connection refused"


def test_a_node_that_never_spoke_is_listed_with_the_reason(stage: Stage) -> None:
    stage.member("kenny")

    assert stage.nodes()["kenny"]["error"] == "no stats from it yet"


@pytest.mark.parametrize(
    ("stat_type", "fields"),
    [
        (1, {"name", "cpuUsed", "error"}),
        (2, {"name", "memoryTotal", "memoryUsed", "memoryUsedPercent", "error"}),
        (3, {"name", "diskTotal", "diskUsed", "diskUsedPercent", "error"}),
    ],
)
def test_granular_questions_get_their_fields_and_nothing_else(
    stage: Stage, stat_type: int, fields: set[str]
) -> None:
    stage.board.update(stage.member("kenny"), stats("kenny"))

    nodes = stage.nodes(stat_type=stat_type)

    assert {frozenset(node) for node in nodes.values()} == {frozenset(fields)}


def test_only_the_nodes_that_were_asked_for_are_told(stage: Stage) -> None:
    stage.board.update(stage.member("kenny"), stats("kenny"))
    stage.board.update(stage.member("stan"), stats("stan"))

    nodes = stage.nodes(nodes=("ken*", "nobody"))

    assert list(nodes) == ["kenny", "nobody"]
    assert nodes["nobody"]["error"] == "unknown node"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: stats("stan"),
        lambda: stats("kenny", -1.0),
        lambda: PeerAnswer(nodes={}),
        lambda: PeerAnswer(nodes={"kenny": Raw(b'{"name":"kenny"}')}),
    ],
    ids=["another's name", "negative", "no node", "fields missing"],
)
def test_garbage_spoils_the_entry_of_its_sender_only(
    stage: Stage, spoil: Callable[[], PeerAnswer]
) -> None:
    kenny, stan = stage.member("kenny"), stage.member("stan")
    stage.board.update(kenny, stats("kenny"))
    stage.board.update(stan, stats("stan"))
    with pytest.raises(WireError) as error:
        stage.board.update(kenny, spoil())
    stage.board.spoil(kenny, str(error.value))

    nodes = stage.nodes()

    assert str(nodes["kenny"]["error"]).startswith("bad answer: ")
    assert nodes["kenny"]["cpuUsed"] == 5.0
    assert nodes["stan"]["error"] == ""


def test_a_good_word_heals_what_a_bad_one_spoiled(stage: Stage) -> None:
    kenny = stage.member("kenny")
    stage.board.spoil(kenny, "bad answer: x")
    stage.board.update(kenny, stats("kenny"))

    assert stage.nodes()["kenny"]["error"] == ""


def test_two_nodes_with_one_name_are_both_told_under_the_names_they_are_listed_by(
    stage: Stage,
) -> None:
    one = stage.member("kenny")
    two = stage.roster.add(Address("other.test", 7070), configured=True)
    two.link, two.error = UpLink(), ""  # type: ignore[assignment]
    stage.roster.identify(two, "kenny", "i-other", 2)
    stage.board.update(one, stats("kenny", 1.0))
    stage.board.update(two, stats("kenny", 2.0))

    nodes = stage.nodes()

    assert nodes["kenny"]["cpuUsed"] == 1.0
    assert nodes["kenny@other.test:7070"]["cpuUsed"] == 2.0
    assert nodes["kenny@other.test:7070"]["name"] == "kenny@other.test:7070"


def test_a_member_that_is_no_more_is_not_told(stage: Stage) -> None:
    kenny = stage.member("kenny")
    stage.board.update(kenny, stats("kenny"))
    stage.roster.remove(kenny)
    stage.board.forget(kenny)

    assert list(stage.nodes()) == ["self"]


def test_memory_is_bounded_however_many_questions_are_asked(stage: Stage) -> None:
    for number in range(1000):
        stage.nodes(nodes=(f"n{number}",))

    assert len(stage.board._bodies) < 100
