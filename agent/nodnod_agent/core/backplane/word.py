"""What a process tells of itself, and what it calls for."""

import msgspec
from msgspec import Struct

from nodnod_client.codec import decode
from nodnod_client.messages import MemberEntry


class Spoken(Struct, frozen=True, omit_defaults=True):
    """A node of a site, as its speaker tells of it: listed so, and with an ``error`` if it is down."""

    member: MemberEntry
    listed: str = ""
    """Empty if it is listed by its name."""
    error: str = ""


class Word(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """That a process is there, or (in ``member.state``) that it has left on purpose.

    ``started`` is its first incarnation: a later one may refute what others say. ``every`` is the interval
    of its samples in seconds. With ``news`` it has something to tell the registrars. ``others`` are the other nodes of the site for which it speaks.
    """

    member: MemberEntry
    started: int = 0
    every: float = 1.0
    awake: bool = False
    registrar: bool = False
    news: bool = False
    others: list[Spoken] = []


class Call(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What a process wants of all: their words, or their samples for ``lease`` seconds.

    With ``first`` it has no samples yet, and wants them at once. With ``registrar`` it only tells that
    there is one.
    """

    words: bool = False
    registrar: bool = False
    lease: float = 0.0
    first: bool = False


_word = msgspec.json.Decoder(Word)
_call = msgspec.json.Decoder(Call)


def decode_word(data: bytes) -> Word:
    """Decode a word. Raises WireError."""
    return decode(_word, data)


def decode_call(data: bytes) -> Call:
    """Decode a call. Raises WireError."""
    return decode(_call, data)
