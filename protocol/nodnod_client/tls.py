"""TLS as seen by who dials: whom he trusts, and what went wrong, in words."""

import ssl

SHUT_OUT = "closed after the TLS handshake: it may want a certificate that it trusts"
"""What became of a connection that ended before a word: with TLS 1.3 who dials is through with the
handshake before the other side has looked at his certificate, and few servers say why they end it.
"""

# What OpenSSL calls it, and what it means to who dials an agent.
_WORDS = {
    "WRONG_VERSION_NUMBER": "it does not speak TLS",
    "HTTP_REQUEST": "the other side does not speak TLS",
    "UNSUPPORTED_PROTOCOL": "no version of TLS that both sides speak: 1.2 is the oldest",
    "TLSV1_ALERT_PROTOCOL_VERSION": "no version of TLS that both sides speak: 1.2 is the oldest",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it admits only who has a certificate",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the other side has no certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "the other side does not trust our certificate's authority",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the other side does not accept our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "our certificate has expired",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the other side does not accept our certificate",
    "UNEXPECTED_EOF_WHILE_READING": "closed during the TLS handshake",
}


def trusting(ca: str | None) -> ssl.SSLContext:
    """A context that trusts the authorities in the file ``ca`` (PEM), or else the system's.

    TLS 1.2 or newer, and a certificate must name the host that was dialled. Raises OSError, of
    which ssl.SSLError is a kind.
    """
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def show(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    """Have a context show the certificate in ``cert``, whose key is there or in ``key`` (PEM).

    Raises ValueError, in words, for what does not fit, and OSError for what cannot be read.
    """

    def no_password() -> str:
        # Without this, OpenSSL would ask whoever sits at the terminal.
        raise ValueError("the key is encrypted, and nobody is there to ask for a password")

    try:
        context.load_cert_chain(cert, key, no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError("is not the key of the certificate") from None
        raise ValueError("expected a certificate and its key in PEM form") from None


def explain(error: ssl.SSLError) -> str:
    """What went wrong, without numbers and file names of OpenSSL."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message.rstrip('.')}"
    reason = error.reason or ""
    return _WORDS.get(reason) or f"TLS failed: {reason.lower().replace('_', ' ') or error}"
