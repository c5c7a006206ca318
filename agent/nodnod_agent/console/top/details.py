"""The screen of one node; it requests the node's details only while it is shown."""

import contextlib
import glob
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input, Static

from nodnod_agent.console.stat_request import StatRequest, answers
from nodnod_agent.console.top.alert_lines import node_alerts
from nodnod_agent.console.top.fitting import Line
from nodnod_agent.console.top.keys import Key, KeyLine
from nodnod_agent.console.top.node_panel import HISTORY, body, head
from nodnod_agent.console.units import plain
from nodnod_client.alerts import AlertInfo
from nodnod_client.client import Client
from nodnod_client.errors import StatFailedError
from nodnod_client.messages import MAX_NAME_LENGTH, Answer, NodeStats
from nodnod_client.sections import SECTIONS

TYPING = 0.3
"""Seconds without a key after which what was typed is asked for: agents limit such questions."""


def pattern_of(text: str) -> str | None:
    """The pattern of processes that a user means: a part of a name, or a pattern; None for all."""
    text = text.strip()
    return text if set(text) & set("*?[") else f"*{text}*" if text else None


class _Body:
    """Is laid out when drawn: only then is the width beside a scroll bar known."""

    def __init__(self, node: NodeStats, now: float) -> None:
        self._node = node
        self._now = now

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield body(self._node, options.max_width, self._now)


class Details(Screen[None]):
    """The details of one node.

    ``since`` returns since when a node has its error, ``tags`` its tags, ``alerts`` its alerts;
    ``paused`` whether to hold the numbers.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace,q", "back", "Back"),
        Binding("slash", "search", "Processes"),
        Binding("j", "move(1)", "Down"),
        Binding("k", "move(-1)", "Up"),
        Binding("space", "app.pause", "Pause"),
        Binding("question_mark", "app.help", "Help"),
    ]

    DEFAULT_CSS = """
    Details #head { height: auto; min-height: 2; padding: 0 1; }
    Details #alerts { width: 1fr; height: auto; padding: 0 1; }
    Details #body { width: 1fr; height: auto; padding: 0 1; }
    Details #search { height: 1; border: none; padding: 0 1; }
    """

    def __init__(
        self,
        name: str,
        client: Client,
        every: float,
        *,
        since: Callable[[str], float | None],
        tags: Callable[[str], Mapping[str, str]],
        alerts: Callable[[str], Sequence[AlertInfo]],
        paused: Callable[[], bool],
        wall: Callable[[], float],
    ) -> None:
        super().__init__()
        self.node_name = name
        self._client = client
        self._every = every
        self._since = since
        self._tags = tags
        self._alerts = alerts
        self._paused = paused
        self._wall = wall
        self._match: str | None = None
        self._typing: Timer | None = None

    def compose(self) -> ComposeResult:
        """Lay out the parts from top to bottom."""
        waiting = Text.assemble((plain(self.node_name), "bold"), "\nwaiting for details")
        yield Static(waiting, id="head")
        yield Static(id="alerts")
        with VerticalScroll():
            yield Static("", id="body")
        yield Line(id="banner")
        yield Input(
            id="search",
            placeholder="processes: part of a name, or a pattern: postgres*",
            max_length=MAX_NAME_LENGTH - 2,
        )
        yield KeyLine(
            Key("esc", "Back", "screen.back", 0),
            Key("/", "Processes", "screen.search", 1),
            Key("space", "Pause", "app.pause", 2),
            Key("?", "Help", "app.help", 0),
        )

    def on_mount(self) -> None:
        """Start the stream of details."""
        self._show_error("")
        self.query_one("#alerts", Static).display = False
        self._leave_input()
        self._follow()

    def action_back(self) -> None:
        """End the search, or else close the screen; this ends the worker, and with it the stream."""
        box = self.query_one(Input)
        if box.display or box.value:
            box.value = ""
            self._leave_input()
        else:
            self.dismiss()

    def action_search(self) -> None:
        """Open the input of the name of processes."""
        box = self.query_one(Input)
        box.display = True
        self.set_focus(box)

    def on_input_changed(self, message: Input.Changed) -> None:
        """Ask for the processes once the user pauses."""
        if self._typing is not None:
            self._typing.stop()
        text = message.value
        self._typing = self.set_timer(TYPING, lambda: self._search(text))

    def on_input_submitted(self) -> None:
        """Keep the search and return the keys to the numbers."""
        self._leave_input()

    def _search(self, text: str) -> None:
        if (match := pattern_of(text)) != self._match:
            self._match = match
            self._follow()

    def _leave_input(self) -> None:
        self.query_one(Input).display = False
        self.set_focus(self.query_one(VerticalScroll))

    def action_move(self, by: int) -> None:
        """Scroll by this many lines."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    @work(exclusive=True)
    async def _follow(self) -> None:
        request = StatRequest(
            nodes=[glob.escape(self.node_name)],  # a name may contain wildcards
            detail=sorted(SECTIONS),
            history=HISTORY,
            match=self._match,
        )
        try:
            async for item in answers(self._client, request, self._every):
                with contextlib.suppress(NoMatches):  # the screen may be partly removed
                    self._take(item)
        except StatFailedError as error:
            self._show_error(str(error))

    def _take(self, item: Answer | Exception) -> None:
        if not isinstance(item, Answer):
            self._show_error(f"CONNECTION LOST  {item} · retrying")
            return
        self._show_error("")
        node = item.nodes.get(self.node_name)
        if node is None:
            self._show_error(f"{item.host} no longer lists this node")
        elif not self._paused():
            now = self._wall()
            text = head(node, self._since(self.node_name), now, self._tags(self.node_name))
            self.query_one("#head", Static).update(text)
            lines = node_alerts(self._alerts(self.node_name), now)
            strip = self.query_one("#alerts", Static)
            strip.display = lines is not None
            strip.update(lines or "")
            self.query_one("#body", Static).update(_Body(node, now))

    def _show_error(self, text: str) -> None:
        shown = Text(f" {plain(text)} ", "bold bright_white on red") if text else None
        self.query_one("#banner", Line).show(shown)
