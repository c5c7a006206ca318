"""Lines of text that fit a width, and are painted again only when they change."""

from collections.abc import Iterable

from rich.text import Text
from textual.widget import Widget


def first_fit(width: int, alternatives: Iterable[Text]) -> Text:
    """Return the first alternative of at most ``width`` columns; if none is, the last one, cut."""
    last = Text()
    for last in alternatives:
        if last.cell_len <= width:
            return last
    last.truncate(max(0, width), overflow="ellipsis")
    return last


class Line(Widget):
    """One line of text. It takes no room while it has none."""

    DEFAULT_CSS = """
    Line { height: 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - as the base calls it
        super().__init__(id=id)
        self._text: Text | None = Text()

    def render(self) -> Text:
        """Return the text."""
        # As a part of a text: Textual takes the style of a whole one for CSS, with its own red.
        return Text.assemble(self._text or "")

    def show(self, text: Text | None) -> None:
        """Show this text instead."""
        if text == self._text:
            return
        self._text = text
        if self.display != (text is not None):
            self.display = text is not None
        self.refresh()
