"""What the words of others say: who is there, at which address, and who speaks for whom.

What a stranger says changes little: a process has one address, an address that is made of a name is that
name's, of two processes of one node the later started one counts, and a speaker tells of its own site only.
"""

import logging
from typing import Protocol

from nodnod_agent.core.backplane.dialing import Dialing
from nodnod_agent.core.backplane.process import Process
from nodnod_agent.core.backplane.processes import Processes
from nodnod_agent.core.backplane.subjects import SITE, Sender
from nodnod_agent.core.backplane.word import Spoken, Word, decode_word
from nodnod_agent.core.membership.peers import Peers
from nodnod_agent.core.membership.table import MAX_ENTRY, MAX_EXTRAS
from nodnod_client.address import Address, parse_address
from nodnod_client.errors import AddressError, WireError
from nodnod_client.messages import MemberEntry

MAX_WORD = MAX_ENTRY + MAX_EXTRAS + 100
"""Bytes of a word: a member's entry, and what is beside it."""

PAYLOAD = 1024 * 1024
"""Bytes of a message that a bus takes, unless it is configured otherwise."""

log = logging.getLogger("nodnod")


class Changes(Protocol):
    """What is told of the changes."""

    def noted(self, process: Process, *, is_new: bool) -> None:
        """A process is there; ``is_new`` if it has told something that it had not told before."""

    def ended(self, process: Process, reason: str) -> None:
        """A process is there no longer."""


