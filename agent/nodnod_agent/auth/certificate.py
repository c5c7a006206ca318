"""When a certificate expires: the one thing that Python's ssl does not tell of one's own."""

import re
import ssl
import time
from calendar import timegm

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)

_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0


def expiry(path: str) -> float | None:
    """When the first of the certificates in a PEM file expires, in Unix seconds; None if unknown."""
    try:
        with open(path, encoding="latin-1") as file:
            found = _PEM.findall(file.read())
        return min(not_after(ssl.PEM_cert_to_DER_cert(pem)) for pem in found)
    except (OSError, ValueError, IndexError):
        return None


def not_after(der: bytes) -> float:
    """The end of a certificate's validity (RFC 5280, section 4.1), in Unix seconds.

    Raises ValueError or IndexError if it is no certificate.
    """
    _, at, _ = _element(der, _element(der, 0, _SEQUENCE)[1], _SEQUENCE)
    tag, _, end = _element(der, at)
    if tag == _VERSION:
        at = end
    for _ in ("serial number", "signature", "issuer"):
        at = _element(der, at)[2]
    _, at, _ = _element(der, at, _SEQUENCE)
    _, _, at = _element(der, at)  # not before
    tag, start, end = _element(der, at)
    if tag not in (_UTC_TIME, _GENERALIZED_TIME):
        raise ValueError("no time where the end of the validity should be")
    text = der[start:end].decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    return timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))


def _element(der: bytes, at: int, expected: int | None = None) -> tuple[int, int, int]:
    """The tag of the DER element at an index, and where its content begins and ends."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length >= 0x80:
        size = length - 0x80
        length, start = int.from_bytes(der[start : start + size]), start + size
    if expected is not None and tag != expected:
        raise ValueError(f"expected the tag {expected:#x}, got {tag:#x}")
    return tag, start, start + length
