"""Every struct on the wire, and nothing that acts on one.

Percentages are 0-100, sizes bytes, durations seconds, moments Unix seconds.
"""

from enum import IntEnum
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

MAX_INT = 2**53 - 1
MAX_ID_LENGTH = 64

MAX_NAME_LENGTH = 128
MAX_PATTERNS = 256

SECTIONS = frozenset(
    {
        "cpu",
        "diskio",
        "filesystems",
        "gpu",
        "load",
        "memory",
        "network",
        "pressure",
        "processes",
        "sensors",
        "system",
    }
)
"""The names of the detail sections."""

RequestId = (
    Annotated[int, Meta(ge=-MAX_INT, le=MAX_INT)] | Annotated[str, Meta(max_length=MAX_ID_LENGTH)]
)
Percent = Annotated[float, Meta(ge=0)]
Size = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""Whoever reads it next may hold it in 64 bits: a larger one would spoil the whole answer."""
Section = Annotated[str, Meta(max_length=64)]
NamePattern = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_LENGTH)]


class RequestType(IntEnum):
    """What a request asks for: its ``type``."""

    STAT = 0
    STAT_ALL = 1
    STOP = 2
    MEMBERS = 3
    JOIN = 4


class StatType(IntEnum):
    """Which stats a node object carries: the request's ``statType``."""

    ALL = 0
    CPU = 1
    MEMORY = 2
    DISK = 3


class Request(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One question. Every field may be absent; ``null`` is as good as absent."""

    type: int | None = 0
    stat_type: Annotated[int, Meta(ge=0, le=3)] | None = 0
    id: RequestId | None = None
    detail: Annotated[list[Section], Meta(max_length=64)] | None = None
    history: Annotated[float, Meta(gt=0, le=3600)] | None = None
    nodes: Annotated[list[NamePattern], Meta(max_length=MAX_PATTERNS)] | None = None
    timeout: Annotated[float, Meta(ge=0.05, le=30)] | None = None
    every: Annotated[float, Meta(ge=0.25, le=3600)] | None = None


class History(Struct, frozen=True, rename="camel"):
    """The past of one node: point ``i`` of ``n`` was taken at ``end - (n - 1 - i) * every``."""

    every: float
    end: float
    cpu_used: list[float | None] = []
    memory_used_percent: list[float | None] = []
    disk_used_percent: list[float | None] = []


class NodeStats(Struct, frozen=True, rename="camel"):
    """One node. In a granular answer (``statType`` 1-3) the fields not asked for are 0.

    ``error`` is empty, or says why the numbers are 0 or old.
    """

    name: str
    cpu_used: Percent = 0.0
    disk_total: Size = 0
    disk_used: Size = 0
    disk_used_percent: Percent = 0.0
    memory_total: Size = 0
    memory_used: Size = 0
    memory_used_percent: Percent = 0.0
    error: str = ""
    detail: dict[str, Any] | UnsetType = UNSET
    history: dict[str, Any] | UnsetType = UNSET


class FullStats(Struct, frozen=True, rename="camel"):
    """A node object of ``statType`` 0: what version 1 knows, every field required."""

    name: str
    cpu_used: Percent
    disk_total: Size
    disk_used: Size
    disk_used_percent: Percent
    memory_total: Size
    memory_used: Size
    memory_used_percent: Percent
    error: str


class CpuStats(Struct, frozen=True, rename="camel"):
    """A node object of ``statType`` 1."""

    name: str
    cpu_used: Percent
    error: str


class MemoryStats(Struct, frozen=True, rename="camel"):
    """A node object of ``statType`` 2."""

    name: str
    memory_total: Size
    memory_used: Size
    memory_used_percent: Percent
    error: str


class DiskStats(Struct, frozen=True, rename="camel"):
    """A node object of ``statType`` 3."""

    name: str
    disk_total: Size
    disk_used: Size
    disk_used_percent: Percent
    error: str


STAT_SHAPES: tuple[type[FullStats | CpuStats | MemoryStats | DiskStats], ...] = (
    FullStats,
    CpuStats,
    MemoryStats,
    DiskStats,
)
"""The shape of a node object, by ``statType``."""


class Answer(Struct, frozen=True, omit_defaults=True):
    """The answer to types 0, 1 and 2, as a client reads it."""

    host: str = ""
    nodes: dict[str, NodeStats] = {}
    error: str = ""
    code: str = ""
    done: bool = False
    id: int | str | None = None
    seq: int | None = None


class MemberEntry(Struct, frozen=True, omit_defaults=True):
    """One member as agents tell each other of it; the newest ``incarnation`` is right.

    ``incarnation`` counts milliseconds of Unix time, taken when the process started; it grows when
    the member leaves, or refutes what others say of it. ``since`` is when it left.
    """

    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME_LENGTH)]
    address: Annotated[str, Meta(max_length=300)]
    instance: Annotated[str, Meta(min_length=1, max_length=64)]
    incarnation: Annotated[int, Meta(ge=0, le=MAX_INT)]
    state: Literal["up", "left"] = "up"
    since: float = 0.0


class Join(Struct, frozen=True, omit_defaults=True):
    """A request of type 4. ``members``, where present, says that the asker wants a list too."""

    type: int
    member: MemberEntry
    digest: Annotated[str, Meta(max_length=64)] = ""
    members: list[Raw] | None = None
    id: RequestId | None = None


class PeerAnswer(Struct, frozen=True, omit_defaults=True):
    """The answer of a peer, as an agent reads it: the node objects stay raw.

    ``member``, ``digest`` and ``members`` are there in answers to type 4 only.
    """

    host: str = ""
    nodes: dict[str, Raw] = {}
    member: MemberEntry | None = None
    digest: str = ""
    members: list[Raw] | None = None
    error: str = ""
    code: str = ""
    id: int | str | None = None


class MemberInfo(Struct, frozen=True):
    """One row of the answer to type 3. ``rtt`` and ``since`` are ``null`` while unknown."""

    name: str
    address: str
    instance: str
    state: str
    since: float | None
    rtt: float | None
    version: int | None
    error: str


class Members(Struct, frozen=True):
    """The answer to type 3."""

    host: str = ""
    members: list[MemberInfo] = []
    error: str = ""
    code: str = ""
    id: int | str | None = None
