"""The digest of a set of entries that several agents hold, and which entries changed last."""

from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

_RANGE = 1 << 64

HASH_SIZE = 6
"""Bytes of a packed hash: those of a full table of alerts fit into a request."""

_PACKED_RANGE = 1 << (8 * HASH_SIZE)

Name = TypeVar("Name")


class SetDigest(Generic[Name]):
    """The sum of the hashes of all entries: equal for equal sets, in whatever order they were built.

    The latest changes are remembered, each with the digest before it. An agent whose set has that
    digest lacks just what has changed since.
    """

    def __init__(self, remembered: int) -> None:
        self._sum = 0
        self._recent: deque[tuple[str, Name]] = deque(maxlen=remembered)

    def __str__(self) -> str:
        """16 hexadecimal digits."""
        return f"{self._sum:016x}"

    def changing(self, name: Name) -> None:
        """Note that the entry of this name is about to change."""
        self._recent.append((str(self), name))

    def add(self, difference: int) -> None:
        """Count the hash of an entry that is new, less that of one that is gone."""
        self._sum = (self._sum + difference) % _RANGE

    def since(self, digest: str) -> list[Name] | None:
        """The names of what has changed since the digest was this one, else ``None``."""
        digests = [before for before, _ in self._recent]
        if digest not in digests:
            return None
        return list(dict.fromkeys(name for _, name in list(self._recent)[digests.index(digest) :]))

    def forget_changes(self) -> None:
        """Note that something was dropped: no older set lacks just the changes."""
        self._recent.clear()


def packed(value: int) -> int:
    """What is packed of a hash."""
    return value % _PACKED_RANGE


def pack_hashes(hashes: Iterable[int]) -> str:
    """The lowest 48 bits of each, in base64."""
    return b64encode(b"".join(packed(one).to_bytes(HASH_SIZE) for one in hashes)).decode()


def unpack_hashes(text: str) -> set[int]:
    """The hashes that ``pack_hashes`` has packed. Raises ValueError for other text."""
    data = b64decode(text, validate=True)
    return {int.from_bytes(data[at : at + HASH_SIZE]) for at in range(0, len(data), HASH_SIZE)}
