"""The messages of the protocol, as structs without behavior.

Percentages are 0-100, sizes are in bytes, durations in seconds, times in Unix seconds.
"""

from enum import IntEnum
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from nodnod_client.origins import MAX_ORIGIN_LENGTH, MAX_ORIGINS
from nodnod_client.tags import MAX_TAG_LENGTH, MAX_TAGS

MAX_INT = 2**53 - 1
MAX_ID_LENGTH = 64

MAX_MESSAGE = 4 * 2**20
"""Bytes of the largest message that an agent sends, unless the receiver has named a lower limit."""

MAX_NAME_LENGTH = 128

MAX_HISTORY = 7 * 86_400
"""Seconds of history that a request may ask for."""

MAX_POINTS = 600
"""Points of a history in an answer."""

MAX_SILENCE = 30 * 86_400
"""Seconds for which alerts may be silenced."""

MAX_PATTERNS = 256
MAX_KEPT = 64
"""Nodes whose kept past one request asks for."""
MAX_SENDS = 16

RequestId = (
    Annotated[int, Meta(ge=-MAX_INT, le=MAX_INT)] | Annotated[str, Meta(max_length=MAX_ID_LENGTH)]
)
Percent = Annotated[float, Meta(ge=0)]
Size = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""At most 64 bits with a sign: a reader may fail on an answer with a larger number."""
Section = Annotated[str, Meta(max_length=64)]
KeptSeconds = Annotated[float, Meta(gt=0, le=3600)]
NodeName = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_LENGTH)]
ChannelId = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$")]
NamePattern = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_LENGTH)]
_Origin = Annotated[str, Meta(max_length=MAX_ORIGIN_LENGTH)]
_TagPart = Annotated[str, Meta(max_length=MAX_TAG_LENGTH)]


class RequestType(IntEnum):
    """The ``type`` of a request."""

    STAT = 0
    STAT_ALL = 1
    STOP = 2
    MEMBERS = 3
    JOIN = 4
    ALERTS = 5
    SILENCE = 6
    EVENTS = 7


class StatType(IntEnum):
    """The ``statType`` of a request: the stats that a node object has."""

    ALL = 0
    CPU = 1
    MEMORY = 2
    DISK = 3


class SilenceTerms(Struct, frozen=True, omit_defaults=True):
    """Which alerts nobody is to be told of: those whose node and rule both match.

    ``seconds`` has no default: each silence has an end.
    """

    seconds: Annotated[float, Meta(ge=1, le=MAX_SILENCE)]
    node: NamePattern | None = "*"
    rule: NamePattern | None = "*"
    reason: Annotated[str, Meta(max_length=300)] | None = ""


class Request(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A request. Every field may be absent; ``null`` means the same."""

    type: int | None = 0
    stat_type: Annotated[int, Meta(ge=0, le=3)] | None = 0
    id: RequestId | None = None
    detail: Annotated[list[Section], Meta(max_length=64)] | None = None
    history: Annotated[float, Meta(gt=0, le=MAX_HISTORY)] | None = None
    nodes: Annotated[list[NamePattern], Meta(max_length=MAX_PATTERNS)] | None = None
    timeout: Annotated[float, Meta(ge=0.05, le=30)] | None = None
    every: Annotated[float, Meta(ge=0.25, le=3600)] | None = None
    match: NamePattern | None = None
    since: Annotated[float, Meta(ge=0, le=MAX_INT)] | None = None
    until: Annotated[float, Meta(ge=0, le=MAX_INT)] | None = None
    ago: Annotated[float, Meta(ge=0, le=MAX_INT)] | None = None
    kept: Annotated[dict[NodeName, KeptSeconds], Meta(max_length=MAX_KEPT)] | None = None
    silence: SilenceTerms | None = None
    end: Annotated[str, Meta(max_length=16)] | None = None


class History(Struct, frozen=True, rename="camel"):
    """The history of one node: point ``i`` of ``n`` is of ``end - (n - 1 - i) * every``.

    A point is a mean, or None where there was no sample. Those in ``…_max`` are the highest samples;
    they are there where ``every`` is longer than the agent's interval. A list is empty where the
    node lacks the number, or its agent does not know it. Bytes are per second. ``kept_by`` is empty,
    or the agent that has kept the history of a node that is down. ``until`` is the end that was asked
    for, by the clock of the node. It is None where none was, and where the agent does not know
    ``until``: then it is the newest history all the same.
    """

    every: float
    end: float
    until: float | None = None
    kept_by: str = ""
    cpu_used: list[float | None] = []
    memory_used_percent: list[float | None] = []
    disk_used_percent: list[float | None] = []
    recv_bytes: list[float | None] = []
    sent_bytes: list[float | None] = []
    load1: list[float | None] = []
    read_bytes: list[float | None] = []
    write_bytes: list[float | None] = []
    cpu_pressure: list[float | None] = []
    memory_pressure: list[float | None] = []
    io_pressure: list[float | None] = []
    cpu_user: list[float | None] = []
    cpu_system: list[float | None] = []
    cpu_iowait: list[float | None] = []
    cpu_steal: list[float | None] = []
    cpu_used_max: list[float | None] = []
    memory_used_percent_max: list[float | None] = []
    recv_bytes_max: list[float | None] = []
    sent_bytes_max: list[float | None] = []


