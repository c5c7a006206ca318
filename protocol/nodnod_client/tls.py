"""TLS for the side that connects: contexts, certificates, and errors as text."""

import ssl

CLOSED_AFTER_TLS = "closed after the TLS handshake: it may require a certificate that it trusts"
"""The reason given for a TLS connection that ended before any byte was received.

With TLS 1.3 the client completes the handshake before the server has checked its certificate, and
few servers send the reason when they close.
"""

# OpenSSL's reason -> its meaning for the side that connects.
_REASONS = {
    "WRONG_VERSION_NUMBER": "it does not speak TLS",
    "HTTP_REQUEST": "the other side does not speak TLS",
    "UNSUPPORTED_PROTOCOL": "no common TLS version: the oldest supported one is 1.2",
    "TLSV1_ALERT_PROTOCOL_VERSION": "no common TLS version: the oldest supported one is 1.2",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it requires a certificate",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the other side has no certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "the other side does not trust our certificate's authority",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the other side does not accept our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "our certificate has expired",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the other side does not accept our certificate",
    "UNEXPECTED_EOF_WHILE_READING": "closed during the TLS handshake",
}


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

    Raises ValueError for a wrong format or key, and OSError if a file cannot be read.
    """

    def no_password() -> str:
        # Without this callback, OpenSSL would prompt on the terminal.
        raise ValueError("the key is encrypted; only a key without a password can be used")

    try:
        context.load_cert_chain(cert, key, no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError("is not the key of the certificate") from None
        raise ValueError("expected a certificate and its key in PEM form") from None


def explain(error: ssl.SSLError) -> str:
    """The cause of a TLS error, without the numbers and file names of OpenSSL."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message.rstrip('.')}"
    reason = error.reason or ""
    return _REASONS.get(reason) or f"TLS failed: {reason.lower().replace('_', ' ') or error}"
