"""When certificates expire, and whom they name, from their bytes."""

import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from nodnod_agent.auth.certificate import expiry, parse, read_certificates

PEM = trustme.CA().issue_cert("a.example", "10.0.0.5").cert_chain_pems[0].bytes()


def certificate(*ends: datetime) -> bytes:
    """A PEM file with one certificate for each end."""
    authority = trustme.CA()
    return b"".join(
        authority.issue_cert("a.example", not_before=end - timedelta(days=9), not_after=end)
        .cert_chain_pems[0]
        .bytes()
        for end in ends
    )


@pytest.mark.parametrize("year", [1999, 2038, 2049, 2050, 9999])
def test_the_end_of_a_certificate_is_read_in_both_formats_of_time(
    year: int, tmp_path: Path
) -> None:
    end = datetime(year, 12, 30, 23, 59, 58, tzinfo=UTC)
    (tmp_path / "a.pem").write_bytes(certificate(end))
    assert expiry(str(tmp_path / "a.pem")) == end.timestamp()


def test_of_several_certificates_the_first_to_expire_counts(tmp_path: Path) -> None:
    ends = [datetime(year, 1, 1, tzinfo=UTC) for year in (2040, 2030, 2035)]
    (tmp_path / "a.pem").write_bytes(b"text\n" + certificate(*ends))
    assert expiry(str(tmp_path / "a.pem")) == ends[1].timestamp()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nMAAwMDAw\n-----END CERTIFICATE-----\n",
        certificate(datetime(2030, 1, 1, tzinfo=UTC))[:200] + b"\n-----END CERTIFICATE-----\n",
    ],
)
def test_of_what_is_no_certificate_the_end_is_unknown(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_bytes(content)
    assert expiry(str(tmp_path / "a.pem")) is None
    assert expiry(str(tmp_path / "missing.pem")) is None


def test_the_names_and_addresses_of_a_certificate_are_read(tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("a.example", "10.0.0.5", "fd00::5", common_name="a")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "a.pem")
    (found,) = read_certificates(str(tmp_path / "a.pem"))
    assert found.hosts == ("a.example", "10.0.0.5", "fd00::5")


def test_a_certificate_without_names_has_none(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    (found,) = read_certificates(str(tmp_path / "ca.pem"))
    assert found.hosts == ()
    assert found.issuer == found.subject


@given(st.integers(0, 800), st.binary(max_size=9))
def test_any_change_of_a_certificate_is_read_or_refused(place: int, instead: bytes) -> None:
    der = ssl.PEM_cert_to_DER_cert(PEM.decode())
    with suppress(ValueError, IndexError):
        parse(der[:place] + instead + der[place + len(instead) :])
