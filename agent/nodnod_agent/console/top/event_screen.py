"""The screen of events; it asks for them only while it is shown."""

from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Static

from nodnod_agent.console.events import event_line
from nodnod_agent.console.units import plain
from nodnod_client.client import Client
from nodnod_client.errors import NodNodError

LOOK_EVERY = 2.0
"""Seconds between two requests."""

SHOWN = 200


class EventScreen(Screen[None]):
    """Shows what has happened in the cluster, newest first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace,q,e", "dismiss", "Back", key_display="esc"),
        Binding("question_mark", "app.help", "Help", key_display="?"),
    ]

    DEFAULT_CSS = """
    EventScreen #head { height: 1; padding: 0 1; background: $surface; }
    EventScreen #events { width: 1fr; height: auto; padding: 0 1; }
    """

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    def compose(self) -> ComposeResult:
        """Lay out the parts from top to bottom."""
        yield Static("Events", id="head")
        with VerticalScroll():
            yield Static("", id="events")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look."""
        self._look()
        self.set_interval(LOOK_EVERY, self._look)

    @work(exclusive=True, group="events")
    async def _look(self) -> None:
        head = self.query_one("#head", Static)
        try:
            found = await self._client.events()
        except NodNodError as error:  # the last events stay
            head.update(Text(f"! {plain(str(error))}", "bold red"))
            return
        head.update(Text(f"Events, newest first, as known to {plain(found.host)}", "bold"))
        lines = [event_line(event) for event in reversed(found.events[-SHOWN:])]
        text = Text("\n").join(lines) if lines else Text("nothing has happened yet", "dim")
        self.query_one("#events", Static).update(text)
