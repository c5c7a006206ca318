"""What a process tells of itself to all that are awake, every few seconds."""

import msgspec
from msgspec import Struct

from nodnod_client.codec import decode
from nodnod_client.messages import MemberEntry


class Word(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """That a process is there, or (in ``member.state``) that it has left on purpose."""

    member: MemberEntry


_word = msgspec.json.Decoder(Word)


def decode_word(data: bytes) -> Word:
    """Decode a word. Raises WireError."""
    return decode(_word, data)
