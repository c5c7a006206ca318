"""The agent's TLS contexts, made from the files that the settings ``tls.*`` name."""

import os
import ssl

from msgspec import Struct

from nodnod_agent.auth.certificate import authority_expiry, expiry
from nodnod_agent.auth.secrets import check_mode
from nodnod_agent.config.validators import ConfigError
from nodnod_agent.log.format import printable
from nodnod_client.tls import (
    STRICT,
    CertificateFileError,
    client_context,
    explain,
    load_certificate,
)


class TlsContexts(Struct, frozen=True):
    """``server`` for accepted connections, ``client`` for dials. Both present our certificate.

    ``expires`` is when that expires, or one of those that lead to its authority, in Unix seconds;
    ``authority_expires`` is when the authority in ``tls.ca`` does. None if unknown. ``refused_by_newer``
    says why Python 3.13 and newer refuse our certificate, though this one may not.
    """

    server: ssl.SSLContext
    client: ssl.SSLContext
    expires: float | None = None
    authority_expires: float | None = None
    refused_by_newer: str = ""


def read_contexts(
    cert: str | None, key: str | None, ca: str | None, *, require_client_cert: bool
) -> TlsContexts | None:
    """Return contexts for TLS 1.2 and newer; None without ``cert``: TLS is off.

    Raises ConfigError, which names the setting and the file.
    """
    if cert is None:
        without_effect = {"key": key, "ca": ca, "requireClientCert": require_client_cert}
        for setting, value in without_effect.items():
            if value:
                raise ConfigError(f"tls.{setting}: does nothing without tls.cert")
        return None
    if require_client_cert and ca is None:
        # The system's authorities issue certificates to any applicant.
        raise ConfigError("tls.requireClientCert: needs tls.ca, to verify the certificates")
    client = read_client_context(cert, key, ca)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.minimum_version = ssl.TLSVersion.TLSv1_2
    # Connections are long, and a resumed session would present no client certificate.
    server.num_tickets = 0
    server.options |= ssl.OP_NO_TICKET
    _load(server, cert, key, "tls")
    refused = _refused_by_newer(server, ca)
    if require_client_cert:
        server.verify_mode = ssl.CERT_REQUIRED
        server.load_verify_locations(ca)
    return TlsContexts(server, client, expiry(cert), authority_expiry(cert, ca), refused)


def read_client_context(
    cert: str | None, key: str | None, ca: str | None, settings: str = "tls"
) -> ssl.SSLContext:
    """Return the context of the side that connects, with TLS 1.2 or newer; with ``cert`` it shows that.

    Raises ConfigError, which names the setting, one of ``settings``, and the file.
    """
    for setting, path in (("cert", cert), ("key", key), ("ca", ca)):
        if path is not None:
            _status(path, f"{settings}.{setting}: {printable(path)}")
    try:
        context = client_context(ca)
    except OSError:
        what = "no certificates in PEM form"
        raise ConfigError(f"{settings}.ca: {printable(ca or '')}: {what}") from None
    if cert is not None:
        _load(context, cert, key, settings)
    return context


def _load(context: ssl.SSLContext, cert: str, key: str | None, settings: str) -> None:
    try:
        load_certificate(context, cert, key)
    except CertificateFileError as error:
        path = key if error.file == "key" and key is not None else cert
        raise ConfigError(f"{settings}.{error.file}: {printable(path)}: {error}") from None
    setting, path = ("cert", cert) if key is None else ("key", key)
    place = f"{settings}.{setting}: {printable(path)}"
    check_mode(_status(path, place).st_mode, place)


def _status(path: str, place: str) -> os.stat_result:
    """The status of a file that can be read; else OpenSSL's error would not name it."""
    try:
        with open(path, "rb") as file:
            file.read(1)
            return os.fstat(file.fileno())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(f"{place}: {reason}") from None


def _refused_by_newer(server: ssl.SSLContext, ca: str | None) -> str:
    """Why a client that trusts ``ca`` and checks as Python 3.13 does refuses this server.

    Only for what Python checks since then; empty if it is nothing, or the authority is the system's.
    """
    if ca is None:
        return ""
    client = client_context(ca)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_side=False),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for end in ends * 2:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            return explain(error) if error.verify_code in STRICT else ""
        except ssl.SSLError:
            break
    return ""
