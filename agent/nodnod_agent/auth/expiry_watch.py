"""Warns of certificates that expire: when they are loaded, and once a day."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from nodnod_agent.auth.tls import TlsContexts
from nodnod_agent.core.interfaces import Clock, Timer
from nodnod_agent.core.membership.table import DAY
from nodnod_client.tls import NOT_ACCEPTED

WARN_BEFORE = 30 * DAY
"""Seconds before its end from which on a certificate is warned of."""

_NEW_CERTIFICATE = "`nodnod tls node NAME ADDRESS…` makes a new one, and SIGHUP has it read"
_NEW_AUTHORITY = (
    "`nodnod tls init` makes a new one, which all agents and clients need, and new certificates"
)

log = logging.getLogger("nodnod")


class ExpiryWatch:
    """Watches the certificates in use; ``clock`` plans the days, ``wall`` tells Unix seconds."""

    def __init__(self, clock: Clock, wall: Callable[[], float]) -> None:
        self._clock = clock
        self._wall = wall
        self._tls: TlsContexts | None = None
        self._timer: Timer | None = None

    def use(self, tls: TlsContexts | None) -> None:
        """Watch these from now on, instead of those before."""
        self.stop()
        self._tls = tls
        if tls is not None:
            if tls.refused_by_newer:
                text = "Agents and clients on Python 3.13 or newer refuse tls.cert: %s"
                log.warning(text, tls.refused_by_newer.removeprefix(f"{NOT_ACCEPTED}: "))
            self._warn()

    def stop(self) -> None:
        """Warn no more."""
        if self._timer is not None:
            self._timer.cancel()

    @property
    def ends(self) -> dict[str, float]:
        """When each certificate expires, in Unix seconds, by its setting; without unknown ones."""
        if self._tls is None:
            return {}
        ends = {"tls.cert": self._tls.expires, "tls.ca": self._tls.authority_expires}
        return {setting: end for setting, end in ends.items() if end is not None}

    def _warn(self) -> None:
        for setting, end in self.ends.items():
            left = end - self._wall()
            if left < WARN_BEFORE:
                what, remedy = (
                    ("The certificate in tls.cert", _NEW_CERTIFICATE)
                    if setting == "tls.cert"
                    else ("The authority in tls.ca", _NEW_AUTHORITY)
                )
                log.warning("%s %s; %s", what, ending(end, self._wall()), remedy)
        self._timer = self._clock.call_at(self._clock.time() + DAY, self._warn)


def ending(end: float, now: float) -> str:
    """When a certificate expires or has expired, with the date; both times in Unix seconds."""
    day = f"{datetime.fromtimestamp(end, UTC):%Y-%m-%d}"
    if end <= now:
        return f"has expired on {day}"
    days = int((end - now) / DAY)
    return f"expires in {days} day{'' if days == 1 else 's'}, on {day}"
