"""What a certificate says: Python's ssl tells it only of one that it has verified."""

import ipaddress
import re
import ssl
import time
from calendar import timegm

from msgspec import Struct

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)

_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION, _EXTENSIONS = 0x30, 0x17, 0x18, 0xA0, 0xA3
_DNS_NAME, _IP_ADDRESS, _OCTETS = 0x82, 0x87, 0x04
_SUBJECT_ALT_NAME = b"\x55\x1d\x11"
"""The content of the object identifier 2.5.29.17."""


class Certificate(Struct, frozen=True):
    """One certificate: ``issuer`` and ``subject`` as DER, the validity in Unix seconds.

    ``hosts`` are the DNS names and IP addresses that it is for.
    """

    issuer: bytes
    subject: bytes
    not_before: float
    not_after: float
    hosts: tuple[str, ...] = ()


def read_certificates(path: str) -> list[Certificate]:
    """The certificates in a PEM file, without those that cannot be read."""
    try:
        with open(path, encoding="latin-1") as file:
            pems = _PEM.findall(file.read())
    except OSError:
        return []
    found = []
    for pem in pems:
        try:
            found.append(parse(ssl.PEM_cert_to_DER_cert(pem)))
        except (ValueError, IndexError):
            continue
    return found


def expiry(path: str) -> float | None:
    """When the first of the certificates in a PEM file expires, in Unix seconds; None if unknown."""
    return min((one.not_after for one in read_certificates(path)), default=None)


def authority_expiry(cert: str, ca: str | None) -> float | None:
    """When the authority in the file ``ca`` expires that issued a certificate in ``cert``.

    Of several such, as while one replaces another, the last. None if it is not there, as where the
    system's authorities are trusted.
    """
    if ca is None:
        return None
    issuers = {one.issuer for one in read_certificates(cert)}
    ends = (one.not_after for one in read_certificates(ca) if one.subject in issuers)
    return max(ends, default=None)


def parse(der: bytes) -> Certificate:
    """Read a certificate (RFC 5280, section 4.1). Raises ValueError or IndexError if it is none."""
    _, at, _ = _element(der, _element(der, 0, _SEQUENCE)[1], _SEQUENCE)
    tag, _, end = _element(der, at)
    if tag == _VERSION:
        at = end
    for _ in ("serial number", "signature"):
        at = _element(der, at)[2]
    _, start, at = _element(der, at, _SEQUENCE)
    issuer = der[start:at]
    _, start, after = _element(der, at, _SEQUENCE)
    not_before, middle = _time(der, start)
    not_after, _ = _time(der, middle)
    _, start, at = _element(der, after, _SEQUENCE)
    return Certificate(issuer, der[start:at], not_before, not_after, tuple(_hosts(der, at)))


def _hosts(der: bytes, at: int) -> list[str]:
    """The names in the extensions, which come after the key at an index, if there are any."""
    at = _element(der, at, _SEQUENCE)[2]
    while at < len(der):
        tag, start, at = _element(der, at)
        if tag == _EXTENSIONS:
            return _alternative_names(der, *_element(der, start, _SEQUENCE)[1:])
        if tag == _SEQUENCE:  # the signature: there are none
            break
    return []


def _alternative_names(der: bytes, at: int, end: int) -> list[str]:
    found = []
    while at < end:
        _, start, at = _element(der, at, _SEQUENCE)
        _, identifier, value = _element(der, start)
        if der[identifier:value] != _SUBJECT_ALT_NAME:
            continue
        tag, start, after = _element(der, value)
        if tag != _OCTETS:  # whether it is critical
            _, start, _ = _element(der, after, _OCTETS)
        _, name, last = _element(der, start, _SEQUENCE)
        while name < last:
            tag, start, name = _element(der, name)
            if tag == _DNS_NAME:
                found.append(der[start:name].decode("ascii"))
            elif tag == _IP_ADDRESS:
                found.append(str(ipaddress.ip_address(der[start:name])))
    return found


def _time(der: bytes, at: int) -> tuple[float, int]:
    """The time at an index, and where it ends."""
    tag, start, end = _element(der, at)
    if tag not in (_UTC_TIME, _GENERALIZED_TIME):
        raise ValueError("no time where the validity should be")
    text = der[start:end].decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    return timegm(time.strptime(text, "%Y%m%d%H%M%SZ")), end


def _element(der: bytes, at: int, expected: int | None = None) -> tuple[int, int, int]:
    """The tag of the DER element at an index, and where its content begins and ends."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length >= 0x80:
        size = length - 0x80
        length, start = int.from_bytes(der[start : start + size]), start + size
    if expected is not None and tag != expected:
        raise ValueError(f"expected the tag {expected:#x}, got {tag:#x}")
    if start + length > len(der):
        raise ValueError("it is cut")
    return tag, start, start + length
