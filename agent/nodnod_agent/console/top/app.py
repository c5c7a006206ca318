"""The application: it receives answers and shows them on the current screen."""

import contextlib
import time
from collections.abc import Callable
from typing import ClassVar

from textual import work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen

from nodnod_agent.console.cores import SECTION
from nodnod_agent.console.stat_request import StatRequest, answers
from nodnod_agent.console.top.details import Details
from nodnod_agent.console.top.header import ConnectionState
from nodnod_agent.console.top.help import Help
from nodnod_agent.console.top.history import SLOTS, slot_length
from nodnod_agent.console.top.listings import AlertScreen, EventScreen
from nodnod_agent.console.top.member_client import MemberClient
from nodnod_agent.console.top.node_table import NodeTable
from nodnod_agent.console.top.overview import Overview
from nodnod_agent.console.top.view_model import Row, ViewModel
from nodnod_agent.console.units import local_time
from nodnod_client.errors import NodNodError, StatFailedError
from nodnod_client.messages import Answer

MAX_HISTORY = 3600.0
"""Seconds of history: agents of older versions keep no more."""

LOOK_EVERY = 2.0
"""Seconds between two questions for alerts and traffic."""

FACTS_EVERY = 10.0
"""Seconds between two questions for what changes seldom: members, their tags, cores."""

REDRAW_AFTER = 1.5
"""Seconds without an answer after which ages are drawn anew."""

NEWEST = 2.0
"""Seconds of history whose newest point is the traffic of now."""

NOTICE = 60.0
"""Seconds for which it is told that the connection was lost."""


class Viewer(App[NodNodError]):
    """Returns the error with which the agent refuses the request, or None.

    ``client`` is connected and used by nothing else. ``clock`` is monotonic; ``wall`` returns Unix
    time in seconds.

    All colors are the terminal's own, so that it is as light or dark as the terminal is.
    """

    TITLE = "nodnod"
    ENABLE_COMMAND_PALETTE = False

    CSS = """
    * {
        scrollbar-size-vertical: 1;
        scrollbar-background: ansi_default;
        scrollbar-background-hover: ansi_default;
        scrollbar-background-active: ansi_default;
        scrollbar-color: ansi_blue;
        scrollbar-color-hover: ansi_bright_blue;
        scrollbar-color-active: ansi_bright_blue;
    }
    """

    # Textual's default for Ctrl-C only advises another key.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True)
    ]

    def __init__(
        self,
        client: MemberClient,
        request: StatRequest,
        every: float = 1.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(ansi_color=True)
        self.paused = False
        self.overview = Overview()
        self.model = ViewModel(every)
        self._client = client
        self._request = request
        self._every = every
        self._clock = clock
        self._wall = wall
        self._error = ""
        """Why there is no new answer."""
        self._notice, self._noticed = "", 0.0
        """What has happened to the connection, and when by ``clock``."""
        self._knows_alerts = False
        """Whether the agent may know alerts: older ones refuse the question."""
        self._frozen: tuple[list[Row], float] = ([], 0.0)
        """The rows shown while paused, and when they came."""

    def get_default_screen(self) -> Screen[None]:
        """Return the screen of all nodes."""
        return self.overview

    def on_mount(self) -> None:
        """Start the stream of answers."""
        self._redraw = self.set_interval(REDRAW_AFTER, self.draw)
        self.draw()
        self.set_interval(FACTS_EVERY, self._fetch_facts)
        self.set_interval(LOOK_EVERY, self._look)
        self._follow()

    def draw(self) -> None:
        """Show the current state."""
        self._redraw.reset()
        rows, now = self._frozen if self.paused else (self.model.rows, self.model.now)
        state = ConnectionState(
            wall=self._wall(),
            host=self.model.host,
            url=self._client.url,
            every=self._every,
            age=self._clock() - now if rows else None,
            error=self._error,
            notice=self._notice if self._clock() < self._noticed + NOTICE else "",
            paused=self.paused,
        )
        self.overview.show(rows, now, state, self.model.alerts, self.model.cores)

    def action_pause(self) -> None:
        """Pause or resume."""
        self._frozen = (self.model.snapshot(), self.model.now)
        self.paused = not self.paused
        self.draw()

    def action_events(self) -> None:
        """Show what has happened in the cluster."""
        self.push_screen(EventScreen(self._client))

    def action_alerts(self) -> None:
        """Show the alerts."""
        self.push_screen(AlertScreen(self._client, self._request.nodes))

    def action_help(self) -> None:
        """Explain the keys."""
        self.push_screen(Help())

    def on_node_table_opened(self, message: NodeTable.Opened) -> None:
        """Show all details of one node."""
        self.push_screen(
            Details(
                message.name,
                self._client,
                self._every,
                since=lambda name: self.model.since.get(name),
                tags=lambda name: self.model.tags.get(name, {}),
                alerts=lambda name: [one for one in self.model.alerts if one.node == name],
                paused=lambda: self.paused,
                wall=self._wall,
            )
        )

    @work(exclusive=True, group="follow")
    async def _follow(self) -> None:
        gap = True  # the next answer follows a time without any
        try:
            async for item in answers(self._client, self._request, self._every):
                if isinstance(item, Answer):
                    self._take(item)
                    if gap:
                        self._knows_alerts = True
                        self._fetch_history()
                        self._fetch_facts()
                        self._look()
                    gap = False
                else:
                    self._error, gap = str(item), True
                self.draw()
        except NodNodError as error:
            self.exit(error)

    def _take(self, answer: Answer) -> None:
        if self._error:
            self._notice = f"lost {self.model.host} at {local_time(self._wall())[11:]}, "
            moved = answer.host != self.model.host
            self._notice += f"going on with {answer.host}" if moved else "connected again"
            self._noticed = self._clock()
        self._error = ""
        if self.model.update(answer, self._clock(), self._wall()):
            self._fetch_facts()

    @work(exclusive=True, group="history")
    async def _fetch_history(self) -> None:
        """Fill the sparklines; version 1 has no history."""
        seconds = min(MAX_HISTORY, SLOTS * slot_length(self._every))
        request = StatRequest(nodes=self._request.nodes, history=seconds)
        with contextlib.suppress(NodNodError):
            self.model.backfill(await request.ask(self._client), self._clock())
            self.draw()

    def _look(self) -> None:
        if not self.paused:
            self._fetch_traffic()
            if self._knows_alerts:
                self._fetch_alerts()

    @work(exclusive=True, group="traffic")
    async def _fetch_traffic(self) -> None:
        """Take the newest points of the histories; version 1 has none."""
        request = StatRequest(nodes=self._request.nodes, history=NEWEST)
        with contextlib.suppress(NodNodError):
            self.model.update_traffic(await request.ask(self._client))

    @work(exclusive=True, group="alerts")
    async def _fetch_alerts(self) -> None:
        try:
            self.model.alerts = (await self._client.alerts(nodes=self._request.nodes)).alerts
        except StatFailedError:
            self._knows_alerts, self.model.alerts = False, []
        except NodNodError:  # the last ones stay, like the numbers
            return

    @work(exclusive=True, group="facts")
    async def _fetch_facts(self) -> None:
        """Ask for tags, for cores, and since when nodes are down: it may be longer than this runs.

        Members are also where to go on when the agent is lost.
        """
        request = StatRequest(nodes=self._request.nodes, detail=[SECTION])
        with contextlib.suppress(NodNodError):
            members = await self._client.members()
            self._client.learn(members)
            self.model.update_members(members.members)
            self.model.update_cores(await request.ask(self._client))
            self.draw()
