"""The line at the foot of a screen that names its keys."""

from typing import NamedTuple

from rich.style import Style
from rich.text import Text
from textual import events
from textual.widget import Widget

from nodnod_agent.console.top.fitting import first_fit


class Key(NamedTuple):
    """A key and what it does. Where room is short, those with the highest ``rank`` are left out."""

    key: str
    word: str
    action: str
    rank: int


class KeyLine(Widget):
    """The keys that fit; a click on one is like the key."""

    DEFAULT_CSS = """
    KeyLine { height: 1; dock: bottom; }
    """

    def __init__(self, *keys: Key) -> None:
        super().__init__()
        self._keys = keys
        self.auto_links = False  # a line of links would be underlined all over

    def render(self) -> Text:
        """Return the line."""
        ranks = sorted({key.rank for key in self._keys}, reverse=True)
        return first_fit(self.size.width, (self._line(rank) for rank in ranks))

    def on_resize(self, _: events.Resize) -> None:
        """Choose again."""
        self.refresh()

    def _line(self, highest: int) -> Text:
        parts = [
            Text.assemble(
                (f" {key.key}", "bold"), f" {key.word} ", style=Style(meta={"@click": key.action})
            )
            for key in self._keys
            if key.rank <= highest
        ]
        return Text(" ").join(parts)
