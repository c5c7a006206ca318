"""The alerts as clients see them: in order, with who was told of each, and what is silenced."""

from collections.abc import Callable, Mapping
from math import inf
from typing import NamedTuple

from nodnod_agent.core.alerts.entries import key_of
from nodnod_agent.core.alerts.silencing import Silencing
from nodnod_agent.core.alerts.table import AlertTable
from nodnod_agent.core.membership.roster import Roster
from nodnod_client.address import parse_address
from nodnod_client.alerts import Alert, AlertInfo, Delivery
from nodnod_client.codec import encode
from nodnod_client.errors import AddressError

SHOWN_RESOLVED = 3600.0
"""Seconds for which an alert is shown after its end."""


class Row(NamedTuple):
    """One alert: the ``address`` of its node, and its JSON."""

    alert: AlertInfo
    address: str
    text: bytes


class AlertView:
    """Makes the rows anew when the table, a name or the time has changed them."""

    def __init__(
        self, table: AlertTable, silencing: Silencing, roster: Roster, wall: Callable[[], float]
    ) -> None:
        self.labels: Mapping[str, str] = {}
        """What people call the channels of this agent, by their ids."""
        self._table = table
        self._silencing = silencing
        self._roster = roster
        self._wall = wall
        self._rows: list[Row] = []
        self._of: tuple[str, int, Mapping[str, str]] = "", 0, self.labels
        """Which table, names and labels the rows are of."""
        self._from, self._until = inf, -inf
        """When they are right, in Unix seconds."""

    @property
    def rows(self) -> list[Row]:
        """What fires, the worst and newest first, then what was over within the last hour."""
        now, of = self._wall(), (self._table.digest, self._roster.version, self.labels)
        if not self._from <= now < self._until or of != self._of:
            self._make(now)
            self._of = of
        return self._rows

    def _make(self, now: float) -> None:
        shown = [
            alert
            for alert in self._table.alerts.values()
            if alert.state == "firing" or alert.since > now - SHOWN_RESOLVED
        ]
        shown.sort(key=lambda one: (-one.since, one.node, one.rule, one.object))
        shown.sort(key=lambda one: (one.state != "firing", one.severity != "critical"))
        covers = self._silencing.covering()
        self._rows = [self._row(alert, silenced=covers(alert)) for alert in shown]
        ends = (one.since + SHOWN_RESOLVED for one in shown if one.state != "firing")
        self._from, self._until = now, min(self._silencing.next_end, min(ends, default=inf))

    def _row(self, alert: Alert, *, silenced: bool) -> Row:
        told = (
            self.labels.get(one.channel, one.channel)
            for one in self._table.entries(key_of(alert))
            if isinstance(one, Delivery) and one.state == "sent" and one.epoch == alert.epoch
        )
        info = AlertInfo(
            node=self._listed(alert),
            rule=alert.rule,
            object=alert.object,
            epoch=alert.epoch,
            severity=alert.severity,
            state=alert.state,
            value=alert.value,
            threshold=alert.threshold,
            since=alert.since,
            told=sorted(told),
            silenced=silenced,
            text=alert.text,
        )
        return Row(info, alert.address, encode(info))

    def _listed(self, alert: Alert) -> str:
        """The name by which answers list the node of an alert."""
        try:
            member = self._roster.members.get(parse_address(alert.address))
        except AddressError:
            member = None
        if member is None:
            return alert.node
        return (member.alias_of or member).listed or alert.node


def event_text(alert: Alert) -> str:
    """What an event says of a change of an alert: the event log tells by the beginning which alert."""
    what = f"{alert.rule} {alert.object}" if alert.object else alert.rule
    severity = f", {alert.severity}" if alert.state == "firing" else ""
    return f"{what}{severity}: {alert.text}"
