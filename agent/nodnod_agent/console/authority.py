"""A cluster's certificate authority: makes its certificate, and those of nodes, as PEM files.

They have every extension that RFC 5280 requires, because Python refuses others from 3.13 on
(VERIFY_X509_STRICT). Needs ``cryptography``, so it is imported only when a certificate is made.
"""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLOCKS_DIFFER = timedelta(hours=1)
"""How long ago a new certificate becomes valid, for machines whose clocks are behind."""

_PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_NO_USAGE = dict.fromkeys(
    (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    ),
    False,
)


class Issued(NamedTuple):
    """A certificate and its key in PEM form, and when it expires."""

    cert: bytes
    key: bytes
    expires: datetime


class Authority:
    """An authority that can issue certificates."""

    def __init__(self, cert: x509.Certificate, key: _PrivateKey) -> None:
        self._cert = cert
        self._key = key

    @classmethod
    def create(cls, name: str, days: int, now: datetime) -> Issued:
        """Make the certificate of a new authority, signed by itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        public = key.public_key()
        expires = now + timedelta(days=days)
        builder = (
            _builder(subject, subject, public, now, expires)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        )
        return Issued(_pem(builder.sign(key, SHA256())), _key_pem(key), expires)

    @classmethod
    def load(cls, cert: bytes, key: bytes) -> Self:
        """Read an authority from its files. Raises ValueError, which says what is wrong."""
        try:
            found = x509.load_pem_x509_certificate(cert)
        except ValueError:
            raise ValueError("ca.pem: no certificate in PEM form") from None
        try:
            secret = load_pem_private_key(key, None)
        except (TypeError, ValueError):
            raise ValueError("ca.key: no private key in PEM form without a password") from None
        if not isinstance(secret, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise ValueError("ca.key: expected a key for ECDSA or RSA")
        if secret.public_key() != found.public_key():
            raise ValueError("ca.key: is not the key of ca.pem")
        try:
            usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
            is_authority = usage.key_cert_sign
        except x509.ExtensionNotFound:
            is_authority = False
        if not is_authority:
            raise ValueError(
                "ca.pem: has no keyUsage keyCertSign, so Python 3.13 and newer refuse it: "
                "make a new one with `nodnod tls init`"
            )
        return cls(found, secret)

    def issue(self, name: str, hosts: Sequence[str], days: int, now: datetime) -> Issued:
        """Make a certificate for a node with these DNS names and IP addresses.

        It expires no later than the authority. Raises ValueError if that has expired.
        """
        expires = min(now + timedelta(days=days), self._cert.not_valid_after_utc)
        if expires <= now:
            raise ValueError(
                f"ca.pem: has expired on {expires:%Y-%m-%d}: `nodnod tls init` makes a new one"
            )
        key = ec.generate_private_key(ec.SECP256R1())
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            _builder(self._cert.subject, _name(name), key.public_key(), now, expires)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage(both), critical=False)
            .add_extension(self._identifier(), critical=False)
            .add_extension(x509.SubjectAlternativeName(map(_general_name, hosts)), critical=False)
        )
        return Issued(_pem(builder.sign(self._key, SHA256())), _key_pem(key), expires)

    def _identifier(self) -> x509.AuthorityKeyIdentifier:
        """How certificates name the key of the authority, which others may have made."""
        try:
            own = self._cert.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        except x509.ExtensionNotFound:
            return x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)


def now() -> datetime:
    """The time, in the whole seconds that a certificate has."""
    return datetime.now(UTC).replace(microsecond=0)


def _builder(
    issuer: x509.Name,
    subject: x509.Name,
    public: ec.EllipticCurvePublicKey,
    begins: datetime,
    expires: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins - CLOCKS_DIFFER)
        .not_valid_after(expires)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*allowed: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{**_NO_USAGE, **dict.fromkeys(allowed, True)})


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(cert: x509.Certificate) -> bytes:
    return cert.public_bytes(Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
