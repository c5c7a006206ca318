"""What ``nodnod top`` paints: lines that fit, the terminal's own colors, and only what changes."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from textual.geometry import Region

from doubles.alert_rows import alert_row
from doubles.members import row, wire
from doubles.terminal import Terminal, watching
from doubles.v1_server import node_object
from doubles.v2_server import V2Server
from nodnod_agent.console.top.node_table import NodeTable

LONG = "production-eu-west-1-database-replica"
NAMES = [f"{LONG}-{number:03}" for number in range(30)]
HISTORY = {"every": 1.0, "end": 5.0, "recvBytes": [2.0**20], "sentBytes": [2.0**11]}


def node(name: str, **stats: Any) -> dict[str, Any]:
    return node_object(name, history=HISTORY, **stats)


@pytest.fixture
async def server() -> AsyncIterator[V2Server]:
    nodes = [node(name, cpuUsed=93.0, memoryUsedPercent=80.0) for name in NAMES]
    down = [node_object(f"db-{n}", error="down: connection refused") for n in range(13)]
    async with V2Server(NAMES[0], nodes=[*nodes, *down, node("東京" * 15)]) as server:
        yield server


async def settled(screen: Terminal) -> None:
    """Wait for all that is asked for at the start."""
    await screen.until(lambda: screen.app.model._traffic)
    screen.app.draw()
    await screen.pilot.pause()


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40), (200, 50)])
async def test_nothing_that_is_a_value_is_cut(server: V2Server, size: tuple[int, int]) -> None:
    async with watching(server, size=size) as screen:
        await settled(screen)
        heading, totals, *_, keys = screen.lines()
        assert " 44 nodes   13 DOWN " in heading
        assert heading.strip()[-8:].count(":") == 2  # the clock
        assert "CPU 90.2 % ◆   memory 66.4 %" in totals
        assert "disk 26.7 %" in totals
        assert "? Help   q Quit" in keys
        assert ("In/s      Out/s" in screen.text()) == (size[0] >= 100)
        assert ("↓ 31.0 MiB/s" in totals) == (size[0] >= 100)
        await screen.press("end")
        last = next(line for line in screen.lines() if "029" in line)
        assert " 93.0%◆ " in last
        assert " 80.0%▲ " in last
        assert last.index("…" if size[0] < 200 else LONG) < last.index("029")
        assert "26.7%" in last
        assert max(map(len, screen.lines())) <= size[0]


async def test_thirteen_nodes_that_are_down_are_a_line_each_with_the_reason(
    server: V2Server,
) -> None:
    async with watching(server) as screen:
        down = [line for line in screen.lines() if " DOWN " in line]
        assert len(down) == 1 + 13
        assert all("connection refused" in line for line in down[1:])


async def test_a_resize_fits_all_lines_to_the_new_width(server: V2Server) -> None:
    async with watching(server, size=(200, 50)) as screen:
        await settled(screen)
        for width in (60, 120, 50, 200):
            await screen.pilot.resize_terminal(width, 24)
            await screen.until(lambda width=width: max(map(len, screen.lines())) <= width)
            await screen.until(lambda: "q Quit" in screen.lines()[-1])
            assert "disk 26.7 %" in screen.lines()[1]


async def test_a_line_has_the_marks_of_the_alerts_of_its_node(server: V2Server) -> None:
    server.nodes = [node("kyle"), node("stan")]
    server.alerts = wire(
        *[alert_row("stan", severity="critical"), alert_row("stan"), alert_row("kyle")]  # type: ignore[list-item]
    )
    async with watching(server) as screen:
        await screen.until(lambda: "◆2" in screen.row("stan"))
        await screen.until(lambda: "▲1" in screen.row("kyle"))
        assert screen.names() == ["stan", "kyle"]  # the critical one first


async def test_all_colors_are_those_of_the_terminal(server: V2Server) -> None:
    async with watching(server) as screen:
        await settled(screen)
        found = set()
        opened = [key for name in ("slash", "a", "e", "enter") for key in (name, "escape")]
        for key in ("space", "space", *opened, "?"):
            await screen.press(key)
            for strip in screen.app.screen._compositor.render_strips():
                found |= {style for _, style, _ in strip if style is not None}
        colors = {color for style in found for color in (style.color, style.bgcolor) if color}
        assert len(found) > 10
        assert {color.name for color in colors if color.triplet is not None} == set()


async def test_only_lines_that_change_are_painted_to_their_last_new_cell(
    server: V2Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.nodes = [node("kyle"), node("stan"), node("kenny")]
    async with watching(server, size=(120, 40)) as screen:
        await settled(screen)
        painted: list[Region] = []
        refresh = NodeTable.refresh

        def recorded(table: NodeTable, *regions: Region, **options: Any) -> NodeTable:
            painted.extend(regions)
            return refresh(table, *regions, **options)

        monkeypatch.setattr(NodeTable, "refresh", recorded)
        screen.app.draw()
        assert painted == []
        server.nodes = [node("kyle"), node("stan", cpuUsed=6.0), node("kenny")]
        await server.tick()
        await screen.until(lambda: "6.0%" in screen.row("stan"))
        table = screen.app.screen.query_one(NodeTable)
        memory = screen.row("Node").index("Memory")
        assert {region.y for region in painted} == {3}
        assert max(region.right for region in painted) < memory
        assert table.size.width == 120


async def test_a_click_on_a_key_is_like_the_key(server: V2Server) -> None:
    async with watching(server) as screen:
        at = screen.lines()[-1].index("Alerts")
        await screen.pilot.click(offset=(at, 23))
        await screen.shows("no alert fires")
        await screen.press("a")
        await screen.until(screen.names)


async def test_a_lists_the_alerts_with_those_that_are_over(server: V2Server) -> None:
    over = alert_row("stan", state="resolved", text="swap is 3 % used")
    server.alerts = wire(alert_row("kyle", text="cpu is high"), over)  # type: ignore[arg-type]
    async with watching(server) as screen:
        await screen.press("a")
        await screen.shows("cpu is high")
        await screen.shows("swap is 3 % used")
        await screen.shows("1 warning")


async def test_cores_weigh_the_mean_of_cpu(server: V2Server) -> None:
    def machine(name: str, cores: int, cpu: float) -> dict[str, Any]:
        return node(
            name, cpuUsed=cpu, detail={"system": {"cores": {"logical": cores, "physical": None}}}
        )

    server.nodes = [machine("kyle", 8, 100.0), machine("stan", 2, 50.0)]
    server.members = wire(row("kyle"), row("stan"))
    async with watching(server) as screen:
        await screen.until(lambda: "CPU 90.0 % ◆" in screen.lines()[1])
