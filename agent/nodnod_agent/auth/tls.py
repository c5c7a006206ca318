"""The agent's TLS contexts, made from the files that the settings ``tls.*`` name."""

import ssl

from msgspec import Struct

from nodnod_agent.auth.certificate import expiry
from nodnod_agent.config.validators import ConfigError
from nodnod_agent.log.format import printable
from nodnod_client.tls import client_context, load_certificate


class TlsContexts(Struct, frozen=True):
    """``server`` for accepted connections, ``client`` for dials. Both present our certificate.

    ``expires`` is when that expires, or one of those that lead to its authority, in Unix seconds;
    None if unknown.
    """

    server: ssl.SSLContext
    client: ssl.SSLContext
    expires: float | None = None


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
    for setting, path in (("cert", cert), ("key", key), ("ca", ca)):
        if path is not None:
            _check_readable(f"tls.{setting}", path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.minimum_version = ssl.TLSVersion.TLSv1_2
    # Connections are long, and a resumed session would present no client certificate.
    server.num_tickets = 0
    server.options |= ssl.OP_NO_TICKET
    try:
        client = client_context(ca)
    except OSError:
        what = "no certificates in PEM form"
        raise ConfigError(f"tls.ca: {printable(ca or '')}: {what}") from None
    place = f"tls.key: {printable(key)}" if key is not None else f"tls.cert: {printable(cert)}"
    for context in (server, client):
        try:
            load_certificate(context, cert, key)
        except ValueError as error:
            raise ConfigError(f"{place}: {error}") from None
    if require_client_cert:
        server.verify_mode = ssl.CERT_REQUIRED
        server.load_verify_locations(ca)
    return TlsContexts(server, client, expiry(cert))


def _check_readable(setting: str, path: str) -> None:
    """Name the file that cannot be read: OpenSSL's error does not."""
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(f"{setting}: {printable(path)}: {reason}") from None
