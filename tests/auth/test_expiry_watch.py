"""Warnings of certificates that expire, over days that pass on a fake clock."""

import ssl

import pytest

from nodnod_agent.auth.expiry_watch import ExpiryWatch
from nodnod_agent.auth.tls import TlsContexts
from nodnod_agent.core.membership.table import DAY
from simulation.clock import FakeClock

NOW = 1_800_000_000.0  # 2027-01-15 08:00 UTC
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Watched:
    """A watch whose two clocks run together, and what it logs."""

    def __init__(self, log: pytest.LogCaptureFixture) -> None:
        self.clock = FakeClock()
        began = self.clock.time()
        self.watch = ExpiryWatch(self.clock, lambda: NOW + self.clock.time() - began)
        self._log = log

    def use(self, cert: float | None, ca: float | None = None, refused: str = "") -> None:
        """Use certificates that expire after so many days."""
        ends = (None if days is None else NOW + days * DAY for days in (cert, ca))
        self.watch.use(TlsContexts(CONTEXT, CONTEXT, *ends, refused))

    def said(self) -> list[str]:
        texts = [record.getMessage() for record in self._log.records]
        self._log.clear()
        return texts


@pytest.fixture
def watched(caplog: pytest.LogCaptureFixture) -> Watched:
    return Watched(caplog)


def test_a_certificate_that_lasts_is_not_warned_of(watched: Watched) -> None:
    watched.use(31, 365)
    assert watched.said() == []


def test_one_that_expires_soon_is_warned_of_at_once_and_once_a_day(watched: Watched) -> None:
    watched.use(29.5)
    assert watched.said() == [
        "The certificate in tls.cert expires in 29 days, on 2027-02-13; "
        "`nodnod tls node NAME ADDRESS…` makes a new one, and SIGHUP has it read"
    ]
    for left in (28, 27):
        watched.clock.advance(DAY)
        (text,) = watched.said()
        assert f"expires in {left} days" in text


def test_one_that_has_expired_is_named_with_the_date(watched: Watched) -> None:
    watched.use(1.5)
    assert "expires in 1 day, on 2027-01-16" in watched.said()[0]
    watched.clock.advance(2 * DAY)
    assert "has expired on 2027-01-16" in watched.said()[-1]


def test_the_authority_is_warned_of_too(watched: Watched) -> None:
    watched.use(None, 3)
    (text,) = watched.said()
    assert text.startswith(
        "The authority in tls.ca expires in 3 days, on 2027-01-18; `nodnod tls init`"
    )


def test_a_renewed_certificate_ends_the_warnings(watched: Watched) -> None:
    watched.use(5)
    watched.use(500)
    watched.said()
    watched.clock.advance(3 * DAY)
    assert watched.said() == []


@pytest.mark.parametrize("end", ["stop", "turned off"])
def test_without_certificates_there_is_no_warning(watched: Watched, end: str) -> None:
    watched.use(5)
    watched.said()
    watched.watch.stop() if end == "stop" else watched.watch.use(None)
    watched.clock.advance(3 * DAY)
    assert watched.said() == []


def test_what_newer_pythons_refuse_is_said_once(watched: Watched) -> None:
    watched.use(500, None, "its certificate is not accepted: no key usage: mend it")
    watched.clock.advance(3 * DAY)
    assert watched.said() == [
        "Agents and clients on Python 3.13 or newer refuse tls.cert: no key usage: mend it"
    ]


def test_the_known_ends_are_told_by_setting(watched: Watched) -> None:
    assert watched.watch.ends == {}
    watched.use(1, None)
    assert watched.watch.ends == {"tls.cert": NOW + DAY}
    watched.use(1, 2)
    assert watched.watch.ends == {"tls.cert": NOW + DAY, "tls.ca": NOW + 2 * DAY}
