#!/usr/bin/env bash
# uvloop 0.23.0: a TLS server that refuses a client's handshake closes the connection without the alert that
# tells why. OpenSSL has written the alert into the buffer between them, and uvloop drops it there. RFC 8446
# (6.2) and RFC 5246 (7.2.2) have the alert sent. So a client without the certificate that the server
# requires learns of an unexpected end (TLS 1.2) or of an ordinary one (TLS 1.3), and its user looks for
# the fault in the network. The same context over a blocking socket sends it.
#
# Valid input: a client without a certificate, and a server that requires one. Output:
#     blocking, TLSv1_2: SSLV3_ALERT_HANDSHAKE_FAILURE
#     blocking, TLSv1_3: TLSV13_ALERT_CERTIFICATE_REQUIRED
#     uvloop, TLSv1_2: UNEXPECTED_EOF_WHILE_READING
#     uvloop, TLSv1_3: the end
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check uvloop==0.23.0
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>/dev/null

venv/bin/python - <<'PYTHON'
import asyncio
import logging
import socket
import ssl
import sys
import threading

import uvloop

logging.disable()
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
CONTEXT.load_cert_chain("cert.pem", "key.pem")
CONTEXT.load_verify_locations("cert.pem")
CONTEXT.verify_mode = ssl.CERT_REQUIRED


def refused(port: int, version: ssl.TLSVersion) -> str:
    """What a client without a certificate learns."""
    context = ssl.create_default_context(cafile="cert.pem")
    context.maximum_version = version
    sock = socket.create_connection(("127.0.0.1", port))
    try:
        with context.wrap_socket(sock, server_hostname="localhost") as client:
            return "the end" if client.recv(1) == b"" else "data"
    except ssl.SSLError as error:
        return error.reason


def blocking(version: ssl.TLSVersion) -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            sock, _ = listener.accept()
            try:
                CONTEXT.wrap_socket(sock, server_side=True)
            except ssl.SSLError:
                pass

        thread = threading.Thread(target=accept)
        thread.start()
        result = refused(listener.getsockname()[1], version)
        thread.join()
        return result


async def over_uvloop(version: ssl.TLSVersion) -> str:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=CONTEXT)
    result = await asyncio.to_thread(refused, server.sockets[0].getsockname()[1], version)
    server.close()
    return result


seen = [blocking(version) for version in VERSIONS]
seen += [uvloop.run(over_uvloop(version)) for version in VERSIONS]
for index, reason in enumerate(seen):
    print(f"{('blocking', 'uvloop')[index // 2]}, {VERSIONS[index % 2].name}: {reason}")
sys.exit(
    seen
    != [
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "UNEXPECTED_EOF_WHILE_READING",
        "the end",
    ]
)
PYTHON
