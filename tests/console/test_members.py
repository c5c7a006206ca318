"""``nodnod members``, and the comparison of all views with ``--agree``."""

import asyncio
import contextlib
import io
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest
from rich.console import Console

from bench.harness.agents import Agents
from bench.harness.threaded import Threaded
from doubles.members import row, wire
from doubles.v1_server import V1Server
from doubles.v2_server import V2Server
from nodnod_agent.console.gather import Views, gather_views
from nodnod_agent.console.main import main
from nodnod_agent.console.members import members_view
from nodnod_client.client import Client
from nodnod_client.messages import MemberInfo, Members

ROWS = [
    row("kyle", rtt=0.0, since=940.0),
    row("stan", since=None, rtt=0.00051),
    row("kenny", "down", since=870.0),
    row("butters", "left", rtt=None),
]
Capture = pytest.CaptureFixture[str]


def printed(width: int, rows: list[MemberInfo] = ROWS) -> str:
    text = io.StringIO()
    console = Console(file=text, width=width)
    console.print(members_view(Members("kyle", rows), now=1000.0))
    return text.getvalue()


# The table


def test_a_member_is_a_row_and_its_error_stands_below() -> None:
    lines = [" ".join(line.split()) for line in printed(80).splitlines()]
    assert lines[0] == "Name Address State Since RTT Version"
    assert lines[2] == "kyle kyle:7070 up 1 min 0.0 ms 2"
    assert lines[3] == "stan stan:7070 up - 0.5 ms 2"
    assert lines[4] == "kenny kenny:7070 down 2 min - 2"
    assert lines[5].startswith("butters butters:7070 left ")
    assert lines[6] == "✗ kenny: connection refused"
    assert lines[7] == "4 members, 1 down, 1 left · as seen by kyle"


def test_a_narrow_terminal_shows_who_is_where_and_in_which_state() -> None:
    address = "192.168.100.107:27071"
    rows = [row("kyle", address=address), row("web-server-1", "down", address=address)]
    lines = [line.split() for line in printed(40, rows).splitlines()]
    assert lines[0] == ["Name", "Address", "State"]
    assert lines[2] == ["kyle", "192.168.1…107:27071", "up"]
    assert lines[3] == ["web-server-1", "192.168.1…107:27071", "down"]


def test_tags_have_a_column_if_there_are_any() -> None:
    rows = [row("kyle", tags={"site": "eu-1", "role": "db"}), row("stan")]
    assert "Tags" not in printed(120)
    lines = [" ".join(line.split()) for line in printed(140, rows).splitlines()]
    assert lines[0] == "Name Address State Since RTT Version Tags"
    assert lines[2].endswith("0.5 ms 2 role=db site=eu-1")


def test_a_member_that_left_and_came_back_elsewhere_is_listed_once() -> None:
    text = printed(80, [*ROWS, row("stan", "left", rtt=None, address="10.0.0.9:7070")])
    assert text.count("\nstan ") == 1
    assert "4 members, 1 down, 1 left" in text


def test_names_cannot_control_the_terminal() -> None:
    assert "\x1b" not in printed(80, [row("a\x1b[31m", error="b\x1b[2J")])


# The command


class Cluster:
    """Agents by name, each with a view of its own."""

    def __init__(self, stack: contextlib.ExitStack, *names: str) -> None:
        self.agents: dict[str, Threaded[Any]] = {
            name: stack.enter_context(Threaded(V2Server(name))) for name in names
        }
        for name in names:
            self.sees(name, **{other: "up" for other in names if other != name})

    def row(self, name: str, state: str = "up", **fields: Any) -> MemberInfo:
        agent = self.agents.get(name)
        return row(name, state, **({"address": agent.address} if agent else {}), **fields)

    def sees(self, name: str, *more: MemberInfo, **others: str) -> None:
        """Set the view of ``name``: itself, ``others`` by name in these states, and ``more``."""
        rows = [self.row(name), *(self.row(*other) for other in others.items()), *more]
        self.agents[name].server.members = wire(*rows)

    def agree(self, *flags: str) -> int:
        """Run the command on the first agent."""
        first = next(iter(self.agents.values()))
        return main(["members", "--agree", "--server", first.address, *flags])


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def cluster(stack: contextlib.ExitStack) -> Cluster:
    return Cluster(stack, "kyle", "stan", "kenny")


