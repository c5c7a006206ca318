"""The screen of one node: asks for its details for as long as it is shown, and no longer."""

import contextlib
import glob
from collections.abc import Callable
from typing import ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.widgets import Footer, Static

from nodnod_agent.console.stat_request import StatRequest, answers
from nodnod_agent.console.top.node_panel import HISTORY, body, head
from nodnod_agent.console.units import plain
from nodnod_client.client import Client
from nodnod_client.errors import StatFailedError
from nodnod_client.messages import SECTIONS, Answer, NodeStats


class _Body:
    """Laid out when it is drawn: only then it is known how much room a scroll bar leaves."""

    def __init__(self, node: NodeStats, now: float) -> None:
        self._node = node
        self._now = now

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield body(self._node, options.max_width, self._now)


class Details(Screen[None]):
    """``since`` tells since when the node has its error; ``held`` whether to show nothing new."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace,q", "back", "Back", key_display="esc"),
        Binding("j", "move(1)", "Down", show=False),
        Binding("k", "move(-1)", "Up", show=False),
        Binding("space", "app.pause", "Pause"),
        Binding("question_mark", "app.help", "Help", key_display="?"),
    ]

    DEFAULT_CSS = """
    Details #head { height: 2; padding: 0 1; background: $surface; }
    Details #body { width: 1fr; height: auto; padding: 0 1; }
    Details #banner { height: 1; }
    """

    def __init__(
        self,
        name: str,
        client: Client,
        every: float,
        *,
        since: Callable[[str], float | None],
        held: Callable[[], bool],
        wall: Callable[[], float],
    ) -> None:
        super().__init__()
        self.node_name = name
        self.node: NodeStats | None = None
        """The newest that was heard of it."""
        self._client = client
        self._every = every
        self._since = since
        self._held = held
        self._wall = wall

    def compose(self) -> ComposeResult:
        """See Screen."""
        yield Static(id="head")
        with VerticalScroll():
            yield Static("", id="body")
        yield Static(id="banner")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to ask."""
        self.query_one("#banner", Static).display = False
        waiting = Text.assemble((plain(self.node_name), "bold"), "\nwaiting for its details")
        self.query_one("#head", Static).update(waiting)
        self._follow()

    def action_back(self) -> None:
        """Leave; this ends the worker, and with it the stream."""
        self.dismiss()

    def action_move(self, by: int) -> None:
        """Scroll by so many lines."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    @work(exclusive=True)
    async def _follow(self) -> None:
        question = StatRequest(
            # The name is to be taken to the letter, and its letters may be wildcards.
            nodes=[glob.escape(self.node_name)],
            detail=sorted(SECTIONS),
            history=HISTORY,
        )
        try:
            async for what in answers(self._client, question, self._every):
                with contextlib.suppress(NoMatches):  # the screen may be half taken apart
                    self._take(what)
        except StatFailedError as error:
            self._say(str(error))

    def _take(self, what: Answer | Exception) -> None:
        if not isinstance(what, Answer):
            self._say(f"CONNECTION LOST  {what} · trying again")
            return
        self._say("")
        node = what.nodes.get(self.node_name)
        if node is None:
            self._say(f"{what.host} does not list this node any more")
        elif not self._held():
            self.node = node
            self._draw()

    def _draw(self) -> None:
        if self.node is None:
            return
        now = self._wall()
        self.query_one("#head", Static).update(head(self.node, self._since(self.node_name), now))
        self.query_one("#body", Static).update(_Body(self.node, now))

    def _say(self, what: str) -> None:
        banner = self.query_one("#banner", Static)
        banner.display = bool(what)
        banner.update(Text(f" {plain(what)} ", "bold bright_white on red"))