class Listener:
    """Takes words, and notes in ``processes`` and among the ``peers`` what they say."""

    def __init__(
        self,
        own: Sender,
        site: str,
        processes: Processes,
        peers: Peers,
        dialing: Dialing,
        changes: Changes,
    ) -> None:
        """``site`` is that of this agent; empty if it has none."""
        self._own = own
        self._site = site
        self._processes = processes
        self._peers = peers
        self._dialing = dialing
        self._changes = changes

    def group(self, address: str) -> str:
        """The site of a node; empty for none."""
        table = self._peers.gossip.table
        entry = table.own if address == table.own.address else table.entries.get(address)
        return entry.tags.get(SITE, "") if entry is not None else ""

    def take_word(self, process: Process, data: bytes) -> Word | None:
        """Take what a process tells of itself; ``None`` if it is wrong."""
        word = self._decode(process, data, MAX_WORD)
        if word is not None:
            _speaks_for_itself(process)
            self._note(process, word)
        return word

    def take_site(self, speaker: Process, data: bytes, site: str) -> None:
        """Take a speaker's word of all nodes of its site; those of the own site are in the mesh."""
        if (told := hash(data)) == speaker.told:
            return
        word = self._decode(speaker, data, PAYLOAD)
        if word is None:
            return
        if word.member.tags.get(SITE) != site:
            self.complain(speaker.sender, f"a word for the site {site}, where it is not")
            return
        speaker.told = told
        if site == self._site:
            self._peers.heard(word.member)  # so an agent of the site finds its mesh
            return
        speaker.site = site
        _speaks_for_itself(speaker)
        self._note(speaker, word)
        before, speaker.spoken = speaker.spoken, {}
        for one in word.others:
            if one.member.tags.get(SITE) == site:
                self._note_spoken(speaker, one, word.every)
        for process in before.values():
            known = self._processes.get(process.sender) is process
            if known and process.via is speaker and process.listed not in speaker.spoken:
                self.end(process, f"{speaker.sender.name} does not list it")

    def end(self, process: Process, reason: str) -> None:
        """Forget a process."""
        if process.via is not None:
            process.via.told = 0  # it may go on to tell of it
        self._changes.ended(process, reason)

    def complain(self, sender: Sender, what: str) -> None:
        """Log that a process has sent something that is wrong."""
        name, instance = sender
        # One limit for all: strangers have as many names as they like.
        log.warning("%s (%s) sent %s", name, instance, what)

    def _decode(self, process: Process, data: bytes, most: int) -> Word | None:
        try:
            if len(data) > most:
                raise WireError(f"it has {len(data)} bytes")
            word = decode_word(data)
            entry = word.member
            if (entry.name, entry.instance) != process.sender:
                raise WireError(f"it is of {entry.name[:64]!r}")
            parse_address(entry.address)
        except (WireError, AddressError) as error:
            self.complain(process.sender, f"a bad word: {error}")
            return None
        return word

    def _note(self, process: Process, word: Word) -> None:
        """Note what a process, or the speaker of its site, tells of it."""
        entry = word.member
        address = parse_address(entry.address)
        if process.address not in (None, address):
            self.complain(process.sender, f"a word of {address}, but it is at {process.address}")
            return
        member = self._peers.roster.members.get(address)
        if member is not None and member.name != entry.name and self._is_elsewhere(entry, address):
            self.complain(process.sender, f"a word of {address}, where {member.name} is")
            return
        self._dialing.is_back(address)
        there = self._processes.at.get(address)
        if there is not None and there is not process:
            if not _replaces(word, there, address):
                name, instance = there.sender
                self.complain(process.sender, f"a word of {address}, where {name} ({instance}) is")
                return
            self.end(there, "another process is there")
        before, process.word, process.address = process.word, word, address
        if entry.state == "left":
            self._peers.heard(entry)
            self.end(process, "left")
            return
        self._processes.at[address] = process
        is_new = process.wire is None or before is None or before.member != entry
        if is_new:
            self._peers.heard(entry)
        self._changes.noted(process, is_new=is_new)

    def _note_spoken(self, speaker: Process, one: Spoken, every: float) -> None:
        """Note what a speaker tells of another node."""
        entry = one.member
        try:
            address = parse_address(entry.address)
        except AddressError as error:
            self.complain(speaker.sender, f"a bad address: {error}")
            return
        sender = Sender(entry.name, entry.instance)
        process = self._processes.get(sender)
        if sender == self._own:
            return
        known = process.word.member if process is not None and process.word is not None else entry
        if known.tags.get(SITE) != speaker.site or self._is_elsewhere(entry, address):
            self.complain(speaker.sender, f"a word of {address}, which is in another site")
            speaker.told = 0  # it may have changed its site: look again at the next word
            return
        if one.error:
            self._note_down(entry, address, one.error)
            return
        process = self._processes.meet(sender)
        if process is None:
            return
        process.site, process.told, process.spoken = "", 0, {}
        process.via, process.listed = speaker, one.listed or entry.name
        speaker.spoken[process.listed] = process
        self._note(process, Word(entry, entry.incarnation, every))
        if entry.state == "up" and self._processes.at.get(address) is not process:
            speaker.told = 0  # refused, for now

    def _note_down(self, entry: MemberEntry, address: Address, error: str) -> None:
        self._dialing.is_down(address, error)
        process = self._processes.get(Sender(entry.name, entry.instance))
        if process is not None:
            self.end(process, error)
            return
        self._peers.heard(entry)
        self._dialing.refuse(address, error)

    def _is_elsewhere(self, entry: MemberEntry, address: Address) -> bool:
        """Whether the node at an address is up in another site, or the word is a goodbye for it."""
        member = self._peers.roster.members.get(address)
        if member is None or not (member.up or entry.state == "left"):
            return False
        return self.group(str(address)) != entry.tags.get(SITE, "")


def _speaks_for_itself(process: Process) -> None:
    if process.via is not None:
        process.via.spoken.pop(process.listed, None)
        process.via = None


def _replaces(word: Word, there: Process, address: Address) -> bool:
    """Whether the word of another process at an address is taken: the newer one's, but where a node is
    at the address that its name gives it no other node's."""
    name, other = word.member.name, there.sender.name
    if name != other and address.host in (name.lower(), other.lower()):
        return address.host == name.lower()
    assert there.word is not None
    return word.started >= there.word.started
