"""``nodnod top`` on a simulated terminal, and the text on its screen."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from textual.pilot import Pilot

from doubles.v2_server import V2Server
from eventually import eventually
from nodnod_agent.console.stat_request import StatRequest
from nodnod_agent.console.top.app import Viewer
from nodnod_agent.console.top.member_client import MemberClient


class Terminal:
    """``app`` runs on it; ``pilot`` presses keys and clicks."""

    def __init__(self, app: Viewer, pilot: Pilot[Any]) -> None:
        self.app = app
        self.pilot = pilot
        self.press = pilot.press

    def lines(self) -> list[str]:
        """Return the lines of the screen, without trailing blanks."""
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip).rstrip() for strip in strips]

    def text(self) -> str:
        return "\n".join(self.lines())

    def row(self, name: str) -> str:
        """Return the line of this node in the table; empty if there is none."""
        return next((line for line in self.lines() if line.startswith(f"{name} ")), "")

    def names(self) -> list[str]:
        """Return the names of the visible nodes in the table, from top to bottom."""
        lines = self.lines()
        first = next((place for place, line in enumerate(lines) if line.startswith("Node")), -1)
        rows = lines[first + 1 : -1] if first >= 0 else []
        return [row.split()[0] for row in rows if row and not row.startswith(" ")]

    async def shows(self, words: str) -> None:
        """Wait until these words are on the screen."""
        await self.until(lambda: words in self.text())

    async def until(self, condition: Callable[[], object]) -> None:
        await eventually(condition, why=self.text)


@asynccontextmanager
async def terminal(
    address: str,
    *,
    size: tuple[int, int] = (80, 24),
    request: StatRequest | None = None,
    every: float = 1.0,
    credentials: Mapping[str, Any] | None = None,
    **clocks: Callable[[], float],
) -> AsyncIterator[Terminal]:
    """Watch the agent at ``address``, with more patience than any load of the machine needs."""
    async with MemberClient(address, timeout=60.0, **(credentials or {})) as client:
        app = Viewer(client, request or StatRequest(), every, **clocks)
        async with app.run_test(size=size, notifications=True) as pilot:
            yield Terminal(app, pilot)


@asynccontextmanager
async def watching(server: V2Server, **options: Any) -> AsyncIterator[Terminal]:
    """Watch ``server`` on a terminal that already shows the first answer.

    The clock stands still, so that no answer gets old while the machine is busy.
    """
    async with terminal(server.address, **{"clock": lambda: 100.0} | options) as screen:
        await server.streaming_count(1)
        await server.tick()
        await screen.until(screen.names)
        yield screen
