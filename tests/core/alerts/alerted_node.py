"""A node in its harness, and short ways to have it judge, and people told."""

from typing import Any

from core.harness import WALL, CoreHarness
from nodnod_client.alerts import Alert, Delivery
from nodnod_client.messages import MemberEntry

OWN = "10.0.0.1:7070"
START = WALL + 1000.0
"""The time when a harness begins."""
CHANNEL = "00000000000000aa"


def alert(rule: str = "cpu", *, at: float = 0.0, **fields: Any) -> Alert:
    """An alert of the own node that fires since so many seconds after the start."""
    defaults: dict[str, Any] = {
        "node": "own",
        "address": OWN,
        "epoch": int((START + at) * 1000),
        "state": "firing",
        "severity": "warning",
        "since": START + at,
        "text": f"{rule} is high",
    }
    return Alert(rule=rule, **defaults | fields)


def sent(one: Alert, channel: str = CHANNEL, **fields: Any) -> Delivery:
    """Note that people were told of an alert."""
    defaults: dict[str, Any] = {"epoch": one.epoch, "state": "sent", "by": OWN, "at": one.since}
    return Delivery(
        address=one.address,
        rule=one.rule,
        object=one.object,
        channel=channel,
        **defaults | fields,
    )


def known(harness: CoreHarness, name: str, address: str, instance: str) -> None:
    """Have the node hear of another one."""
    entry = MemberEntry(name, address, instance, incarnation=int(START * 1000))
    harness.node.peers.gossip.table.merge(entry)


def judge(harness: CoreHarness, *alerts: Alert) -> None:
    """Have the node write these."""
    harness.node.alerts.write(*alerts)


def shown(harness: CoreHarness) -> list[str]:
    """What clients see: state, severity and rule of each alert."""
    rows = [row.alert for row in harness.node.alert_view.rows]
    return [f"{one.state} {one.severity} {one.rule}" for one in rows]
