"""``nodnod top``: what it shows and what keys do, on a simulated terminal."""

import io
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

import pytest
from msgspec import to_builtins

from bench.harness.agents import Agents
from doubles.alert_rows import alert_row
from doubles.command import on_terminal, read_terminal
from doubles.members import row, wire
from doubles.terminal import terminal, watching
from doubles.v1_server import V1Server, node_object
from doubles.v2_server import V2Server
from eventually import eventually
from nodnod_agent.console.main import main
from nodnod_agent.console.stat_request import StatRequest
from nodnod_agent.console.top import app, listings
from nodnod_agent.console.top.node_table import NodeTable
from nodnod_client.errors import StatFailedError

THREE = [node_object("kyle"), node_object("stan", cpuUsed=91.5), node_object("cartman", cpuUsed=50)]
DOWN = node_object("kenny", error="down: connection refused")


@pytest.fixture
async def server() -> AsyncIterator[V2Server]:
    async with V2Server(nodes=THREE) as server:
        yield server


# What is shown


@pytest.mark.parametrize("size", [(80, 24), (150, 40), (40, 10)])
async def test_every_node_is_a_line_that_fits(server: V2Server, size: tuple[int, int]) -> None:
    async with watching(server, size=size) as screen:
        assert screen.names() == ["cartman", "kyle", "stan"]
        assert re.search(r"5\.0%.* 66\.4%.* 26\.7%", screen.row("kyle"))
        assert screen.lines()[0].startswith(" nodnod  3 nodes")
        assert max(map(len, screen.lines())) <= size[0]


async def test_there_are_totals_and_on_a_terminal_made_wider_sizes(server: V2Server) -> None:
    async with watching(server) as screen:
        assert "CPU 48.8 %" in screen.lines()[1]
        assert "memory 66.4 % 15.9/24.0 GiB" in screen.lines()[1]
        assert "GiB" not in screen.row("stan")
        await screen.pilot.resize_terminal(150, 24)
        await screen.until(lambda: "5.3/8.0 GiB" in screen.row("stan"))


async def test_sparklines_start_with_the_history_of_the_nodes(server: V2Server) -> None:
    history = {"every": 1.0, "end": 5.0, "cpuUsed": [100.0] * 300}
    server.nodes = [node_object("kyle", history=history)]
    async with watching(server, request=StatRequest(nodes=["k*"])) as screen:
        await screen.until(lambda: "█" * 10 in screen.row("kyle"))
    requests = [(request["nodes"], request.get("history")) for request in server.requests[:2]]
    assert requests == [(["k*"], None), (["k*"], 300.0)]


async def test_a_node_that_is_down_comes_first_with_the_reason_until_it_is_up(
    server: V2Server,
) -> None:
    server.nodes = [*THREE, DOWN]
    server.members = wire(row("kyle"), row("kenny", "down", since=1000.0))
    async with watching(server, wall=lambda: 1300.0) as screen:
        assert screen.names()[0] == "kenny"
        await screen.until(lambda: " DOWN  5 min  connection refused" in screen.row("kenny"))
        assert " 1 DOWN " in screen.lines()[0]
        await screen.press("c")
        assert screen.names() == ["kenny", "stan", "cartman", "kyle"]
        server.nodes = THREE
        await server.tick()
        await screen.until(lambda: "DOWN" not in screen.text())
        assert screen.names() == ["stan", "cartman", "kyle"]


async def test_names_and_errors_are_not_interpreted_as_markup(server: V2Server) -> None:
    server.nodes = [node_object("[red]x[/]"), node_object("y\x1b[2J", error="[bold]why[/bold]")]
    async with watching(server, size=(120, 24)) as screen:
        assert screen.row("[red]x[/]")
        assert "[bold]why[/bold]" in screen.row("y\ufffd[2J")
        await screen.press("enter")
        await server.streaming_count(2)
        await server.tick()
        await screen.shows("[bold]why[/bold]")


async def test_a_version_1_agent_is_polled() -> None:
    async with (
        V1Server(nodes=[*THREE, DOWN]) as server,
        terminal(server.address, every=0.25) as screen,
    ):
        await screen.until(lambda: screen.names() == ["kenny", "cartman", "kyle", "stan"])
        await server.arrived(3)
        await screen.press("enter")
        await screen.shows("needs a version-2 agent")


# Sorting, filtering, moving


