#!/usr/bin/env bash
# uvloop 0.23.0: over TLS, with `transport.set_write_buffer_limits(0)`, `await writer.drain()` never returns
# at the second write, though every byte has been sent and received, and get_write_buffer_size() is 0. The
# limit 0 is how a program waits until all output has left the process ("causes pause_writing() to be called
# whenever the buffer becomes non-empty"); here writing is paused while the buffer is empty, and nothing
# resumes it. Without TLS, and with the limit 1, each drain returns.
#
# Valid input: one byte and a drain, four times, to a server that reads all. Output:
#     TCP, limit 0: drains 4 of 4, unsent 0, received 4
#     TLS, limit 1: drains 4 of 4, unsent 0, received 4
#     TLS, limit 0: drains 1 of 4, unsent 0, received 2
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
import ssl
import sys

import uvloop

WRITES = 4


async def drains(tls: bool, limit: int) -> tuple[int, int, int]:
    """Drains that returned, bytes unsent, and bytes that the server has received."""
    received = bytearray()
    ended = asyncio.Event()

    async def serve(reader, writer):
        while data := await reader.read(100):
            received.extend(data)
        writer.close()
        ended.set()

    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("cert.pem", "key.pem")
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    host, port = server.sockets[0].getsockname()
    trust = ssl.create_default_context(cafile="cert.pem") if tls else None
    name = "localhost" if tls else None
    _, writer = await asyncio.open_connection(host, port, ssl=trust, server_hostname=name)
    writer.transport.set_write_buffer_limits(limit)
    returned = 0
    try:
        for _ in range(WRITES):
            writer.write(b"x")
            await asyncio.wait_for(writer.drain(), 2)
            returned += 1
    except TimeoutError:
        pass
    unsent = writer.transport.get_write_buffer_size()
    writer.close()
    await ended.wait()
    server.close()
    return returned, unsent, len(received)


seen = []
for tls, limit in ((False, 0), (True, 1), (True, 0)):
    result = uvloop.run(drains(tls, limit))
    seen.append(result)
    returned, unsent, received = result
    what = f"{'TLS' if tls else 'TCP'}, limit {limit}"
    print(f"{what}: drains {returned} of {WRITES}, unsent {unsent}, received {received}")
sys.exit(seen != [(4, 0, 4), (4, 0, 4), (1, 0, 2)])
PYTHON
