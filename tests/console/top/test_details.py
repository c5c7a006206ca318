"""The screen of one node, whose stream runs while it is shown."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from doubles.members import row, wire
from doubles.terminal import Terminal, watching
from doubles.v1_server import node_object
from doubles.v2_server import V2Server
from eventually import eventually
from nodnod_agent.console.top.details import pattern_of
from nodnod_client.sections import SECTIONS

LOAD = {"load": {"load1": 3.13, "load5": 2.5, "load15": 1.25}}
OTHER = {"load": {"load1": 9.99, "load5": 2.5, "load15": 1.25}}


@pytest.fixture
async def server() -> AsyncIterator[V2Server]:
    async with V2Server(nodes=[node_object("kyle", detail=LOAD), node_object("stan")]) as server:
        yield server


@pytest.fixture
async def opened(server: V2Server) -> AsyncIterator[Terminal]:
    """A terminal that shows the details of the first node."""
    async with watching(server) as screen:
        await screen.press("enter")
        await server.streaming_count(2)
        await server.tick()
        await screen.shows("3.13   2.50   1.25")
        yield screen


def details(server: V2Server) -> dict[str, Any]:
    """The request of the stream of details: the one that runs of some nodes only."""
    (request,) = [one for one in server.streams.values() if one.get("nodes")]
    return request


async def test_details_of_one_node_are_requested_only_while_shown(
    server: V2Server, opened: Terminal
) -> None:
    request = details(server)
    assert request["nodes"] == ["kyle"]
    assert request["detail"] == sorted(SECTIONS)
    assert request["every"] == 1.0
    await opened.press("escape")
    await server.streaming_count(1)
    await opened.until(opened.names)


async def test_new_numbers_are_shown_except_in_a_pause(server: V2Server, opened: Terminal) -> None:
    await opened.press("space")
    server.nodes = [node_object("kyle", cpuUsed=77.0, detail=OTHER)]
    await server.tick()
    await eventually(lambda: opened.app.model.rows[0].node.cpu_used == 77.0)
    assert "9.99" not in opened.text()
    await opened.press("space")
    await server.tick()
    await opened.shows("9.99")


async def test_a_node_with_an_error_shows_the_reason(server: V2Server, opened: Terminal) -> None:
    server.nodes = [node_object("kyle", error="down: connection refused")]
    await server.tick()
    await opened.shows("DOWN  0 s  connection refused")
    await opened.shows("no numbers")


async def test_the_tags_of_a_node_are_beside_its_name(server: V2Server) -> None:
    server.members = wire(row("kyle", tags={"role": "db"}), row("stan"))
    async with watching(server) as screen:
        await screen.until(lambda: screen.app.model.tags)
        await screen.press("enter")
        await server.streaming_count(2)
        await server.tick()
        await screen.shows("kyle  role=db")


async def test_a_node_that_is_no_longer_listed_is_reported(
    server: V2Server, opened: Terminal
) -> None:
    server.nodes = [node_object("stan")]
    await server.tick()
    await opened.shows("kyle no longer lists this node")


async def test_a_lost_connection_is_shown_until_it_is_restored(
    server: V2Server, opened: Terminal
) -> None:
    await server.drop()
    await opened.shows("CONNECTION LOST")
    await server.streaming_count(2)
    server.nodes = [node_object("kyle", detail=OTHER)]
    await server.tick()
    await opened.shows("9.99")
    assert "CONNECTION LOST" not in opened.text()


async def test_long_details_scroll(server: V2Server, opened: Terminal) -> None:
    shares = dict.fromkeys(("used", "user", "system", "iowait", "steal"), 1)
    cpu = {**shares, "cores": [1.0] * 400, "frequency": None}
    server.nodes = [node_object("kyle", detail={"cpu": cpu})]
    await server.tick()
    await opened.shows("user 1.0 %")

    async def at_the_end() -> bool:
        await opened.press("end")  # repeatedly: the end moves until all is laid out
        return "399 ────" in opened.text()

    await eventually(at_the_end, why=opened.text)
    await opened.press("home")
    await opened.shows("user 1.0 %")  # the next key would end the way there
    await opened.press("j", "k")
    await opened.shows("user 1.0 %")


async def test_processes_are_searched_for_and_shown_with_their_sums(
    server: V2Server, opened: Terminal
) -> None:
    def matches() -> list[object]:
        return [request.get("match") for request in server.streams.values()]

    await opened.press("slash", *"post")
    await eventually(lambda: "*post*" in matches())
    row = {"pid": 7, "name": "postgres", "user": "pg", "cpu": 12.0, "rss": 1 << 20}
    sums = {"count": 3, "cpu": 34.0, "rss": 3 << 20, "threads": 9}
    none = {"readBytes": None, "writeBytes": None}
    lists: dict[str, object] = {key: [] for key in ("byCpu", "byMemory", "byIo")}
    found = {"count": 99, **lists, "matching": [row], "sums": sums | none}
    server.nodes = [node_object("kyle", detail={"processes": found})]
    await server.tick()
    await opened.shows("3 of 99 processes match   CPU 34%   memory 3.0 MiB   9 threads")
    await opened.shows("and 2 more")

    await opened.press("escape")
    await eventually(lambda: matches() == [None, None])
    await opened.press("escape")
    await server.streaming_count(1)


@pytest.mark.parametrize(
    ("text", "pattern"), [("", None), (" ", None), ("post", "*post*"), ("post*", "post*")]
)
def test_a_part_of_a_name_is_a_pattern(text: str, pattern: str | None) -> None:
    assert pattern_of(text) == pattern


async def test_wildcards_in_the_name_of_a_node_are_escaped() -> None:
    async with V2Server(nodes=[node_object("db[1]*")]) as server, watching(server) as screen:
        await screen.press("enter")
        await server.streaming_count(2)
        assert details(server)["nodes"] == ["db[[]1][*]"]
