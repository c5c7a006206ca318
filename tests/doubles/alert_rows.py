"""Rows of the answers to types 5 and 6."""

from typing import Any

from nodnod_client.alerts import AlertInfo


def alert_row(node: str = "kyle", rule: str = "cpu", **fields: Any) -> AlertInfo:
    """An alert that fires since Unix time 1000, as clients see it."""
    defaults: dict[str, Any] = {
        "object": "",
        "epoch": 1_000_000,
        "severity": "warning",
        "state": "firing",
        "value": 97.2,
        "threshold": 95.0,
        "since": 1000.0,
        "told": [],
        "silenced": False,
        "text": f"{rule} is high",
    }
    return AlertInfo(node, rule, **defaults | fields)
