"""The mount table of the kernel, /proc/self/mountinfo (proc(5)), and what of it a path leads to."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple


class MountEntry(NamedTuple):
    """One line of the mount table; ``device`` identifies the filesystem.

    ``options`` are those of the filesystem. ``id`` and ``parent``, the mount that it is mounted on,
    are None on systems without them.
    """

    device: str
    root: str
    point: str
    type: str
    source: str
    options: str = ""
    id: int | None = None
    parent: int | None = None

    @property
    def expires(self) -> bool:
        """Whether it is an autofs that unmounts what has not been used for a while."""
        return self.type == "autofs" and _TIMEOUT.search(self.options) is not None


_ESCAPE = re.compile(rb"\\([0-3][0-7]{2})")
_TIMEOUT = re.compile(r"(^|,)timeout=0*[1-9]")


def parse_mountinfo(data: bytes) -> list[MountEntry]:
    """The table; a line that is no mount is passed over. Paths are as the system has them.

    The kernel escapes spaces and line feeds, and no other character that some languages take for
    white space or the end of a line.
    """
    table = []
    for line in os.fsdecode(data).split("\n"):
        try:
            table.append(_parse(line))
        except (ValueError, IndexError):
            continue
    return table


def _parse(line: str) -> MountEntry:
    # id parent major:minor root point options [optional fields] - type source super-options
    fields = line.split(" ")
    rest = fields.index("-", 5) + 1
    id_, parent, device, root, point = fields[:5]
    major, minor = device.split(":")
    if not (major.isdigit() and minor.isdigit() and fields[rest]):
        raise ValueError(line)
    return MountEntry(
        device,
        _unescape(root),
        _unescape(point),
        _unescape(fields[rest]),
        _unescape(fields[rest + 1]),
        " ".join(fields[rest + 2 :]),
        int(id_),
        int(parent),
    )


def _unescape(escaped: str) -> str:
    if "\\" not in escaped:
        return escaped
    # An escape stands for a byte, not for a character.
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match[1], 8)]), os.fsencode(escaped)))


def visible(table: Sequence[MountEntry], root: int | None = None) -> list[MountEntry]:
    """The mounts that their own paths lead to; ``root`` is the mount at which paths start, if known.

    A mount is covered by another one that is mounted on its top. It is hidden by one that is
    mounted, on the same parent, above its own mount point, and with it all that is mounted below
    it. The order of the lines says nothing: a mount that is moved keeps its id.
    """
    mounts = {entry.id: entry for entry in table}
    children = _children(table)
    hidden: set[int | None] = set()
    if root in mounts and mounts[root].point == "/":
        # Mounted over the root after this process had got it.
        hidden = {entry.id for entry in children[root] if entry.point == "/"}
        children[root] = [entry for entry in children[root] if entry.id not in hidden]
    covered: set[int | None] = set()
    for parent, entries in children.items():
        if parent in mounts and any(entry.point == mounts[parent].point for entry in entries):
            covered.add(parent)
        above = ""
        for entry in sorted(entries, key=_directory):
            # Sorted, a directory is followed by all that is in it.
            directory = _directory(entry)
            if above and directory != above and directory.startswith(above):
                hidden.add(entry.id)
            else:
                above = directory
    unseen = hidden | covered | _below(hidden, children)
    return [entry for entry in table if entry.id is None or entry.id not in unseen]


def expiring(table: Iterable[MountEntry]) -> set[int | None]:
    """The ids of the mounts that an automounter unmounts when they have not been used."""
    return _below({entry.id for entry in table if entry.expires}, _children(table))


def _children(table: Iterable[MountEntry]) -> dict[int | None, list[MountEntry]]:
    children: dict[int | None, list[MountEntry]] = defaultdict(list)
    for entry in table:
        if entry.parent is not None and entry.parent != entry.id:
            children[entry.parent].append(entry)
    return children


def _below(
    ids: Iterable[int | None], children: Mapping[int | None, Sequence[MountEntry]]
) -> set[int | None]:
    """The ids of all that is mounted on these mounts, directly or not."""
    found: set[int | None] = set()
    queue = list(ids)
    while queue:
        new = {entry.id for entry in children.get(queue.pop(), ())} - found
        found |= new
        queue += new
    return found


def _directory(entry: MountEntry) -> str:
    return "/" if entry.point == "/" else f"{entry.point}/"


def mount_id(path: str) -> int | None:
    """The id of the mount that a path leads to; None if the system does not tell."""
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        with open(f"/proc/self/fdinfo/{fd}", "rb") as file:
            found = re.search(rb"^mnt_id:\s*(\d+)", file.read(), re.MULTILINE)
    except OSError:
        return None
    finally:
        os.close(fd)
    return int(found[1]) if found else None
