"""The screens of events and of alerts; they ask only while they are shown."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from nodnod_agent.console.alerts import alerts_view
from nodnod_agent.console.events import event_line
from nodnod_agent.console.top.fitting import Line, first_fit
from nodnod_agent.console.top.keys import Key, KeyLine
from nodnod_agent.console.units import plain
from nodnod_client.client import Client
from nodnod_client.errors import NodNodError

LOOK_EVERY = 2.0
"""Seconds between two requests."""

EVENTS_SHOWN = 200


class Listing(Screen[None]):
    """A title and lines that scroll, which are asked for again and again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace,q", "dismiss", "Back"),
        Binding("j", "move(1)", "Down"),
        Binding("k", "move(-1)", "Up"),
        Binding("question_mark", "app.help", "Help"),
    ]

    DEFAULT_CSS = """
    Listing Line { padding: 0 1; }
    Listing VerticalScroll Static { width: 1fr; height: auto; padding: 0 1; }
    """

    def __init__(self, client: Client) -> None:
        super().__init__()
        self.client = client

    @abstractmethod
    async def fetch(self) -> tuple[str, RenderableType]:
        """Return the title and the lines. Raises NodNodError."""

    def compose(self) -> ComposeResult:
        """Lay out the parts from top to bottom."""
        yield Line()
        with VerticalScroll():
            yield Static()
        yield KeyLine(Key("esc", "Back", "screen.dismiss", 0), Key("?", "Help", "app.help", 0))

    def on_mount(self) -> None:
        """Begin to look."""
        self._look()
        self.set_interval(LOOK_EVERY, self._look)

    def action_move(self, by: int) -> None:
        """Scroll by this many lines."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        head = self.query_one(Line)
        try:
            title, lines = await self.fetch()
        except NodNodError as error:  # what was last heard stays
            fault = Text(f"! {plain(str(error))}", "bold red")
            head.show(first_fit(self.size.width - 2, (fault,)))
            return
        head.show(first_fit(self.size.width - 2, (Text(title, "bold"),)))
        self.query_one(VerticalScroll).query_one(Static).update(lines)


class EventScreen(Listing):
    """Shows what has happened in the cluster, newest first."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("e", "dismiss", "Back")]

    async def fetch(self) -> tuple[str, RenderableType]:
        """Return the newest events."""
        found = await self.client.events()
        lines = [event_line(event) for event in reversed(found.events[-EVENTS_SHOWN:])]
        text = Text("\n").join(lines) if lines else Text("nothing has happened yet", "dim")
        return f"Events, newest first · {plain(found.host)}", text


class AlertScreen(Listing):
    """Shows the alerts: what fires, the worst first, then what was over lately."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("a", "dismiss", "Back")]

    def __init__(self, client: Client, nodes: Sequence[str] | None) -> None:
        super().__init__(client)
        self._patterns = None if nodes is None else list(nodes)

    async def fetch(self) -> tuple[str, RenderableType]:
        """Return the alerts as ``nodnod alerts`` shows them."""
        found = await self.client.alerts(nodes=self._patterns)
        return "Alerts", alerts_view(found, width=self.size.width)