def test_members_are_listed_as_a_table_or_as_json(cluster: Cluster, capsys: Capture) -> None:
    agent = cluster.agents["stan"]
    assert main(["members", "--server", agent.address]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "3 members · as seen by stan" in out
    assert main(["members", "--json", "--server", agent.address]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {"host": "stan", "members": agent.server.members, "error": ""}


def test_an_agent_that_the_first_one_does_not_list_is_asked_too(
    cluster: Cluster, capsys: Capture
) -> None:
    cluster.sees("kyle", stan="up")  # stan lists kenny
    assert cluster.agree() == 1
    assert capsys.readouterr().out.splitlines() == [
        "✗ kenny is not known to kyle",
        "asked 3 agents: their views differ",
    ]


def test_differences_can_be_json(cluster: Cluster, capsys: Capture) -> None:
    cluster.sees("kenny", stan="up")
    assert cluster.agree("--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["agree"] is False
    assert document["asked"] == ["kenny", "kyle", "stan"]
    assert document["differences"] == [
        {"kind": "unheard", "nodes": ["kyle"], "observers": ["kenny"], "reasons": [], "others": {}}
    ]


def test_both_halves_of_a_partitioned_cluster_are_asked(
    stack: contextlib.ExitStack, capsys: Capture
) -> None:
    cluster = Cluster(stack, "a", "b", "c", "d")
    for name, up, down in (("a", "b", "cd"), ("b", "a", "cd"), ("c", "d", "ab"), ("d", "c", "ab")):
        cluster.sees(name, **{up: "up"}, **dict.fromkeys(down, "down"))
    assert cluster.agree() == 1
    assert capsys.readouterr().out.splitlines() == [
        "✗ a and b on one side and c and d on the other are down for each other: connection refused",
        "asked 4 agents: their views differ",
    ]


def test_an_agent_that_refuses_or_cannot_be_reached_is_named(
    cluster: Cluster, capsys: Capture
) -> None:
    cluster.agents["stan"].server.refusal = {"error": "token needed", "code": "forbidden"}
    gone = row("wendy", address="127.0.0.1:1")
    invalid = row("tweek", address="coffee:x")
    cluster.sees("kyle", gone, invalid, stan="up", kenny="up")
    assert cluster.agree() == 1
    out = capsys.readouterr().out
    assert "✗ stan is up for kenny and kyle, but could not be asked: token needed\n" in out
    assert "✗ wendy is up for kyle, but could not be asked: " in out
    assert "✗ tweek is up for kyle, but could not be asked: " in out


def test_a_version_1_agent_is_named_and_not_asked(cluster: Cluster, capsys: Capture) -> None:
    with Threaded(V1Server("old")) as old:
        line = row("old", address=old.address, version=1, instance="")
        for name in cluster.agents:
            others = {other: "up" for other in cluster.agents if other != name}
            cluster.sees(name, line, **others)
        assert cluster.agree() == 0
        assert old.server.requests == []
    out = capsys.readouterr().out
    assert out == "3 agents agree: 4 nodes up · not asked, as version 1 has no view: old\n"


# Gathering


@pytest.fixture
async def pair() -> AsyncIterator[tuple[V2Server, V2Server]]:
    """Two agents, of which the first lists both."""
    async with V2Server("a") as a, V2Server("b") as b:
        a.members = wire(*(row(agent.name, address=agent.address) for agent in (a, b)))
        yield a, b


async def gathered(first: V2Server, **options: Any) -> Views:
    async with Client(first.address) as client:
        return await gather_views(client, partial(Client, timeout=5.0), **options)


async def test_no_agent_is_asked_twice(pair: tuple[V2Server, V2Server]) -> None:
    a, b = pair
    b.members = a.members[::-1]
    found = await gathered(a)
    assert [len(rows) for rows in found.views] == [2, 2]
    assert (len(a.requests), len(b.requests)) == (1, 1)


async def test_the_time_limit_holds_for_a_slow_agent(pair: tuple[V2Server, V2Server]) -> None:
    a, b = pair
    b.hold()
    began = time.monotonic()
    found = await gathered(a, limit=0.2)
    assert time.monotonic() - began < 4
    assert found.failures == {b.address: "no answer within 0.2 s"}


async def test_an_empty_view_is_a_failure(pair: tuple[V2Server, V2Server]) -> None:
    a, b = pair
    found = await gathered(a)
    assert found.failures == {b.address: "it listed no members, not even itself"}
    assert [wire(*view) for view in found.views] == [a.members]


# Real agents


def test_real_agents_agree_until_one_is_frozen(agents: Agents, capsys: Capture) -> None:
    cluster = asyncio.run(agents.cluster("kyle", "stan", "kenny"))

    def agree(*flags: str) -> tuple[int, list[str]]:
        status = main(["members", "--agree", "--server", cluster[0].address, *flags])
        return status, capsys.readouterr().out.splitlines()

    assert agree() == (0, ["3 agents agree: 3 nodes up"])
    cluster[2].signal(signal.SIGSTOP)
    status, lines = agree("--timeout", "0.5")
    assert status == 1
    assert lines[0].startswith("✗ kenny is up for kyle and stan, but could not be asked: ")
