"""The service units of systemd, over D-Bus: how many there are, and those that are in trouble.

Interface: org.freedesktop.systemd1(5). Any user may ask. Import this module only when it is needed,
see ``system_bus``.
"""

import time
from typing import Any, NamedTuple

from jeepney import DBusAddress

from nodnod_agent.collectors.kernel_files import text
from nodnod_agent.collectors.plausible import within
from nodnod_agent.collectors.system_bus import BusError, SystemBus
from nodnod_client.sections import ServiceProblem

MAX_PROBLEMS = 20
"""Units in trouble that are described: one call each, and five more if it is new (0.7 ms)."""

SLOW_START = 30.0
"""Seconds from which a unit that is still activating is in trouble."""

COUNT_EVERY = 10.0
"""Seconds between two countings of all units, which take systemd and this agent some milliseconds."""

_NAME = "org.freedesktop.systemd1"
_MANAGER = DBusAddress("/org/freedesktop/systemd1", _NAME, f"{_NAME}.Manager")
_UNIT = f"{_NAME}.Unit"
_SERVICE = f"{_NAME}.Service"

_EXITED, _KILLED, _DUMPED = 1, 2, 3
"""``ExecMainCode``: the ``si_code`` of waitid(2)."""


class UnitsReport(NamedTuple):
    """How many service units are ``loaded``, how many of those ``failed``."""

    loaded: int
    failed: int
    problems: list[ServiceProblem]


class _Listed(NamedTuple):
    """One unit, as ListUnitsByPatterns returns it."""

    name: str
    description: str
    load_state: str
    active_state: str
    sub_state: str
    following: str
    path: str
    job_id: int
    job_type: str
    job_path: str


class SystemdUnits:
    """A connection to systemd; close it after any error."""

    def __init__(self, deadline: float) -> None:
        """Connect by ``deadline`` on the clock of ``time.monotonic``. Raises OSError, BusError."""
        self._bus = SystemBus(deadline)
        self._count = 0
        self._counted_at: float | None = None
        self._known: dict[str, tuple[str, float, ServiceProblem]] = {}
        """Name of a unit in trouble -> its state, since when, and its row."""

    def read(self, deadline: float) -> UnitsReport:
        """The units now. Raises OSError, BusError."""
        now = time.monotonic()
        if self._counted_at is None or now >= self._counted_at + COUNT_EVERY:
            loaded = [one for one in self._list([], deadline) if one.load_state != "not-found"]
            self._count, self._counted_at = len(loaded), now
        found = self._list(["failed", "activating"], deadline)
        failed = [unit for unit in found if unit.active_state == "failed"]
        # The failed ones first: there may be more than are described.
        starting = [unit for unit in found if unit.active_state != "failed"]
        described = [*sorted(failed), *sorted(starting)][:MAX_PROBLEMS]
        rows = [self._problem(unit, deadline) for unit in described]
        names = {unit.name for unit in described}
        self._known = {name: row for name, row in self._known.items() if name in names}
        return UnitsReport(self._count, len(failed), [row for row in rows if row is not None])

    def close(self) -> None:
        """End the connection."""
        self._bus.close()

    def _list(self, states: list[str], deadline: float) -> list[_Listed]:
        arguments = (states, ["*.service"])
        (units,) = self._bus.call(_MANAGER, "ListUnitsByPatterns", "asas", arguments, deadline)
        return [_Listed(*unit) for unit in units]

    def _problem(self, unit: _Listed, deadline: float) -> ServiceProblem | None:
        """The row of a unit; None if it only takes a moment to start."""
        name = text(unit.name)
        failed = unit.active_state == "failed"
        state = "failed" if failed else text(unit.sub_state)
        try:
            entered = "InactiveEnterTimestamp" if failed else "InactiveExitTimestamp"
            since = self._number(unit, _UNIT, entered, deadline) / 1e6
            if not (failed or restarts(state) or slow(since)):
                return None
            *same, row = self._known.get(unit.name, (None, None, None))
            if row is not None and same == [state, since]:
                return row
            result = self._get(unit, _SERVICE, "Result", deadline)
            code = self._number(unit, _SERVICE, "ExecMainCode", deadline)
            status = self._number(unit, _SERVICE, "ExecMainStatus", deadline)
            row = ServiceProblem(
                name=name,
                state=state,
                since=since or None,
                result=text(str(result)),
                restarts=within(0, self._number(unit, _SERVICE, "NRestarts", deadline), 2**32),
                exit_status=status if code == _EXITED else None,
                signal=status if code in (_KILLED, _DUMPED) else None,
            )
            self._known[unit.name] = state, since, row
            return row
        except BusError as error:  # it has gone, or this systemd lacks a property
            return ServiceProblem(name, state, None, "", None, None, None, error=str(error)[:200])

    def _number(self, unit: _Listed, interface: str, name: str, deadline: float) -> int:
        return int(self._get(unit, interface, name, deadline))

    def _get(self, unit: _Listed, interface: str, name: str, deadline: float) -> Any:
        address = DBusAddress(unit.path, _NAME, "org.freedesktop.DBus.Properties")
        ((_, value),) = self._bus.call(address, "Get", "ss", (interface, name), deadline)
        return value


def restarts(state: str) -> bool:
    """Whether a service waits for its next start after a failure; newer versions add a suffix."""
    return state.startswith("auto-restart")


def slow(since: float) -> bool:
    """Whether a unit has been starting for long since then, in Unix seconds; 0 is never."""
    return since > 0 and time.time() - since >= SLOW_START
