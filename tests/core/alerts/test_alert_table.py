"""The alert table: what an agent takes of others, what it refuses, and what it forgets."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from core.alerts.alert_strategies import ADDRESSES, CHANNELS, DAY, NOW, member
from nodnod_agent.core.alerts import table as table_module
from nodnod_agent.core.alerts.entries import Key, key_of
from nodnod_agent.core.alerts.table import (
    HAS_LEFT,
    KEPT_RESOLVED,
    LEFT_GRACE,
    LONGEST_SILENCE,
    MAX_CHANNELS,
    MAX_OF_NODE,
    AlertTable,
)
from nodnod_agent.core.membership.table import EntryRefused
from nodnod_client.alerts import Alert, Delivery, Silence
from nodnod_client.messages import MemberEntry

FIRST, SECOND, _ = ADDRESSES
CHANNEL = CHANNELS[0]


class World:
    """The time, and the members that have left."""

    def __init__(self) -> None:
        self.now = NOW
        self.left: dict[str, float] = {}

    def member(self, address: str) -> MemberEntry | None:
        entry = member(address)
        if entry is not None and address in self.left:
            return replace(entry, state="left", since=self.left[address])
        return entry


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def table(world: World) -> AlertTable:
    return AlertTable(world.member, lambda: world.now)


def alert(epoch: int = 10, **more: Any) -> Alert:
    fields = {
        "node": "n0",
        "address": FIRST,
        "rule": "disk",
        "epoch": epoch,
        "state": "firing",
        "severity": "warning",
        "since": NOW,
    }
    return Alert(**fields | more)  # type: ignore[arg-type]


def delivery(state: str = "sent", epoch: int = 10, **more: Any) -> Delivery:
    fields = {
        "address": FIRST,
        "rule": "disk",
        "epoch": epoch,
        "channel": CHANNEL,
        "state": state,
        "by": SECOND,
        "at": NOW,
    }
    return Delivery(**fields | more)  # type: ignore[arg-type]


def silence(**more: Any) -> Silence:
    fields = {"id": "00000001", "until": NOW + 60, "at": NOW}
    return Silence(**fields | more)  # type: ignore[arg-type]


KEY = key_of(alert())


def test_an_alert_is_news_once(table: AlertTable) -> None:
    assert table.merge(alert()) == KEY
    assert table.merge(alert()) is None
    assert table.alerts == {KEY: alert()}


@pytest.mark.parametrize(
    ("known", "told", "is_news"),
    [
        (alert(11), alert(10, severity="critical"), False),
        (alert(11), alert(12, state="resolved"), True),
        (alert(11, since=NOW), alert(11, since=NOW - 1), True),
        (alert(11, since=NOW - 1), alert(11, since=NOW), False),
        (alert(11, text="b"), alert(11, text="a"), True),
    ],
    ids=["older", "newer", "as new, and earlier", "as new, and later", "as new, another text"],
)
def test_the_higher_epoch_is_right_and_of_equal_ones_all_take_the_same(
    table: AlertTable, known: Alert, told: Alert, is_news: bool
) -> None:
    table.merge(known)
    assert (table.merge(told) is not None) == is_news
    assert table.alerts[KEY] == (told if is_news else known)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (alert(value=float("nan")), "`value` is nan, which is no number"),
        (alert(threshold=float("-inf")), "`threshold` is -inf, which is no number"),
        (alert(since=float("inf")), "`since` is inf, which is no number"),
        (alert(since=NOW + 2 * DAY), "`since` is more than a day in the future"),
        (alert(int((NOW + 2 * DAY) * 1000)), "`epoch` is more than a day in the future"),
        (alert(node="n1"), "`node` is 'n1', but 'n0' is at 10.0.0.1:7070"),
        (alert(address="10.9.9.9:7070"), "`address` is of no known node"),
        (alert(text="\x1b[2J"), "`text` is not printable"),
        (alert(object="/a\nb"), "`object` is not printable"),
        (alert(rule="\u202e"), "`rule` is not printable"),
        (delivery(at=NOW + 2 * DAY), "`at` is more than a day in the future"),
        (delivery(at=float("nan")), "`at` is more than a day in the future"),
        (delivery(by="\0"), "`by` is not printable"),
        (silence(until=NOW + 2 * LONGEST_SILENCE), "`until` is more than a year in the future"),
        (silence(reason="\0"), "`reason` is not printable"),
    ],
)
def test_what_is_not_valid_is_refused_with_its_field(
    table: AlertTable, entry: Any, reason: str
) -> None:
    table.merge(alert(9))
    if isinstance(entry, Delivery):
        table.merge(alert())
    before = table.digest
    with pytest.raises(EntryRefused) as e:
        table.merge(entry)
    assert reason in str(e.value)
    assert table.digest == before


def test_an_alert_of_before_the_node_was_renamed_is_taken(table: AlertTable) -> None:
    assert table.merge(alert(3, node="old name")) == KEY


def test_of_the_alerts_of_a_node_the_oldest_that_is_over_goes_first(table: AlertTable) -> None:
    for number in range(MAX_OF_NODE):
        table.merge(alert(number + 10, object=f"/{number}"))
    table.merge(alert(200, object="/5", state="resolved"))
    table.merge(alert(100, object="/more"))
    assert Key(FIRST, "disk", "/5") not in table.alerts
    table.merge(alert(101, object="/another"))
    assert Key(FIRST, "disk", "/0") not in table.alerts
    assert len(table.of(FIRST)) == MAX_OF_NODE
    assert table.merge(alert(10, object="/0")) is None
    assert table.merge(alert(15, object="/5")) is None, "it fired before it was over"


def test_ten_thousand_objects_of_one_node_push_out_no_alert_of_another(table: AlertTable) -> None:
    table.merge(alert(1, node="n1", address=SECOND, state="resolved"))
    for number in range(10_000):
        table.merge(alert(number + 10, object=f"/{number}"))
    assert len(table.of(FIRST)) == MAX_OF_NODE
    assert len(table.of(SECOND)) == 1


def test_in_a_full_table_the_oldest_that_is_over_goes_first(
    table: AlertTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_module, "MAX_ALERTS", 3)
    for number in range(4):
        table.merge(alert(20 - number, object=f"/{number}", state="resolved"))
    assert {key.object for key in table.alerts} == {"/0", "/1", "/2"}
    table.merge(alert(1, object="/fires"))
    assert {key.object for key in table.alerts} == {"/0", "/1", "/fires"}


def told(table: AlertTable) -> list[str]:
    return [
        f"{one.state} {one.epoch} {one.round} {one.alert}"
        for one in table.entries(KEY)
        if isinstance(one, Delivery)
    ]


@pytest.mark.parametrize(
    ("deliveries", "kept"),
    [
        ([delivery("claim"), delivery("sent")], ["sent 10 0 firing"]),
        ([delivery("sent"), delivery("claim", at=NOW + 9)], ["sent 10 0 firing"]),
        ([delivery("claim"), delivery("failed", at=NOW + 1)], ["failed 10 0 firing"]),
        ([delivery("claim"), delivery("claim", at=NOW - 1, by=FIRST)], ["claim 10 0 firing"]),
        (
            [delivery("sent"), delivery("claim", round=1)],
            ["sent 10 0 firing", "claim 10 1 firing"],
        ),
        ([delivery("claim", 9), delivery("failed", 8)], ["claim 9 0 firing"]),
        (
            [delivery("claim", 9), delivery("claim", alert="resolved")],
            ["claim 9 0 firing", "claim 10 0 resolved"],
        ),
        ([delivery("sent", 11)], []),
    ],
)
def test_of_what_was_told_the_table_keeps_the_last(
    table: AlertTable, deliveries: list[Delivery], kept: list[str]
) -> None:
    table.merge(alert())
    for one in deliveries:
        table.merge(one)
    assert told(table) == kept
    for one in deliveries:
        assert table.merge(one) is None


@pytest.mark.parametrize(
    ("deliveries", "is_known"),
    [
        ([], False),
        ([delivery("sent")], True),
        ([delivery("claim")], True),
        ([delivery("failed")], False),
        ([delivery("failed", doubt=True)], True),
        ([delivery("failed", doubt=True), delivery("sent", alert="resolved")], False),
        ([delivery("sent", 9), delivery("sent", alert="resolved")], False),
        ([delivery("sent", 9), delivery("claim", alert="resolved")], True),
    ],
)
def test_people_may_know_of_a_problem_whose_message_was_claimed_and_not_more(
    table: AlertTable, deliveries: list[Delivery], is_known: bool
) -> None:
    table.merge(alert())
    for one in deliveries:
        table.merge(one)
    assert table.told(KEY, CHANNEL).is_known == is_known


def test_a_delivery_without_its_alert_waits_for_it(table: AlertTable) -> None:
    assert table.merge(delivery()) is None
    table.merge(alert())
    assert table.merge(delivery()) == KEY


def test_deliveries_are_kept_for_a_few_channels(table: AlertTable) -> None:
    table.merge(alert())
    for number in range(40):
        table.merge(delivery(channel=f"{number * 7 % 40:016x}"))
    kept = [one.channel for one in table.entries(KEY) if isinstance(one, Delivery)]
    assert sorted(kept) == [f"{number:016x}" for number in range(40 - MAX_CHANNELS, 40)]


def test_an_alert_that_is_over_is_forgotten_after_a_day_and_not_learned_again(
    table: AlertTable, world: World
) -> None:
    over = alert(12, state="resolved")
    table.merge(over)
    table.merge(delivery("sent", 12))
    world.now += KEPT_RESOLVED + 1
    assert table.expire() == [KEY]
    assert table.alerts == {}
    assert table.merge(over) is None
    assert table.digest == AlertTable(world.member, lambda: NOW).digest


def test_an_alert_of_a_time_when_the_clock_was_days_ahead_gives_way(
    table: AlertTable, world: World
) -> None:
    world.now += 2 * DAY
    ahead = int(world.now * 1000)
    table.merge(alert(ahead))
    table.merge(delivery("sent", ahead))
    world.now -= 2 * DAY
    assert table.merge(alert(12)) == KEY
    assert table.alerts[KEY].epoch == 12
    assert told(table) == []


def test_an_alert_of_a_time_when_the_clock_was_days_ahead_is_forgotten(
    table: AlertTable, world: World
) -> None:
    world.now += 2 * DAY
    table.merge(alert(int(world.now * 1000)))
    world.now -= 2 * DAY
    assert table.expire() == [KEY]
    assert table.alerts == {}


def test_the_alerts_of_a_node_that_left_end_alike_at_all_agents(world: World) -> None:
    tables = [AlertTable(world.member, lambda: world.now) for _ in range(2)]
    world.left[FIRST] = NOW + 1
    for table, delay in zip(tables, (1, 40), strict=True):
        table.merge(alert())
        world.now = NOW + LEFT_GRACE - 10
        assert table.expire() == []
        world.now = NOW + LEFT_GRACE + delay + 1
        assert table.expire() == [KEY]
    assert tables[0].digest == tables[1].digest
    (over,) = tables[0].of(FIRST)
    assert (over.state, over.epoch, over.since, over.text) == ("resolved", 11, NOW + 1, HAS_LEFT)


def test_the_alerts_of_a_node_that_is_forgotten_go(table: AlertTable) -> None:
    table.merge(alert())
    table.merge(delivery())
    table.merge(alert(node="n1", address=SECOND))
    table.forget(FIRST)
    assert list(table.alerts) == [Key(SECOND, "disk", "")]
    assert told(table) == []


def test_a_silence_that_was_ended_is_not_made_again_and_forgotten_when_it_would_have_ended(
    table: AlertTable, world: World
) -> None:
    table.merge(silence())
    assert table.merge(silence(ended=True)) == "00000001"
    assert table.merge(silence(at=NOW + 1)) is None
    world.now += 61
    table.expire()
    assert table.silences == {}
    assert table.merge(silence()) is None


def test_of_too_many_silences_the_soonest_to_end_goes(
    table: AlertTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_module, "MAX_SILENCES", 2)
    for number, seconds in enumerate((50, 20, 90, 30)):
        table.merge(silence(id=f"0000000{number}", until=NOW + seconds))
    assert sorted(one.until - NOW for one in table.silences.values()) == [50, 90]


def test_of_too_many_silences_those_that_were_ended_go_first(
    table: AlertTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_module, "MAX_SILENCES", 2)
    long = silence(until=NOW + 90)
    for one in (long, silence(id="00000002", until=NOW + 50), replace(long, ended=True)):
        table.merge(one)
    assert table.merge(silence(id="00000003", until=NOW + 20)) == "00000003"
    assert list(table.silences) == ["00000002", "00000003"]
    assert table.merge(long) is None


@pytest.mark.parametrize("change", [lambda t: t.merge(silence()), lambda t: t.merge(alert(11))])
def test_a_peer_that_lacks_only_the_latest_gets_that(
    table: AlertTable, change: Callable[[AlertTable], Any]
) -> None:
    table.merge(alert())
    before = table.digest
    name = change(table)
    assert table.since(before) == [name]
    assert table.since("0" * 16) is not None
    assert table.since("f" * 16) is None


def test_what_another_table_lacks_is_told_the_most_important_first(table: AlertTable) -> None:
    other = AlertTable(member, lambda: NOW)
    for one in (alert(5), alert(6, object="/new"), alert(9, object="/over", state="resolved")):
        table.merge(one)
    table.merge(silence())
    other.merge(alert(5))
    names = table.beyond(other.have())
    assert names == ["00000001", Key(FIRST, "disk", "/new"), Key(FIRST, "disk", "/over")]
    assert other.beyond(table.have()) == []
