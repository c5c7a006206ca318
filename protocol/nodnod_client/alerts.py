"""Alerts and silences, as agents tell them to each other and to clients.

Times are in Unix seconds. The structs say which sizes and ranges are valid; that numbers are finite
and that text is printable, the agent checks when it takes an entry.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from nodnod_client.messages import MAX_INT, MAX_NAME_LENGTH, ChannelId, NamePattern

MAX_RULE = 64
MAX_OBJECT = 200
MAX_TEXT = 300

Severity = Literal["warning", "critical"]
AlertState = Literal["firing", "resolved"]
DeliveryState = Literal["claim", "sent", "failed"]

NodeName = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_LENGTH)]
AdvertisedAddress = Annotated[str, Meta(min_length=1, max_length=300)]
RuleName = Annotated[str, Meta(min_length=1, max_length=MAX_RULE)]
ObjectName = Annotated[str, Meta(max_length=MAX_OBJECT)]
Epoch = Annotated[int, Meta(ge=0, le=MAX_INT)]
Moment = Annotated[float, Meta(ge=0, le=MAX_INT)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]


class Alert(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One problem of one node, or its end. The highest ``epoch`` of a key is valid.

    The key is address, rule and object. ``address`` is where the node can be dialed: two nodes may
    have one name. ``object`` is a mount, a device, a sensor …; empty for the node itself. ``epoch``
    rises with each change of state or severity, to Unix milliseconds where that is more. ``since``
    is the time of that change.
    """

    node: NodeName
    address: AdvertisedAddress
    rule: RuleName
    object: ObjectName = ""
    epoch: Epoch
    state: AlertState
    severity: Severity
    value: float | None = None
    threshold: float | None = None
    since: Moment
    text: Text = ""


class Delivery(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is known of telling people of one epoch of an alert over one channel.

    ``round`` is 0 for the first time and counts the repetitions. ``alert`` is the state that the
    message tells. A ``claim`` comes before the message and holds until ``until``; ``by`` is the
    address of the agent that claims, has sent or has failed. ``doubt``: another one had claimed it
    before, and was not heard of again, so people may know.
    """

    address: AdvertisedAddress
    rule: RuleName
    object: ObjectName = ""
    epoch: Epoch
    round: Annotated[int, Meta(ge=0, le=100_000)] = 0
    channel: ChannelId
    state: DeliveryState
    alert: AlertState = "firing"
    by: AdvertisedAddress
    at: Moment
    until: Moment = 0.0
    doubt: bool = False


class Silence(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Alerts that nobody is told of until ``until``: those whose node and rule both match."""

    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{8,16}$")]
    node: NamePattern = "*"
    rule: NamePattern = "*"
    until: Moment
    reason: Text = ""
    by: Annotated[str, Meta(max_length=MAX_NAME_LENGTH)] = ""
    at: Moment
    ended: bool = False


class AlertInfo(Struct, frozen=True):
    """One alert, as an agent answers a client.

    ``node`` is the name by which the agent lists the node, ``object`` is empty for the node itself.
    ``severity`` is "warning" or "critical", ``state`` "firing" or "resolved", both ``since`` that time.
    ``told`` are the channels over which people were told of just this; nobody is told of an alert that
    is ``silenced``.
    """

    node: str
    rule: str
    object: str
    epoch: int
    severity: str
    state: str
    value: float | None
    threshold: float | None
    since: float
    told: list[str]
    silenced: bool
    text: str

    @property
    def firing(self) -> bool:
        """Whether it goes on."""
        return self.state == "firing"


class Alerts(Struct, frozen=True):
    """The answer to type 5: what fires, the worst and newest first, then what is over."""

    host: str = ""
    alerts: list[AlertInfo] = []
    error: str = ""
    code: str = ""
    id: int | str | None = None
    seq: int | None = None


class SilenceInfo(Struct, frozen=True):
    """One silence that has not ended: patterns of nodes and rules, and who has asked for it, and why."""

    id: str
    node: str
    rule: str
    until: float
    reason: str
    by: str
    at: float


class Silences(Struct, frozen=True):
    """The answer to type 6: all silences, the next to end first, and the one that was made or ended."""

    host: str = ""
    silences: list[SilenceInfo] = []
    silence: SilenceInfo | None = None
    error: str = ""
    code: str = ""
    id: int | str | None = None
