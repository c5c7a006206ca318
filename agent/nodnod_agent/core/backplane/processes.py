"""The processes that are heard."""

from collections.abc import Iterable, Iterator

from nodnod_agent.core.backplane.process import Process
from nodnod_agent.core.backplane.subjects import Sender
from nodnod_agent.core.interfaces import Clock
from nodnod_agent.core.membership.table import MAX_FAR
from nodnod_client.address import Address

MAX_PROCESSES = 2 * MAX_FAR
"""Processes that are known at a time; those of strangers would take memory without end."""


class Processes:
    """All of them by their senders, and the newest one at each address."""

    def __init__(self, clock: Clock) -> None:
        self.by_sender: dict[Sender, Process] = {}
        self.at: dict[Address, Process] = {}
        self._clock = clock

    def __iter__(self) -> Iterator[Process]:
        return iter(tuple(self.by_sender.values()))

    def get(self, sender: Sender) -> Process | None:
        """A process, if it is heard."""
        return self.by_sender.get(sender)

    def meet(self, sender: Sender) -> Process | None:
        """A process, which is heard from now on; ``None`` if there is no room for it."""
        process = self.by_sender.get(sender)
        if process is None and len(self.by_sender) < MAX_PROCESSES:
            process = self.by_sender[sender] = Process(sender, self._clock.time())
        return process

    def forget(self, process: Process) -> bool:
        """Hear it no more; whether it was the one at its address."""
        del self.by_sender[process.sender]
        address = process.address
        if address is None or self.at.get(address) is not process:
            return False
        del self.at[address]
        return True

    @property
    def registrars(self) -> list[Process]:
        """Those that say that they are registrars."""
        return [one for one in self.by_sender.values() if one.is_registrar]

    def speak_for(self, site: str) -> bool:
        """Whether one of them speaks for a site."""
        return any(one.site == site for one in self.by_sender.values())


def channels(processes: Iterable[Process]) -> set[str]:
    """The channels over which any of these can tell people."""
    return {
        channel for one in processes if one.word is not None for channel in one.word.member.sends
    }
