"""Single values in files of /sys. One that cannot be read is unknown: drivers fail one by one."""

import os


def read_word(path: str) -> str:
    """The text of a file, as os.fsdecode has it; empty if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return os.fsdecode(file.read(4096).strip(b" \t\n\0"))
    except OSError:
        return ""


def read_number(path: str) -> int | None:
    """The whole number in a file; None if it cannot be read or holds something else."""
    try:
        return int(read_word(path))
    except ValueError:
        return None
