"""Long names shortened in the middle, so that those with a common beginning stay distinct."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len, get_character_cell_size


def shorten(texts: Sequence[str], width: int, ellipsis: str = "…") -> list[str]:
    """Return the texts in at most ``width`` cells of a terminal each.

    Where the middle is all that differs, another part is left out; texts that no cut can tell
    apart end up the same.
    """
    forms: dict[str, list[str]] = {}
    for text in dict.fromkeys(texts):
        short = text if cell_len(text) <= width else next(_cuts(text, width, 0, ellipsis))
        forms.setdefault(short, []).append(text)
    result = {}
    for short, same in forms.items():
        if len(same) == 1:
            result[same[0]] = short
            continue
        common = _common(same)
        ways = zip(*(_cuts(text, width, common, ellipsis) for text in same), strict=True)
        best = max(ways, key=lambda way: len(set(way)))  # the first of the best
        result.update(zip(same, best, strict=True))
    return [result[text] for text in texts]


def _cuts(text: str, width: int, common: int, ellipsis: str) -> Iterator[str]:
    """Yield the ways to shorten a text: in the middle, elsewhere, around the place ``common``."""
    room = width - len(ellipsis)
    if room < 2:
        yield _first(text, width)
        return
    for tail in sorted(range(room + 1), key=lambda tail: (abs(tail - room // 2), tail)):
        yield f"{_first(text, room - tail)}{ellipsis}{_last(text, tail)}"
    room -= len(ellipsis)
    head = max(0, room // 3)
    yield f"{_first(text, head)}{ellipsis}{_first(text[common:], room - head)}{ellipsis}"


def _common(texts: Sequence[str]) -> int:
    """Return the number of characters with which all texts begin."""
    lowest, highest = min(texts), max(texts)
    pairs = enumerate(zip(lowest, highest, strict=False))
    return next((place for place, (a, b) in pairs if a != b), len(lowest))


def _first(text: str, cells: int) -> str:
    for place, character in enumerate(text):
        cells -= get_character_cell_size(character)
        if cells < 0:
            return text[:place]
    return text


def _last(text: str, cells: int) -> str:
    return _first(text[::-1], cells)[::-1]
