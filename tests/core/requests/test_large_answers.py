"""Answers that are too large for who asks: each receiver gets what it accepts."""

from typing import Any

import pytest

from core.harness import WALL, CoreHarness, FakeClient
from nodnod_agent.core.encoding import RICH_LIMIT
from nodnod_agent.core.fitting import ENVELOPE
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.requests import responder
from nodnod_agent.core.stats.sample import Sample
from nodnod_client.codec import encode
from nodnod_client.messages import MAX_MESSAGE
from nodnod_client.sections import truncated

MOUNTS = [{"mount": f"/mnt/{number}", "counted": False, "total": 5} for number in range(8000)]

SAMPLE = Sample(
    time=WALL,
    cpu_used=5.0,
    disk_total=10,
    memory_total=20,
    sections={"filesystems": encode(MOUNTS), "load": b'{"load1":0.5}'},
)

AGENT = Hello(2, "kyle", "instance of kyle", "10.0.0.2:7070")
DETAIL = ["filesystems", "load"]


@pytest.fixture
def harness() -> CoreHarness:
    harness = CoreHarness()
    harness.node.sampled(SAMPLE)
    return harness


def filesystems(client: FakeClient, name: str = "own") -> list[Any]:
    found: list[Any] = client.nodes[name]["detail"]["filesystems"]
    return found


@pytest.mark.parametrize("request_", [{}, {"id": 1, "every": 1.0}], ids=["one", "a stream"])
def test_an_agent_gets_the_stats_and_as_many_rows_as_all_agents_accept(
    harness: CoreHarness, request_: dict[str, Any]
) -> None:
    agent = harness.client(AGENT)
    agent.ask(type=0, detail=DETAIL, **request_)
    harness.clock.turn()

    assert RICH_LIMIT - 1000 < len(encode(agent.nodes["own"])) <= RICH_LIMIT
    kept = filesystems(agent)
    assert len(kept) + truncated(kept) == len(MOUNTS)
    assert agent.nodes["own"]["detail"]["load"] == {"load1": 0.5}
    assert (agent.nodes["own"]["cpuUsed"], agent.errors) == (5.0, {"own": ""})


@pytest.mark.parametrize(("limit", "most"), [(64 * 1024, 64 * 1024), (1, 32 * 1024)])
def test_an_agent_that_accepts_less_gets_less(harness: CoreHarness, limit: int, most: int) -> None:
    agent = harness.client(Hello(2, "kyle", "instance of kyle", limit=limit))
    agent.ask(type=0, detail=DETAIL, id=1)
    assert most * 0.9 < len(agent.wire.sent[0]) <= most


@pytest.mark.parametrize("hello", [Hello(1), Hello(2)])
def test_a_client_gets_all_rows_of_the_agent_that_it_asks(
    harness: CoreHarness, hello: Hello
) -> None:
    client = harness.client(hello)
    client.ask(type=0, detail=DETAIL)
    client.ask(type=1, detail=DETAIL)
    harness.clock.turn()
    for answer in client.answers:
        assert answer["nodes"]["own"]["detail"]["filesystems"] == MOUNTS


def test_an_answer_of_many_nodes_fits_what_clients_accept(harness: CoreHarness) -> None:
    rows = MOUNTS[:4500]
    peers = [harness.peer(f"n{number:02}") for number in range(22)]
    client = harness.ask_all(detail=DETAIL, id="x" * 64)
    for peer in peers[:21]:
        peer.answer(detail={"filesystems": rows})
    peers[21].answer(detail={"filesystems": rows[:10]})

    assert MAX_MESSAGE * 0.95 < len(client.wire.sent[0]) <= MAX_MESSAGE
    assert set(client.errors.values()) == {""}
    assert all(node["memoryTotal"] for node in client.nodes.values())
    assert filesystems(client, "n21") == rows[:10]
    kept = filesystems(client, "n00")
    assert len(kept) + truncated(kept) == len(rows)


def test_members_that_are_too_many_are_cut_at_the_end(
    harness: CoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responder, "ANSWER_LIMIT", ENVELOPE + 2000)
    for number in range(30):
        harness.configure(f"10.0.0.{number + 10}")
    client = harness.client()
    client.ask(type=3)

    members = client.answer["members"]
    assert members[0]["name"] == "own"
    assert len(members) + truncated(members) == 31
    assert len(client.wire.sent[0]) <= ENVELOPE + 2000