async def test_keys_and_clicks_on_titles_sort_and_reverse(server: V2Server) -> None:
    async with watching(server) as screen:
        await screen.press("c")
        assert screen.names() == ["stan", "cartman", "kyle"]
        assert "CPU ▼" in screen.row("Node")
        await screen.press("c")
        assert screen.names() == ["kyle", "cartman", "stan"]
        assert "CPU ▲" in screen.row("Node")
        await screen.press("n", "r")
        assert screen.names() == ["stan", "kyle", "cartman"]
        await screen.press("s")
        assert "CPU ▼" in screen.row("Node")
        await screen.press("n")
        assert screen.names() == ["cartman", "kyle", "stan"]
        await screen.pilot.click(NodeTable, offset=(screen.row("Node").index("CPU"), 0))
        assert screen.names() == ["stan", "cartman", "kyle"]


async def test_a_filter_applies_while_it_is_typed_and_until_escape(server: V2Server) -> None:
    async with watching(server) as screen:
        await screen.press("slash", "A", "n")
        assert screen.names()[:2] == ["cartman", "stan"]
        await screen.press("enter")
        await screen.shows("filter 'An': 2 shown")
        await screen.press("c")
        assert screen.names() == ["stan", "cartman"]
        await screen.press("escape")
        assert screen.names() == ["stan", "cartman", "kyle"]


async def test_a_filter_may_match_nothing(server: V2Server) -> None:
    async with watching(server) as screen:
        await screen.press("slash", *"zzz", "enter", "down", "enter")
        assert screen.names() == []
        assert screen.app.screen is screen.app.overview


async def test_the_cursor_follows_its_node(server: V2Server) -> None:
    async with watching(server) as screen:
        await screen.press("down", "c", "enter")
        await screen.until(lambda: screen.lines()[0] == " kyle")


async def test_a_long_table_scrolls_below_its_titles(server: V2Server) -> None:
    server.nodes = [node_object(f"n{number:03}") for number in range(200)]
    async with watching(server) as screen:
        assert screen.names()[0] == "n000"
        await screen.press("end")
        await screen.until(lambda: screen.names()[-1] == "n199")
        assert screen.row("Node").startswith("Node ▲")
        await screen.press("pageup", "pageup", "home")
        await screen.until(lambda: screen.names()[0] == "n000")


async def test_a_second_click_opens_a_node(server: V2Server) -> None:
    async with watching(server) as screen:
        await screen.pilot.click(NodeTable, offset=(2, 3))
        assert screen.app.screen is screen.app.overview
        await screen.pilot.click(NodeTable, offset=(2, 3))
        await screen.until(lambda: screen.lines()[0] == " stan")


# Pause, help, quit


async def test_a_pause_freezes_the_rows(server: V2Server) -> None:
    async with watching(server) as screen:
        await screen.press("space")
        await screen.shows("PAUSED")
        server.nodes = [node_object("wendy")]
        await server.tick()
        await eventually(lambda: [row.node.name for row in screen.app.model.rows] == ["wendy"])
        assert screen.names() == ["cartman", "kyle", "stan"]
        await screen.press("space")
        assert screen.names() == ["wendy"]
        assert "PAUSED" not in screen.text()


async def test_help_opens_and_closes_and_q_quits(server: V2Server) -> None:
    async with watching(server) as screen:
        await screen.press("question_mark")
        await screen.shows("pause; again: resume")
        await screen.press("escape")
        await screen.until(screen.names)
        await screen.press("q")
        await screen.until(lambda: screen.app.return_code == 0)
    assert screen.app.return_value is None


async def test_a_refusal_of_the_agent_ends_the_viewer() -> None:
    async with V2Server() as server:
        server.refusal = {"error": "token needed", "code": "forbidden"}
        async with terminal(server.address) as screen:
            await screen.until(lambda: screen.app.return_value)
    assert isinstance(screen.app.return_value, StatFailedError)


# The connection


async def test_a_restart_of_the_agent_is_shown_and_survived(server: V2Server) -> None:
    async with watching(server, every=0.25) as screen:
        await server.__aexit__(None, None, None)
        await screen.shows("CONNECTION LOST")
        await screen.shows("connection refused")
        assert screen.names() == ["cartman", "kyle", "stan"]
        async with V2Server("stan", nodes=THREE, port=server.port, ticking=True):
            await screen.shows("going on with stan")
            assert "CONNECTION LOST" not in screen.text()
            assert "answered by stan" in screen.text()


