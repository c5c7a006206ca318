"""An agent's part in TLS: contexts from the files that the settings ``tls.*`` name."""

import ssl

from msgspec import Struct

from nodnod_agent.config.validators import ConfigError
from nodnod_agent.log.format import printable
from nodnod_client.tls import show, trusting


class Contexts(Struct, frozen=True):
    """``server`` for those who dial us; ``client`` for those whom we dial, who may ask for ours."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def read_contexts(
    cert: str | None, key: str | None, ca: str | None, *, require_client_cert: bool
) -> Contexts | None:
    """Contexts for TLS 1.2 and newer; None where no ``cert`` is set, that is, without TLS.

    Raises ConfigError, which names the setting and the file.
    """
    if cert is None:
        for setting, given in (
            ("key", key),
            ("ca", ca),
            ("requireClientCert", require_client_cert),
        ):
            if given:
                raise ConfigError(f"tls.{setting}: does nothing without tls.cert")
        return None
    if require_client_cert and ca is None:
        # The system's authorities certify anybody.
        raise ConfigError("tls.requireClientCert: needs tls.ca, to know whose certificates")
    for setting, path in (("cert", cert), ("key", key), ("ca", ca)):
        if path is not None:
            _try(f"tls.{setting}", path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.minimum_version = ssl.TLSVersion.TLSv1_2
    # Links last; and a session that is taken up again would show no certificate.
    server.num_tickets = 0
    server.options |= ssl.OP_NO_TICKET
    client = _client(ca)
    for context in (server, client):
        _load(context, cert, key)
    if require_client_cert:
        server.verify_mode = ssl.CERT_REQUIRED
        server.load_verify_locations(ca)
    return Contexts(server, client)


def _client(ca: str | None) -> ssl.SSLContext:
    try:
        return trusting(ca)
    except OSError:
        raise ConfigError(f"tls.ca: {printable(ca or '')}: no certificates in PEM form") from None


def _load(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    place = f"tls.key: {printable(key)}" if key is not None else f"tls.cert: {printable(cert)}"
    try:
        show(context, cert, key)
    except ValueError as error:
        raise ConfigError(f"{place}: {error}") from None


def _try(setting: str, path: str) -> None:
    """OpenSSL does not say which of its files cannot be read."""
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(f"{setting}: {printable(path)}: {reason}") from None
