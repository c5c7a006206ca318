"""A FUSE file system that answers only when a test wants: just enough of the protocol for df.

The structures are those of linux/fuse.h. It runs in the process that has mounted it, and needs what
``collectors.private_mounts`` needs.
"""

import errno
import os
import select
import struct
import tempfile
import threading

from collectors.private_mounts import mount

_INIT, _STATFS = 26, 17
_REQUEST = struct.Struct("<IIQQIIII")  # length, opcode, unique, node, user, group, process, rest
_REPLY = struct.Struct("<IiQ")  # length, -errno, unique
_INITIALISED = struct.pack("<IIIIHHII8I", 7, 31, 0, 0, 0, 0, 65536, 1, *[0] * 8)
_WITHOUT_REPLY = (2, 36, 42)  # FORGET, INTERRUPT, BATCH_FORGET

LOOK_EVERY = 0.02
"""Seconds within which ``stop_answering`` takes effect."""

BLOCK = 4096


class Fuse:
    """Mounted at ``point``, with ``blocks`` of 4 KiB of which half are free, and 100 inodes.

    Only ``user`` may look at it. It answers from ``answer`` until ``stop_answering``; requests in
    between are answered late. ``measured`` is how often it has been asked for its size.
    """

    def __init__(
        self,
        blocks: int = 1000,
        *,
        free_files: int = 75,
        point: str = "",
        user: int = 0,
        source: str = "fuse",
    ) -> None:
        self.blocks = blocks
        self.free_files = free_files
        self.point = point or tempfile.mkdtemp()
        self.measured = 0
        self._device = os.open("/dev/fuse", os.O_RDWR)
        self._may_answer = threading.Event()
        options = f"fd={self._device},rootmode=40000,user_id={user},group_id=0"
        mount(source, self.point, "fuse", options=options)
        threading.Thread(target=self._serve, daemon=True).start()

    def answer(self) -> None:
        self._may_answer.set()

    def stop_answering(self) -> None:
        self._may_answer.clear()

    def _serve(self) -> None:
        while True:
            self._may_answer.wait()
            # A request that was read must be answered: until then not even SIGKILL ends the
            # process that made it.
            readable, _, _ = select.select([self._device], [], [], LOOK_EVERY)
            if readable and self._may_answer.is_set():
                try:
                    request = os.read(self._device, 128 * 1024)
                except OSError:  # unmounted
                    return
                self._take(request)

    def _take(self, request: bytes) -> None:
        _, opcode, unique, *_ = _REQUEST.unpack_from(request)
        if opcode == _INIT:
            self._reply(unique, _INITIALISED)
        elif opcode == _STATFS:
            self.measured += 1
            self._reply(unique, self._statfs())
        elif opcode not in _WITHOUT_REPLY:
            self._reply(unique, b"", -errno.ENOSYS)

    def _reply(self, unique: int, body: bytes, error: int = 0) -> None:
        os.write(self._device, _REPLY.pack(_REPLY.size + len(body), error, unique) + body)

    def _statfs(self) -> bytes:
        free = self.blocks // 2
        # Blocks in all, free, and free for users; files in all, free; sizes.
        return struct.pack(
            "<5Q4I6I", self.blocks, free, free, 100, self.free_files, BLOCK, 255, BLOCK, 0, *[0] * 6
        )
