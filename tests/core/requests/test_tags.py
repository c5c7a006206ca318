"""Tags of nodes: where they are shown, and which nodes a question by tags is about."""

import pytest

from core.harness import CoreHarness, FakePeer
from nodnod_agent.core.interfaces import Hello

DB, WEB = {"role": "db", "site": "eu-1"}, {"role": "web"}


def tell(harness: CoreHarness, peer: FakePeer, tags: dict[str, str], **more: object) -> None:
    """Have a peer tell of itself."""
    address = str(more.pop("address", peer.address))
    member = {"name": peer.name, "address": address, "instance": peer.hello.instance}
    told = {**member, "incarnation": 1, "tags": tags, **more}
    client = harness.client(Hello(2, peer.name, peer.hello.instance, address))
    client.ask(type=4, member=told, digest="0")
    assert "code" not in client.answer


def rows(harness: CoreHarness) -> dict[str, dict[str, str]]:
    """The tags of all members, by name and state."""
    client = harness.client()
    client.ask(type=3)
    members = client.answer["members"]
    return {f"{row['name']} {row['state']}": row.get("tags") for row in members}


def asked(harness: CoreHarness, *nodes: str) -> list[str]:
    """The nodes that an answer to this question lists."""
    client = harness.ask_all(nodes=list(nodes))
    harness.clock.advance(2.1)
    return list(client.nodes)


@pytest.fixture(params=["pull", "push"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def harness(mode: str) -> CoreHarness:
    harness = CoreHarness(mode=mode, tags=WEB)
    for name, tags in (("kyle", DB), ("stan", WEB), ("kenny", {})):
        tell(harness, harness.peer(name), tags)
    return harness


def test_members_are_listed_with_the_tags_that_they_have(harness: CoreHarness) -> None:
    assert rows(harness) == {
        "own up": WEB,
        "kyle up": DB,
        "stan up": WEB,
        "kenny up": None,
    }


@pytest.mark.parametrize(
    ("nodes", "names"),
    [
        (["tag:role=web"], ["own", "stan"]),
        (["tag:role"], ["kyle", "own", "stan"]),
        (["tag:site=eu-*"], ["kyle"]),
        (["tag:role=db", "ken*"], ["kenny", "kyle"]),
        (["tag:rack", "tag:role=x"], []),
    ],
)
def test_a_question_by_tags_is_about_the_nodes_that_have_them(
    harness: CoreHarness, nodes: list[str], names: list[str]
) -> None:
    assert asked(harness, *nodes) == names


def test_a_malformed_pattern_is_refused(harness: CoreHarness) -> None:
    answer = harness.ask_all(nodes=["tag:=db"], id=1).answer
    assert answer["code"] == "bad_request"
    assert answer["error"] == "`nodes` must be tag:KEY=VALUE or tag:KEY, got 'tag:=db'"


def test_a_node_that_is_down_keeps_its_tags() -> None:
    harness = CoreHarness()
    peer = harness.peer("kyle")
    tell(harness, peer, DB)
    peer.hang_up()
    assert rows(harness)["kyle down"] == DB
    assert list(harness.ask_all(nodes=["tag:role=db"]).errors.values()) == [
        "down: connection closed"
    ]


def test_a_node_that_left_is_listed_with_its_tags() -> None:
    harness = CoreHarness()
    peer = harness.peer("kyle")
    tell(harness, peer, DB)
    tell(harness, peer, DB, state="left", incarnation=2)
    peer.hang_up()
    assert rows(harness)["kyle left"] == DB


def test_a_node_that_advertises_another_address_than_the_configured_one_has_its_tags() -> None:
    harness = CoreHarness()
    peer = harness.peer("kyle")
    tell(harness, peer, DB, address="192.168.0.1:7070")
    assert rows(harness) == {"own up": None, "kyle up": DB}


def test_a_stream_follows_the_tags_of_the_nodes(harness: CoreHarness, mode: str) -> None:
    client = harness.client()
    client.ask(type=1, id=1, every=1, nodes=["tag:role=db"], timeout=0.1)
    harness.clock.advance(1.5)
    assert list(client.nodes) == ["kyle"]
    harness.node.peers.retag(DB)
    stan = {"name": "stan", "address": "10.0.0.3:7070", "instance": "instance of stan"}
    harness.client(Hello(2, "x", "y", "10.9.9.9:7070")).ask(
        type=4,
        member={**stan, "incarnation": 1, "tags": WEB},
        members=[{**stan, "incarnation": 2, "tags": DB}],
        digest="0",
    )
    harness.clock.advance(1.5)
    assert list(client.nodes) == ["kyle", "own", "stan"]


def test_bad_tags_of_one_entry_are_refused_and_nothing_else(
    log: pytest.LogCaptureFixture,
) -> None:
    harness = CoreHarness()
    entry = {"address": "10.0.0.7:7070", "instance": "i", "incarnation": 1}
    client = harness.client(Hello(2, "x", "y", "10.9.9.9:7070"))
    member = {**entry, "name": "x", "address": "10.9.9.9:7070"}
    others = [
        {**entry, "name": f"n{number}", "address": f"10.0.1.{number}:7070", "tags": tags}
        for number, tags in enumerate(
            ({"a": 1}, {f"k{n}": "v" for n in range(17)}, {"a": "x" * 65}, {"a\n": "x"}, [], DB)
        )
    ]
    client.ask(type=4, member=member, members=others, digest="0")
    assert client.answer["error"] == ""
    assert list(harness.node.peers.gossip.table.entries) == ["10.9.9.9:7070", "10.0.1.5:7070"]
    assert "Refused a member that 10.9.9.9:7070 told of: " in log.text
    assert "tags" in log.text


def test_bad_tags_of_the_sender_are_an_error_that_names_them() -> None:
    harness = CoreHarness()
    client = harness.client(Hello(2, "x", "y", "10.9.9.9:7070"))
    member = {"name": "x", "address": "10.9.9.9:7070", "instance": "y", "incarnation": 1}
    client.ask(type=4, member={**member, "tags": {"a": 1}}, digest="0")
    assert client.answer["code"] == "bad_request"
    assert "tags" in client.answer["error"]
