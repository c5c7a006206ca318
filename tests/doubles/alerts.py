"""Alerts as agents tell them."""

from typing import Any

from nodnod_client.alerts import Alert

SINCE = 1767323045.0
"""2026-01-02 03:04:05 UTC"""


def an_alert(node: str = "kenny", rule: str = "memory", **changes: Any) -> Alert:
    """A critical alert that fires."""
    fields: dict[str, Any] = {
        "node": node,
        "address": f"{node}:7070",
        "rule": rule,
        "epoch": 1767323045000,
        "state": "firing",
        "severity": "critical",
        "value": 93.25,
        "threshold": 90.0,
        "since": SINCE,
        "text": "memory is nearly full",
    }
    return Alert(**{**fields, **changes})
