"""The inputs that are kept: text files, one input a line, escaped as in Python."""

from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"

MAX_CHARACTERS = 90_000
"""Size of the found inputs of one target; the test suite plays them in a second."""


def to_line(data: bytes) -> str:
    """An input as a line of its file."""
    text = data.decode("latin-1").encode("unicode_escape").decode()
    return "\\x23" + text[1:] if text.startswith("#") else text


def from_line(line: str) -> bytes:
    """The input that a line stands for."""
    return line.encode().decode("unicode_escape").encode("latin-1")


def read(path: Path) -> list[bytes]:
    """The inputs in a file, without empty lines and comments."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [from_line(line) for line in lines if line and not line.startswith("#")]


def seeds(target: str) -> list[bytes]:
    """The inputs that people wrote."""
    return read(FOLDER / f"{target}.seeds.txt")


def found(target: str) -> list[bytes]:
    """The inputs that fuzzing found, each of which reaches something that no other does."""
    return read(FOLDER / f"{target}.txt")


def read_all(target: str) -> list[bytes]:
    """All inputs."""
    return seeds(target) + found(target)


def keep(target: str, inputs: Iterable[bytes]) -> int:
    """Write found inputs, the shortest first, up to the maximum size; returns how many."""
    lines = [to_line(data) for data in sorted(set(inputs), key=lambda data: (len(data), data))]
    ends = accumulate(len(line) + 1 for line in lines)
    kept = [line for line, end in zip(lines, ends, strict=True) if end <= MAX_CHARACTERS]
    (FOLDER / f"{target}.txt").write_text("".join(f"{line}\n" for line in kept))
    return len(kept)
