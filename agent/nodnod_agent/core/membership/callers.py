"""The peers that have dialled us: each over a connection besides the link that we dial to it."""

from nodnod_agent.core.interfaces import Hello, Wire


class Callers:
    """Their connections by instance, the newest of each."""

    def __init__(self) -> None:
        self._wires: dict[str, Wire] = {}

    def came(self, hello: Hello, wire: Wire) -> None:
        """A peer has dialled us."""
        self._wires[hello.instance] = wire

    def went(self, hello: Hello, wire: Wire) -> None:
        """A connection over which a peer has dialled us is gone."""
        if self._wires.get(hello.instance) is wire:
            del self._wires[hello.instance]

    def heard(self, instance: str) -> float:
        """When a peer was last heard, on the clock of the core; 0 if it has not dialled us."""
        wire = self._wires.get(instance)
        return wire.heard if wire is not None else 0.0

    def __contains__(self, instance: str) -> bool:
        return instance in self._wires
