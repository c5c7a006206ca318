"""TLS for the side that connects: contexts, certificates, and errors as text."""

import re
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime

CLOSED_AFTER_TLS = "closed after the TLS handshake: it may require a certificate that it trusts"
"""The reason given for a TLS connection that ended before any byte was received.

With TLS 1.3 the client completes the handshake before the server has checked its certificate, and
few servers send the reason when they close.
"""

NOT_ACCEPTED = "its certificate is not accepted"
"""How the text of an error about the other side's certificate begins."""

# OpenSSL's reason -> its meaning for the side that connects.
_REASONS = {
    "WRONG_VERSION_NUMBER": "it does not speak TLS",
    "HTTP_REQUEST": "the other side does not speak TLS",
    "UNSUPPORTED_PROTOCOL": "no common TLS version: the oldest supported one is 1.2",
    "TLSV1_ALERT_PROTOCOL_VERSION": "no common TLS version: the oldest supported one is 1.2",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it requires a certificate",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the other side has no certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "the other side does not trust our certificate's authority",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the other side does not accept our certificate: its log says why",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "our certificate has expired, says the other side",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the other side does not accept our certificate: its log says why",
    "UNEXPECTED_EOF_WHILE_READING": "closed during the TLS handshake",
}

_NEW = "make a new one with `nodnod tls node NAME ADDRESS…`"
_OTHER_AUTHORITY = (
    "no authority that is trusted here (tls.ca of an agent, --ca of a command) issued it"
)
STRICT = range(80, 95)
"""What OpenSSL checks only under VERIFY_X509STRICT, which Python sets from 3.13 on."""

# OpenSSL's code of what is wrong with a certificate -> what to do. The numbers are of x509_vfy.h.
_REMEDIES: Mapping[int, str] = {
    7: _OTHER_AUTHORITY,
    9: "is a clock wrong? Here it is {today}",
    10: f"{_NEW}; here it is {{today}}",
    **dict.fromkeys((18, 19, 20, 21), _OTHER_AUTHORITY),
    26: "it needs extendedKeyUsage serverAuth and clientAuth, as `nodnod tls node` makes it",
    **dict.fromkeys((62, 64), "make one that names it: `nodnod tls node NAME {host}`"),
    **dict.fromkeys(
        STRICT, "Python 3.13 and newer refuse it: see `nodnod tls init` and `nodnod tls node`"
    ),
    92: "make a new CA with `nodnod tls init`, or add keyUsage keyCertSign to yours",
}


class CertificateFileError(ValueError):
    """A certificate or its key cannot be used; ``file`` is ``"cert"`` or ``"key"``."""

    def __init__(self, file: str, message: str) -> None:
        super().__init__(message)
        self.file = file


def client_context(ca: str | None) -> ssl.SSLContext:
    """A context that trusts the authorities in the file ``ca`` (PEM), or those of the system.

    It requires TLS 1.2 or newer, and a certificate with the name of the host. Raises OSError,
    which includes ssl.SSLError.
    """
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def load_certificate(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    """Load the certificate in the file ``cert`` with its key, there or in ``key`` (PEM).

    Raises CertificateFileError for a wrong format or key, and OSError if a file cannot be read.
    """
    where = "cert" if key is None else "key"

    def no_password() -> str:
        # Without this callback, OpenSSL would prompt on the terminal.
        text = "the key is encrypted; only a key without a password can be used"
        raise CertificateFileError(where, text)

    try:
        # Of a pair, OpenSSL does not say which file is wrong.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cert)
    except ssl.SSLError:
        raise CertificateFileError("cert", "no certificate in PEM form") from None
    try:
        context.load_cert_chain(cert, key, no_password)
    except ssl.SSLError as error:
        reason = error.reason or ""
        if reason == "KEY_VALUES_MISMATCH":
            text = "is not the key of the certificate"
            raise CertificateFileError(where, text) from None
        if reason.endswith(("TOO_SMALL", "TOO_WEAK")):  # of the key, or the hash of the signature
            text = f"OpenSSL refuses the certificate: {reason.lower().replace('_', ' ')}"
            raise CertificateFileError("cert", text) from None
        text = "no private key in PEM form" + (
            "" if key else ", and no file of its own is given for it"
        )
        raise CertificateFileError(where, text) from None


def cause(error: ssl.SSLError) -> str:
    """The cause of a TLS error, without the numbers and file names of OpenSSL."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{NOT_ACCEPTED}: {error.verify_message.rstrip('.')}"
    reason = error.reason or ""
    return _REASONS.get(reason) or f"TLS failed: {reason.lower().replace('_', ' ') or error}"


def explain(error: ssl.SSLError) -> str:
    """The cause of a TLS error between agents and clients, and what to do about a certificate."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return cause(error)
    remedy = _REMEDIES.get(error.verify_code)
    if remedy is None:
        return cause(error)
    host = re.search(r"'([^']*)'\.?$", error.verify_message)  # OpenSSL names it in quotes
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    return f"{cause(error)}: {remedy.format(today=today, host=host[1] if host else 'ADDRESS')}"
