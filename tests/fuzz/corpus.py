"""The inputs that are kept: text files, an input a line, what does not print written as in Python."""

from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"

ROOM = 90_000
"""Characters that are kept of what is found for one target; the suite plays them in a second."""


def shown(data: bytes) -> str:
    """An input as a line of its file."""
    text = data.decode("latin-1").encode("unicode_escape").decode()
    return "\\x23" + text[1:] if text.startswith("#") else text


def unshown(line: str) -> bytes:
    """The input that a line shows."""
    return line.encode().decode("unicode_escape").encode("latin-1")


def read(path: Path) -> list[bytes]:
    """The inputs in a file; empty lines, and what follows a ``#``, are for people."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [unshown(line) for line in lines if line and not line.startswith("#")]


def seeds(target: str) -> list[bytes]:
    """The inputs that somebody wrote."""
    return read(FOLDER / f"{target}.seeds.txt")


def found(target: str) -> list[bytes]:
    """The inputs that fuzzing has found, and that do what no other does."""
    return read(FOLDER / f"{target}.txt")


def read_all(target: str) -> list[bytes]:
    """All of them."""
    return seeds(target) + found(target)


def keep(target: str, inputs: Iterable[bytes]) -> int:
    """Write what was found, the shortest first, as much as there is room for; how many those are."""
    lines = [shown(data) for data in sorted(set(inputs), key=lambda data: (len(data), data))]
    ends = accumulate(len(line) + 1 for line in lines)
    kept = [line for line, end in zip(lines, ends, strict=True) if end <= ROOM]
    (FOLDER / f"{target}.txt").write_text("".join(f"{line}\n" for line in kept))
    return len(kept)
