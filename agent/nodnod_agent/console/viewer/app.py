"""The screen of all nodes: what comes from the agent goes in, keys choose what is shown of it."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from typing import ClassVar

from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer, Input, Static

from nodnod.client import Client
from nodnod.errors import NodNodError
from nodnod.messages import Answer
from nodnod_agent.console.asking import Question, answers
from nodnod_agent.console.viewer.board import Board
from nodnod_agent.console.viewer.details import Details
from nodnod_agent.console.viewer.help import Help
from nodnod_agent.console.viewer.past import SLOTS, slot_of
from nodnod_agent.console.viewer.scene import ORDERS, Row, Scene, arranged, totals
from nodnod_agent.console.viewer.words import State, banner, heading, sums

__all__ = ["Viewer"]

LONGEST_HISTORY = 3600.0
"""Seconds that agents remember."""


class Viewer(App[NodNodError]):
    """Ends with what the agent refuses with, or with nothing.

    ``client`` is connected, and used by nobody else. ``clock`` goes only forward; ``wall`` tells
    Unix seconds.
    """

    TITLE = "nodnod"
    ENABLE_COMMAND_PALETTE = False

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("s", "next_order", "Sort"),
        Binding("r", "turn", "Reverse"),
        Binding("space", "pause", "Pause"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
        Binding("escape", "unfilter", "Show all", show=False),
        Binding("n", "order('name')", "By name", show=False),
        Binding("c", "order('cpu')", "By CPU", show=False),
        Binding("m", "order('memory')", "By memory", show=False),
        Binding("d", "order('disk')", "By disk", show=False),
    ]

    CSS = """
    #heading, #sums, #banner { height: 1; padding: 0 1; }
    #heading, #sums { background: $surface; }
    #banner { padding: 0; }
    #filter { height: 1; border: none; padding: 0 1; }
    """

    def __init__(
        self,
        client: Client,
        question: Question,
        every: float = 1.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.paused = False
        self.trouble = ""
        """What keeps the next answer from coming."""
        self._client = client
        self._question = question
        self._every = every
        self._clock = clock
        self._wall = wall
        self._scene = Scene(every)
        self._held: tuple[list[Row], float] = ([], 0.0)
        """What is shown while paused, and when it was told."""
        self._order, self._turned, self._pattern = "name", False, ""

    def compose(self) -> ComposeResult:
        """See App."""
        yield Static(id="heading")
        yield Static(id="sums")
        yield Board(id="board")
        yield Static(id="banner")
        yield Input(id="filter", placeholder="part of a name, or a pattern: db-*")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to listen."""
        self.query_one(Input).display = False
        self.query_one(Board).focus()
        self._mind_signals()
        self.set_interval(1.0, self.draw)  # ages grow without news, too
        self.draw()
        self._follow()

    @work(exclusive=True, group="follow")
    async def _follow(self) -> None:
        strange = True
        try:
            async for what in answers(self._client, self._question, self._every):
                if not isinstance(what, Answer):
                    self.trouble, strange = str(what), True
                else:
                    if self.trouble:
                        self.notify("Connected again.", timeout=4)
                    self.trouble = ""
                    self._take(what, strange)
                    strange = False
                self.draw()
        except NodNodError as error:
            self.exit(error)

    def _take(self, answer: Answer, strange: bool) -> None:
        """Take in an answer; a ``strange`` one comes after a time of which nothing was heard."""
        if self._scene.take(answer, self._clock(), self._wall()):
            self._ask_since()
        if strange:
            self._ask_history()

    @work(exclusive=True, group="history")
    async def _ask_history(self) -> None:
        """Fill the sparklines; an agent of version 1 remembers nothing."""
        seconds = min(LONGEST_HISTORY, SLOTS * slot_of(self._every))
        question = Question(nodes=self._question.nodes, history=seconds)
        with contextlib.suppress(NodNodError):
            self._scene.recall(await question.ask(self._client), self._clock())
            self.draw()

    @work(exclusive=True, group="since")
    async def _ask_since(self) -> None:
        """Learn since when nodes are down, which may be longer than we look."""
        with contextlib.suppress(NodNodError):
            members = (await self._client.members()).members
            self._scene.tell_since(
                {row.name: row.since for row in members if row.state == "down" and row.since}
            )
            self.draw()

    def draw(self) -> None:
        """Show what there is to show."""
        rows, now = self._held if self.paused else (self._scene.rows, self._scene.now)
        shown = arranged(rows, self._order, turned=self._turned, pattern=self._pattern)
        wall = self._wall()
        state = State(
            host=self._scene.host,
            url=self._client.url,
            every=self._every,
            age=self._clock() - now if rows else None,
            trouble=self.trouble,
            paused=self.paused,
            pattern=self._pattern,
            shown=len(shown),
        )
        screen = self.screen_stack[0]
        total = totals(rows)
        screen.query_one("#heading", Static).update(heading(state, total, wall))
        screen.query_one("#sums", Static).update(sums(total))
        line = banner(state)
        strip = screen.query_one("#banner", Static)
        strip.display = line is not None
        strip.update(line or "")
        board = screen.query_one(Board)
        board.old = state.old
        board.show(shown, self._order, turned=self._turned, now=now, wall=wall)

    # What keys and the mouse do.

    def on_board_opened(self, message: Board.Opened) -> None:
        """Show all of one node."""
        self.push_screen(
            Details(
                message.name,
                self._client,
                self._every,
                since=self._since,
                held=lambda: self.paused,
                wall=self._wall,
            )
        )

    def on_board_title_clicked(self, message: Board.TitleClicked) -> None:
        """Sort by that column."""
        self.action_order(message.key)

    def on_input_changed(self, message: Input.Changed) -> None:
        """Filter while somebody types."""
        self._pattern = message.value.strip()
        self.draw()

    def on_input_submitted(self) -> None:
        """Keep the filter, and let the keys go to the table again."""
        self._leave_input()

    def action_filter(self) -> None:
        """Ask what to show."""
        box = self.query_one(Input)
        box.display = True
        box.focus()

    def action_unfilter(self) -> None:
        """Show all again."""
        self.query_one(Input).value = ""
        self._leave_input()

    def action_order(self, order: str) -> None:
        """Sort by this; where it is so already, the other way round."""
        self._turned = order == self._order and not self._turned
        self._order = order
        self.draw()

    def action_next_order(self) -> None:
        """Sort by the next column."""
        orders = list(ORDERS)
        self.action_order(orders[(orders.index(self._order) + 1) % len(orders)])

    def action_turn(self) -> None:
        """Sort the other way round."""
        self.action_order(self._order)

    def action_pause(self) -> None:
        """Hold what is shown, or go on."""
        self._held = (self._scene.still(), self._scene.now)
        self.paused = not self.paused
        self.draw()

    def action_help(self) -> None:
        """Show what the keys do."""
        self.push_screen(Help())

    def _since(self, name: str) -> float | None:
        return next((row.since for row in self._scene.rows if row.node.name == name), None)

    def _leave_input(self) -> None:
        self.query_one(Input).display = False
        self.query_one(Board).focus()

    def _mind_signals(self) -> None:
        """Leave the terminal as it was, whoever ends us."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            # Only the main thread may mind signals.
            with contextlib.suppress(RuntimeError, ValueError):
                loop.add_signal_handler(number, self.exit)
