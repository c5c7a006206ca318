"""What an agent takes out of a message about alerts, and what it complains of."""

import json
from typing import Any

import pytest

from core.alerts.alert_strategies import ADDRESSES, NOW, member
from nodnod_agent.core.alerts.entries import Key
from nodnod_agent.core.alerts.replica import AlertReplica
from nodnod_agent.core.alerts.table import AlertTable
from nodnod_client.codec import decode_peer_answer


def alert(**more: Any) -> dict[str, Any]:
    fields = {"node": "n0", "address": ADDRESSES[0], "rule": "disk", "epoch": 10}
    return fields | {"state": "firing", "severity": "warning", "since": NOW - 60} | more


def test_an_agent_is_told_of_its_own_alerts_first() -> None:
    table = AlertTable(member, lambda: NOW)
    replica = AlertReplica(table, lambda names, alerts: None)
    others = [alert(address=ADDRESSES[1], node="n1", epoch=20, object=f"/{n}") for n in range(9)]
    answer = decode_peer_answer(json.dumps({"alerts": [*others, alert()]}).encode())
    replica.take(answer, 100)
    nothing = AlertTable(member, lambda: NOW).have()
    for address in ADDRESSES[:2]:
        first = replica.beyond(nothing, address)[0]
        assert isinstance(first, Key)
        assert first.address == address


@pytest.mark.parametrize(
    ("other", "fault"),
    [
        (alert(epoch=-1), "`alerts`: "),
        (alert(text="\0"), "the alert 'disk' of '10.0.0.1:7070': `text` is not printable"),
        (alert(address="10.9.9.9:7070"), ""),
    ],
    ids=["a wrong shape", "not valid", "of a node that is not known yet"],
)
def test_one_that_is_not_taken_spoils_no_other(other: dict[str, Any], fault: str) -> None:
    table = AlertTable(member, lambda: NOW)
    replica = AlertReplica(table, lambda names, alerts: None)
    answer = decode_peer_answer(json.dumps({"alerts": [other, alert()]}).encode())

    taken = replica.take(answer, 100)

    assert (taken.news, taken.examined) == (True, 2)
    assert taken.fault.startswith(fault)
    assert bool(taken.fault) == bool(fault)
    assert [one.epoch for one in table.alerts.values()] == [10]