class NodeStats(Struct, frozen=True, rename="camel"):
    """The stats of one node. With ``statType`` 1-3 the fields that were not requested are 0.

    ``error`` is empty, or the reason why the numbers are 0 or old.
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
    """A node object of ``statType`` 0: the fields of version 1, all required."""

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
"""The struct of a node object, by ``statType``."""


class Answer(Struct, frozen=True, omit_defaults=True):
    """The answer to types 0, 1 and 2, as a client decodes it."""

    host: str = ""
    nodes: dict[str, NodeStats] = {}
    error: str = ""
    code: str = ""
    done: bool = False
    id: int | str | None = None
    seq: int | None = None


class MemberEntry(Struct, frozen=True, omit_defaults=True):
    """One member, as agents gossip it. The entry with the highest ``incarnation`` is valid.

    ``incarnation`` is the Unix time in milliseconds at which the process started. The member raises
    it when it leaves, when its ``tags``, ``sends`` or ``origins`` change, or to refute an entry of
    others. ``since`` is the time at which it left, ``sends`` are the channels over which it can tell
    people of alerts, ``origins`` are names under which its pages may have been opened, besides
    ``name`` and ``address``. Agents that do not know these three drop them when they pass an entry on.
    """

    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME_LENGTH)]
    address: Annotated[str, Meta(max_length=300)]
    instance: Annotated[str, Meta(min_length=1, max_length=64)]
    incarnation: Annotated[int, Meta(ge=0, le=MAX_INT)]
    state: Literal["up", "left"] = "up"
    since: float = 0.0
    tags: Annotated[dict[_TagPart, _TagPart], Meta(max_length=MAX_TAGS)] = {}
    sends: Annotated[list[ChannelId], Meta(max_length=MAX_SENDS)] = []
    origins: Annotated[list[_Origin], Meta(max_length=MAX_ORIGINS)] = []


_Digest = Annotated[str, Meta(max_length=64)]
_Hashes = Annotated[str, Meta(max_length=48 * 1024)]
_Addresses = Annotated[list[Annotated[str, Meta(max_length=300)]], Meta(max_length=1024)]


class Join(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A request of type 4. If ``members`` is present, the sender requests a list too.

    ``events_digest`` is that of the sender's event log, ``events`` are some that the receiver lacks;
    ``events_have`` says which the sender has, and requests others. So it is with the alert table, whose
    entries are ``alerts``, ``deliveries`` and ``silences``. ``unmet`` are addresses of members that the
    sender never reached.
    """

    type: int
    member: MemberEntry
    digest: _Digest = ""
    members: list[Raw] | None = None
    id: RequestId | None = None
    events_digest: _Digest = ""
    events: list[Raw] | None = None
    events_have: _Hashes | None = None
    alerts_digest: _Digest = ""
    alerts: list[Raw] | None = None
    deliveries: list[Raw] | None = None
    silences: list[Raw] | None = None
    alerts_have: _Hashes | None = None
    unmet: _Addresses = []


class PeerAnswer(Struct, frozen=True, rename="camel", omit_defaults=True):
    """The answer of a peer, as an agent decodes it: the node objects stay raw.

    ``member``, ``digest``, ``members`` and all after ``id`` are only in answers to type 4. ``before``
    is the name of the process that was at the asker's address before, if the peer knows one; ``time``
    is by the peer's clock.
    ``kept`` holds history objects by the names of nodes. Of the asker's ``unmet``, ``met`` are
    those that the peer has reached and lists, ``gone`` those that it has given up.
    """

    host: str = ""
    nodes: dict[str, Raw] = {}
    kept: dict[str, Raw] = {}
    member: MemberEntry | None = None
    digest: str = ""
    members: list[Raw] | None = None
    error: str = ""
    code: str = ""
    id: int | str | None = None
    events_digest: str = ""
    events: list[Raw] | None = None
    events_have: _Hashes | None = None
    before: str = ""
    time: float | None = None
    alerts_digest: str = ""
    alerts: list[Raw] | None = None
    deliveries: list[Raw] | None = None
    silences: list[Raw] | None = None
    alerts_have: _Hashes | None = None
    alerts_new: bool = False
    met: _Addresses = []
    gone: _Addresses = []


class MemberInfo(Struct, frozen=True, omit_defaults=True):
    """One row of the answer to type 3. A field is None while unknown; ``rtt`` in seconds.

    ``tags`` is not sent where there are none.
    """

    name: str
    address: str
    instance: str
    state: str
    since: float | None
    rtt: float | None
    version: int | None
    error: str
    tags: dict[str, str] = {}


class BackplaneInfo(Struct, frozen=True):
    """An agent's connection to its backplane: the ``server``, or an ``error``, and since when, in Unix seconds."""

    server: str = ""
    since: float = 0.0
    error: str = ""


class Members(Struct, frozen=True):
    """The answer to type 3; ``backplane`` of an agent that has one."""

    host: str = ""
    members: list[MemberInfo] = []
    error: str = ""
    code: str = ""
    id: int | str | None = None
    backplane: BackplaneInfo | None = None


class Event(Struct, frozen=True, omit_defaults=True):
    """Something that has happened to a node.

    ``id`` is the instance of the agent that wrote it, a dash and a number. ``instance`` is the run of
    the node that it is about; ``more`` is how many further nodes it stands for.
    """

    id: str
    at: float
    node: str
    kind: str
    text: str = ""
    instance: str = ""
    more: int = 0


class Events(Struct, frozen=True):
    """The answer to type 7, newest last."""

    host: str = ""
    events: list[Event] = []
    error: str = ""
    code: str = ""
    id: int | str | None = None
    seq: int | None = None
