"""Lines of text that fit a width, and are painted again only when they change."""

from collections.abc import Iterable

from rich.text import Text
from textual.widgets import Static


def first_fit(width: int, alternatives: Iterable[Text]) -> Text:
    """Return the first alternative of at most ``width`` columns; if none is, the last one, cut."""
    last = Text()
    for last in alternatives:
        if last.cell_len <= width:
            return last
    last.truncate(max(0, width), overflow="ellipsis")
    return last


class Line(Static):
    """One line of text. It takes no room while it has none."""

    DEFAULT_CSS = """
    Line { height: 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - as the base calls it
        super().__init__(id=id)
        self._shown: Text | None = Text()

    def show(self, text: Text | None) -> None:
        """Show this text instead."""
        if text == self._shown:
            return
        self._shown = text
        if self.display != (text is not None):
            self.display = text is not None
        self.update(text or "", layout=False)
