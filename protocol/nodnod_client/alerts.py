"""What agents tell each other of alerts: the alerts, who was told of them, and silences.

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
    address of the agent that claims, has sent or has failed.
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
