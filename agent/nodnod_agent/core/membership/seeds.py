"""The configured nodes, and the addresses that each of them stands for."""

from nodnod_client.address import Address


class Seeds:
    """The configured addresses and host names, with the result of the last look-up of each.

    A host name with several addresses stands for each of them. A host name with one address stands
    for itself, so that every dial looks it up anew; so does an address.
    """

    def __init__(self) -> None:
        self._found: dict[Address, frozenset[Address] | None] = {}
        """``None`` until the first look-up ends; empty if it has failed."""

    def add(self, seed: Address) -> None:
        """Add an address, or a host name that is still to be looked up."""
        self._found.setdefault(seed, None)

    def resolved(
        self, seed: Address, addresses: list[Address]
    ) -> tuple[set[Address], set[Address]]:
        """Note a look-up; returns the addresses to dial, and those no longer configured.

        An empty list means that the look-up failed: the addresses found before stay.
        """
        known, found = self._found.get(seed), frozenset(addresses)
        if known == found or (known and not found):
            return set(), set()
        before = _stands_for(seed, known) if seed in self._found else set()
        self._found[seed] = found
        after = _stands_for(seed, found)
        # A name whose only address has changed is dialed again.
        added = after - before if len(found) > 1 else after
        return added, self._without_others(before - after)

    def remove(self, seed: Address) -> set[Address]:
        """Remove a seed; returns the addresses that no other seed stands for."""
        return self._without_others(_stands_for(seed, self._found.pop(seed, None)))

    def _without_others(self, addresses: set[Address]) -> set[Address]:
        if not addresses:
            return addresses
        return addresses.difference(*(_stands_for(*seed) for seed in self._found.items()))


def _stands_for(seed: Address, found: frozenset[Address] | None) -> set[Address]:
    return set(found) if found and len(found) > 1 else {seed}
