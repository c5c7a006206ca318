"""ASCII forms of our characters, for output whose encoding lacks them."""

import codecs

from rich.cells import get_character_cell_size

REPLACE = "nodnod-ascii"
"""The name of the error handler; it is known after ``register``."""

_FORMS = {
    **dict(zip("━─│·✗●◆▲▼↑↓µ×–—", "#-|-x**^v^vux--", strict=True)),  # noqa: RUF001
    **dict(zip("▁▂▃▄▅▆▇█", "_.:-=+*#", strict=True)),
    "…": "...",
    "°": "",
    "→": "->",
    "←": "<-",
    "≥": ">=",
    "≤": "<=",
}


def ellipsis(ascii_only: bool) -> str:
    """Return what stands for text that is left out."""
    return _FORMS["…"] if ascii_only else "…"


def register() -> None:
    """Make the error handler known to all encodings."""
    codecs.register_error(REPLACE, _replace)


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Write the forms of our characters; of others, question marks of the same width."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    forms = (_FORMS.get(one, "?" * get_character_cell_size(one)) for one in lost)
    return "".join(forms), error.end
