"""Property tests of the alert table: tables agree in the end, in whatever order they are told."""

import json
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.alerts.alert_strategies import NOW, alerts, deliveries, member, silences
from nodnod_agent.core.alerts import table as table_module
from nodnod_agent.core.alerts.entries import Entry
from nodnod_agent.core.alerts.replica import AlertReplica
from nodnod_agent.core.alerts.table import AlertTable
from nodnod_agent.core.membership.table import EntryRefused
from nodnod_client.alerts import Alert, Delivery, Silence
from nodnod_client.codec import decode_peer_answer, encode
from nodnod_client.errors import WireError
from strategies import documents, examples, odd_values

SMALL = {"MAX_ALERTS": 6, "MAX_OF_NODE": 3, "MAX_CHANNELS": 2, "MAX_SILENCES": 2}
"""Bounds that a few entries reach."""

entries = (
    alerts().map(lambda one: decoded(one, Alert))
    | deliveries.map(lambda one: decoded(one, Delivery))
    | silences.map(lambda one: decoded(one, Silence))
)


def decoded(one: dict[str, Any], kind: type[Any]) -> Any:
    return msgspec.json.decode(json.dumps(one), type=kind)


def table() -> AlertTable:
    return AlertTable(member, lambda: NOW)


def tell(one: AlertTable, told: Sequence[Entry]) -> int:
    """Merge all; returns how many were news."""
    news = 0
    for entry in told:
        with suppress(EntryRefused):
            news += one.merge(entry) is not None
    return news


def tell_again_and_again(one: AlertTable, told: Sequence[Entry]) -> None:
    """Merge all, until there is no news; it takes no more passes than there are entries."""
    for _ in range(len(told) + 1):
        before = one.digest
        tell(one, told)
        if one.digest == before:
            return
    raise AssertionError("the table changes again and again")


def contents(one: AlertTable) -> set[bytes]:
    names = [*one.alerts, *one.silences]
    return {encode(entry) for name in names for entry in one.entries(name)}


def check(one: AlertTable) -> None:
    """Its bounds hold, and its digest is that of a table that was told only what it has."""
    assert len(one.alerts) <= table_module.MAX_ALERTS
    assert len(one.silences) <= table_module.MAX_SILENCES
    for key in one.alerts:
        assert len(one.of(key.address)) <= table_module.MAX_OF_NODE
        told = {e.channel for e in one.entries(key) if isinstance(e, Delivery)}
        assert len(told) <= table_module.MAX_CHANNELS
    other = table()
    for name in [*one.alerts, *one.silences]:
        tell(other, one.entries(name))
    assert other.digest == one.digest


@examples(100)
@given(st.lists(entries, max_size=16), st.randoms())
def test_alerts_make_the_same_table_in_any_order_if_they_are_told_again_and_again(
    told: list[Entry], chance: random.Random
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL.items():
            patch.setattr(table_module, name, value)
        first, second = table(), table()
        tell_again_and_again(first, told)
        chance.shuffle(told)
        tell_again_and_again(second, told)
        assert contents(first) == contents(second)
        assert first.digest == second.digest
        check(first)
        check(second)


@examples(100)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.lists(entries, max_size=8)), max_size=9),
)
def test_tables_agree_once_they_have_told_each_other_all_that_they_lack(
    told: list[tuple[int, list[Entry]]],
) -> None:
    tables = [table() for _ in range(3)]
    for number, some in told:
        tell(tables[number], some)
    for _ in range(4):
        for one in tables:
            for other in tables:
                for name in one.beyond(other.have()):
                    tell(other, one.entries(name))
    assert len({one.digest for one in tables}) == 1
    assert all(not one.beyond(tables[0].have()) for one in tables)


@examples(60)
@given(st.lists(entries, max_size=12), st.lists(entries, max_size=4))
def test_a_table_that_lacks_only_the_latest_is_told_only_that(
    told: list[Entry], latest: list[Entry]
) -> None:
    first, second = table(), table()
    tell_again_and_again(first, told)
    tell_again_and_again(second, told)
    tell(first, latest)
    if first.digest != second.digest:
        lacking = first.since(second.digest)
        assert lacking is not None
        for name in lacking:
            tell(second, first.entries(name))
    assert second.digest == first.digest


@examples(60)
@given(
    st.fixed_dictionaries(
        {
            "alerts": st.lists(alerts() | odd_values, max_size=3),
            "deliveries": st.lists(deliveries | odd_values, max_size=3),
            "silences": st.lists(silences | odd_values, max_size=3),
        }
    ).flatmap(lambda fields: documents(st.just(fields)))
)
def test_whatever_a_peer_sends_the_table_takes_what_is_valid_and_keeps_its_bounds(
    text: bytes,
) -> None:
    one = table()
    replica = AlertReplica(one, lambda names, alerts: None)
    with suppress(WireError):
        taken = replica.take(decode_peer_answer(text), 100)
        assert taken.examined <= 9
    check(one)
