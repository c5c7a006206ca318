"""The nodes of the configuration: which addresses each of them stands for."""

from nodnod_client.address import Address


class Seeds:
    """What was configured, and what was found when it was looked up last.

    A host name with several addresses stands for each of them. One with a single address stands
    for itself, so that every dial looks it up anew; so does what is an address already.
    """

    def __init__(self) -> None:
        self._found: dict[Address, frozenset[Address] | None] = {}
        """``None`` until the first look-up ends; empty where it has failed."""

    def add(self, seed: Address) -> None:
        """Take in an address, or a name that is still to be looked up."""
        self._found.setdefault(seed, None)

    def resolved(
        self, seed: Address, addresses: list[Address]
    ) -> tuple[set[Address], set[Address]]:
        """Note what a look-up has found; tells whom to dial, and who is configured no more.

        An empty list says that it failed: what was found before stands.
        """
        known, found = self._found.get(seed), frozenset(addresses)
        if known == found or (known and not found):
            return set(), set()
        before = _stands_for(seed, known) if seed in self._found else set()
        self._found[seed] = found
        after = _stands_for(seed, found)
        # A name that leads to one place, and that elsewhere now, is dialled again.
        added = after - before if len(found) > 1 else after
        return added, self._without_others(before - after)

    def remove(self, seed: Address) -> set[Address]:
        """Strike a seed out; tells whom nobody else has configured."""
        return self._without_others(_stands_for(seed, self._found.pop(seed, None)))

    def _without_others(self, addresses: set[Address]) -> set[Address]:
        if not addresses:
            return addresses
        return addresses.difference(*(_stands_for(*seed) for seed in self._found.items()))


def _stands_for(seed: Address, found: frozenset[Address] | None) -> set[Address]:
    return set(found) if found and len(found) > 1 else {seed}