async def test_the_banner_tells_the_wait_for_an_answer_and_its_age(server: V2Server) -> None:
    moments = [100.0]
    async with terminal(server.address, clock=lambda: moments[0]) as screen:
        await screen.shows("waiting for the first answer of ws://127.0.0.1:")
        await server.streaming_count(1)
        await server.tick()
        await screen.until(screen.names)
        assert "NO NEWS" not in screen.text()
        moments[0] = 160.0
        screen.app.draw()
        await screen.shows("NO NEWS  the last answer came 1 min ago")
        await server.tick()
        await screen.until(lambda: "NO NEWS" not in screen.text())


# The command


def test_a_missing_requirement_is_one_line_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["top"]) == 2
    assert "needs a terminal" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "textual", None)
    assert main(["top"]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "pip install textual;" in err


def top(address: str) -> AbstractContextManager[tuple[subprocess.Popen[str], io.FileIO]]:
    code = "import sys; from nodnod_agent.console.main import main; sys.exit(main())"
    return on_terminal(code, "top", "--server", address)


def test_a_failure_to_connect_is_status_3() -> None:
    with top("127.0.0.1:1") as (process, screen):
        read_terminal(screen, b"connection refused")
        assert process.wait() == 3


@pytest.mark.parametrize("end", [b"q", b"\x03", signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_restored_at_the_end(agents: Agents, end: bytes | signal.Signals) -> None:
    with top(agents.start("kyle").address) as (process, screen):
        read_terminal(screen, b"answered by kyle")
        if isinstance(end, bytes):
            screen.write(end)
        else:
            process.send_signal(end)
        read_terminal(screen, b"\x1b[?1049l")  # back from the alternate screen
        assert process.wait() == 0


def test_a_terminal_that_hangs_up_ends_the_command(agents: Agents) -> None:
    with top(agents.start("kyle").address) as (process, screen):
        read_terminal(screen, b"answered by kyle")
        screen.close()
        assert process.wait() in (0, 128 + signal.SIGHUP)


async def test_e_shows_events_newest_first_and_new_ones_while_it_is_open(
    server: V2Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "LOOK_EVERY", 0.05)
    joined = {"id": "i-1", "at": 1000.0, "node": "kyle", "kind": "joined", "text": "at 10.0.0.1"}
    async with watching(server) as screen:
        await screen.press("e")
        await screen.until(lambda: "nothing has happened yet" in screen.text())
        server.events = [joined, joined | {"id": "i-2", "kind": "down", "text": "\x1b[2J[b]"}]
        await screen.until(lambda: "joined" in screen.text())
        lines = [line for line in screen.lines() if "1970" in line]
        assert [line.split()[3] for line in lines] == ["down", "joined"]
        assert "\ufffd[2J[b]" in lines[0]
        await screen.press("escape")
        await screen.until(lambda: screen.names() == ["cartman", "kyle", "stan"])


async def test_an_agent_that_is_too_old_for_events_is_named_and_the_rest_goes_on(
    server: V2Server,
) -> None:
    async with watching(server) as screen:
        server.refusal = {"error": "`type` must be …", "code": "unknown_type"}
        await screen.press("e")
        await screen.until(lambda: "events need a newer agent" in screen.text())
        server.refusal = None
        await screen.press("escape")
        await screen.until(lambda: screen.names() == ["cartman", "kyle", "stan"])


async def test_alerts_are_shown_above_the_nodes_and_above_a_node(
    server: V2Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "LOOK_EVERY", 0.05)
    async with watching(server, size=(100, 24)) as screen:
        assert "\n Alerts " not in screen.text()
        server.alerts = to_builtins([alert_row("cartman", text="cpu is high"), alert_row("stan")])
        await screen.shows("2 warnings   cartman cpu: cpu is high")
        await screen.press("enter")
        await screen.until(lambda: len(server.streams) == 2)
        await server.tick()
        await screen.shows("WARNING")
        assert screen.text().count("WARNING") == 1
        server.alerts = []
        await server.tick()
        await screen.press("escape")
        await screen.until(lambda: "\n Alerts " not in screen.text())


async def test_an_agent_that_is_too_old_for_alerts_is_asked_once(server: V2Server) -> None:
    server.too_old_for = {5}

    def asked() -> int:
        return [request["type"] for request in server.requests].count(5)

    async with watching(server) as screen:
        await screen.until(lambda: asked() == 1 and not screen.app._knows_alerts)
        for _ in range(5):
            screen.app._look()
            await screen.pilot.pause()
        assert asked() == 1
        assert screen.names() == ["cartman", "kyle", "stan"]
