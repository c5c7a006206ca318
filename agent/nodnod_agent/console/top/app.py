"""The application: what comes from the agent goes in, and is shown on whatever screen is open."""

import contextlib
import time
from collections.abc import Callable
from typing import ClassVar

from textual import work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen

from nodnod_agent.console.stat_request import StatRequest, answers
from nodnod_agent.console.top.details import Details
from nodnod_agent.console.top.header import ConnectionState
from nodnod_agent.console.top.help import Help
from nodnod_agent.console.top.history import SLOTS, slot_of
from nodnod_agent.console.top.node_table import NodeTable
from nodnod_agent.console.top.overview import Overview
from nodnod_agent.console.top.view_model import Row, ViewModel
from nodnod_client.client import Client
from nodnod_client.errors import NodNodError
from nodnod_client.messages import Answer

LONGEST_HISTORY = 3600.0
"""Seconds that agents remember."""


class Viewer(App[NodNodError]):
    """Ends with what the agent refuses with, or with nothing.

    ``client`` is connected, and nobody else's. ``clock`` goes only forward; ``wall`` tells Unix
    seconds.
    """

    TITLE = "nodnod"
    ENABLE_COMMAND_PALETTE = False

    # Textual asks for another key; whoever presses this one in a terminal knows what it does.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True)
    ]

    def __init__(
        self,
        client: Client,
        question: StatRequest,
        every: float = 1.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.paused = False
        self.trouble = ""
        """What keeps the next answer from coming."""
        self.overview = Overview()
        self._client = client
        self._question = question
        self._every = every
        self._clock = clock
        self._wall = wall
        self.scene = ViewModel(every)
        self._held: tuple[list[Row], float] = ([], 0.0)
        """What is shown while paused, and when it was told."""

    def get_default_screen(self) -> Screen[None]:
        """See App."""
        return self.overview

    def on_mount(self) -> None:
        """Begin to listen."""
        self.draw()
        self.set_interval(1.0, self.draw)  # ages grow without news, too
        self._follow()

    def draw(self) -> None:
        """Show what there is to show."""
        rows, now = self._held if self.paused else (self.scene.rows, self.scene.now)
        state = ConnectionState(
            wall=self._wall(),
            host=self.scene.host,
            url=self._client.url,
            every=self._every,
            age=self._clock() - now if rows else None,
            trouble=self.trouble,
            paused=self.paused,
        )
        self.overview.show(rows, now, state)

    def action_pause(self) -> None:
        """Hold what is shown, or go on."""
        self._held = (self.scene.still(), self.scene.now)
        self.paused = not self.paused
        self.draw()

    def action_help(self) -> None:
        """Show what the keys do."""
        self.push_screen(Help())

    def on_node_table_opened(self, message: NodeTable.Opened) -> None:
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

    @work(exclusive=True, group="follow")
    async def _follow(self) -> None:
        strange = True  # what comes next comes after a time of which nothing was heard
        try:
            async for what in answers(self._client, self._question, self._every):
                if not isinstance(what, Answer):
                    self.trouble, strange = str(what), True
                else:
                    self._take(what)
                    if strange:
                        self._ask_history()
                    strange = False
                self.draw()
        except NodNodError as error:
            self.exit(error)

    def _take(self, answer: Answer) -> None:
        if self.trouble:
            self.notify("Connected again.", timeout=4)
        self.trouble = ""
        if self.scene.take(answer, self._clock(), self._wall()):
            self._ask_since()

    @work(exclusive=True, group="history")
    async def _ask_history(self) -> None:
        """Fill the sparklines; an agent of version 1 remembers nothing."""
        seconds = min(LONGEST_HISTORY, SLOTS * slot_of(self._every))
        question = StatRequest(nodes=self._question.nodes, history=seconds)
        with contextlib.suppress(NodNodError):
            self.scene.recall(await question.ask(self._client), self._clock())
            self.draw()

    @work(exclusive=True, group="since")
    async def _ask_since(self) -> None:
        """Learn since when nodes are down, which may be longer than we look."""
        with contextlib.suppress(NodNodError):
            members = (await self._client.members()).members
            self.scene.tell_since(
                {row.name: row.since for row in members if row.state == "down" and row.since}
            )
            self.draw()

    def _since(self, name: str) -> float | None:
        return next((row.since for row in self.scene.rows if row.node.name == name), None)
