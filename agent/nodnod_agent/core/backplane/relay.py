"""Questions to nodes for which a speaker answers.

A speaker is asked as a client asks: for some nodes of its site, by their names. What this agent asks
several of them at one moment goes together, since a speaker limits the questions that it has under way.
"""

from collections.abc import Callable
from contextlib import suppress

from msgspec.structs import replace

from nodnod_agent.core.backplane.process import Process
from nodnod_agent.core.encoding import renamed_node
from nodnod_agent.core.interfaces import Clock
from nodnod_client.codec import decode_peer_answer, decode_request, encode
from nodnod_client.errors import WireError
from nodnod_client.messages import Request, RequestType

TOGETHER = 8
"""Nodes in one question: a bus takes messages of 1 MiB."""

EARLIER = 0.75
"""The part of the time for an answer that a speaker has for its own question."""


class Relay:
    """Translates what links ask, and what speakers answer."""

    def __init__(self, publish: Callable[[Process, bytes], None], clock: Clock) -> None:
        """``publish`` sends a request to a speaker."""
        self._publish = publish
        self._clock = clock
        self._asked: dict[tuple[Process, bytes], list[str]] = {}
        """The names that each speaker is asked for, by the request."""

    def ask(self, process: Process, request: bytes) -> None:
        """Ask a process that does not speak for itself."""
        assert process.via is not None
        if not self._asked:
            self._clock.call_at(self._clock.time(), self._flush)
        self._asked.setdefault((process.via, request), []).append(process.listed)

    def answered(self, speaker: Process, answer: bytes) -> bool:
        """Hand a speaker's answer to those that it is of; false if it is the speaker's own."""
        try:
            decoded = decode_peer_answer(answer)
        except WireError:
            return False
        if not decoded.nodes:
            if decoded.error and isinstance(decoded.id, int) and decoded.id > 0:
                _hand(
                    [*speaker.spoken.values()], answer
                )  # whether they were asked that, its id tells
            return False
        if len(decoded.nodes) == 1 and not decoded.nodes.keys() & speaker.spoken.keys():
            return False
        for listed, node in decoded.nodes.items():
            process = speaker.spoken.get(listed)
            if process is not None:
                body = bytes(node)
                if listed != process.sender.name:
                    with suppress(WireError):  # else its link says what is wrong
                        body = renamed_node(body, process.sender.name)
                name, id_ = encode(process.sender.name), encode(decoded.id)
                _hand([process], b'{"nodes":{%b:%b},"id":%b}' % (name, body, id_))
        return True

    def _flush(self) -> None:
        asked, self._asked = self._asked, {}
        for (speaker, request), names in asked.items():
            question = decode_request(request)
            if question.type != RequestType.STAT or question.kept is not None:
                continue  # only the node itself could answer
            for first in range(0, len(names), TOGETHER):
                some = names[first : first + TOGETHER]
                self._publish(speaker, encode(_for_speaker(question, some)))


def _for_speaker(question: Request, names: list[str]) -> Request:
    timeout = None if question.timeout is None else max(question.timeout * EARLIER, 0.05)
    return replace(question, type=RequestType.STAT_ALL, nodes=names, timeout=timeout)


def _hand(processes: list[Process], answer: bytes) -> None:
    for process in processes:
        if process.handler is not None:
            process.handler.received(answer)
