"""The ``services`` section: the services of systemd in trouble, and what the top ones use."""

import os
import time
from collections.abc import Callable, Mapping
from heapq import nlargest
from typing import TYPE_CHECKING

from msgspec import UNSET

from nodnod_agent.collectors.processes import MIN_INTERVAL, NotReady
from nodnod_agent.collectors.service_groups import GroupUse, ServiceGroups, find_groups
from nodnod_agent.core.stats.rates import percent
from nodnod_client.sections import Services, ServiceUse

if TYPE_CHECKING:
    from nodnod_agent.collectors.systemd_units import SystemdUnits, UnitsReport

TOP = 10

DEADLINE = 0.5
"""Seconds for all calls of one reading: they take some milliseconds, but other sections wait."""

RETRY = 5.0
"""Seconds for which systemd is not asked after it did not answer. It is silent while it reloads."""


def booted() -> bool:
    """Whether systemd runs this machine: sd_booted(3)."""
    return os.path.isdir("/run/systemd/system")


def open_units(deadline: float) -> "SystemdUnits":
    """Connect to systemd. Raises OSError, BusError."""
    from nodnod_agent.collectors.systemd_units import SystemdUnits  # with the first request

    return SystemdUnits(deadline)


def service_uses(
    before: Mapping[str, GroupUse], after: Mapping[str, GroupUse], elapsed: float
) -> list[ServiceUse]:
    """What each service used since the reading before."""
    return [
        ServiceUse(name, _cpu(before.get(name), use, elapsed), use.memory)
        for name, use in after.items()
    ]


def _cpu(before: GroupUse | None, after: GroupUse, elapsed: float) -> float | None:
    """Percent of a core; None if it is not known yet. A restarted service counts from 0 again."""
    if before is None or before.cpu is None or after.cpu is None:
        return None
    return round(percent(max(0.0, after.cpu - before.cpu), elapsed), 1)


class ServicesCollector:
    """Keeps a connection to systemd between two readings. Without one, the numbers stand alone."""

    def __init__(
        self,
        *,
        booted: Callable[[], bool] = booted,
        open_units: Callable[[float], "SystemdUnits"] = open_units,
        find_groups: Callable[[], ServiceGroups] = find_groups,
    ) -> None:
        self._booted = booted
        self._open_units = open_units
        self._find_groups = find_groups
        self._units: SystemdUnits | None = None
        self._groups: ServiceGroups | None = None
        self._before: dict[str, GroupUse] = {}
        self._when: float | None = None
        self._silent_until = 0.0

    def read(self, now: float) -> Services | NotReady | None:
        """The section since the previous reading; NotReady at the first; None without systemd."""
        if not self._booted():
            return None
        when = self._when
        if when is not None and now - when < MIN_INTERVAL:
            return NotReady()
        errors = []
        uses: dict[str, GroupUse] = {}
        try:
            self._groups = self._groups or self._find_groups()
            uses = self._groups.read()
        except Exception as error:  # noqa: BLE001 - what systemd says must not be lost
            errors.append(f"control groups: {_words(error)}")
        before, self._before, self._when = self._before, uses, now
        if when is None:
            return NotReady()
        report = None
        try:
            report = self._report(now)
        except Exception as error:  # noqa: BLE001 - the numbers must not be lost
            errors.append(f"systemd: {_words(error)}")
        rows = service_uses(before, uses, now - when)
        return Services(
            count=report and report.loaded,
            failed=report and report.failed,
            problems=report.problems if report else [],
            by_cpu=nlargest(TOP, rows, key=lambda row: (row.cpu or 0.0, row.memory or 0)),
            by_memory=nlargest(TOP, rows, key=lambda row: row.memory or 0),
            error="; ".join(errors)[:300] if errors else UNSET,
        )

    def reset(self) -> None:
        """End the connection, and drop the previous reading."""
        units, self._units = self._units, None
        self._groups, self._before, self._when = None, {}, None
        if units is not None:
            units.close()

    def _report(self, now: float) -> "UnitsReport":
        silent = f"no answer within {DEADLINE:g} s; asked again after {RETRY:g} s"
        if now < self._silent_until:
            raise TimeoutError(silent)
        deadline = time.monotonic() + DEADLINE
        units = self._units
        try:
            if units is None:
                units = self._units = self._open_units(deadline)
            return units.read(deadline)
        except Exception as error:
            if self._units is not None:
                self._units.close()
            self._units = None
            if isinstance(error, TimeoutError):
                self._silent_until = now + RETRY
                raise TimeoutError(silent) from None
            raise


def _words(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__
