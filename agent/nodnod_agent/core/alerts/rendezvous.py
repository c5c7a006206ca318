"""Rendezvous hashing: the order in which agents take on a task, the same at all that know them."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from math import inf


def rendezvous(task: str, addresses: Iterable[str]) -> list[str]:
    """These addresses in the order for a task. An address that goes changes no other's order."""
    seed = blake2b(task.encode(), digest_size=8).digest()
    return sorted(
        addresses,
        key=lambda address: (blake2b(address.encode(), key=seed, digest_size=8).digest(), address),
    )


def position(address: str, order: Sequence[str]) -> float:
    """How many come before an address. One that is not in the order comes after all; in none, never."""
    if address in order:
        return order.index(address)
    return len(order) or inf
