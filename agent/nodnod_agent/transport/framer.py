"""Text messages as frames: what goes to many at once is framed once."""

from websockets.frames import Frame, Opcode


class Framer:
    """Call it with a message; ``mask`` is what a client's frames need."""

    __slots__ = ("_frame", "_mask", "_text")

    def __init__(self, *, mask: bool) -> None:
        self._mask = mask
        self._text = b""
        self._frame = self._serialize(b"")

    def __call__(self, text: bytes) -> bytes:
        """The whole frame of one text message (UTF-8)."""
        if text is not self._text:
            self._text, self._frame = text, self._serialize(text)
        return self._frame

    def _serialize(self, text: bytes) -> bytes:
        return Frame(Opcode.TEXT, text).serialize(mask=self._mask)
