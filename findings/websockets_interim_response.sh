#!/usr/bin/env bash
# websockets 17.4: its client takes an interim response for the final one. A server or proxy that sends
# `103 Early Hints` or `102 Processing` before `101 Switching Protocols` is not connected to: the handshake
# fails with InvalidStatus, and the 101 behind it is not read. RFC 9110 (15.2) has a client read any number of
# 1xx responses before the final one, also those that it did not ask for. (101 is the only 1xx that ends it.)
#
# Valid input: the client's protocol without I/O, and a server's answer with and without an interim response
# before it. Output:
#     101: Response 101, open
#     103, 101: Response 103, InvalidStatus: server rejected WebSocket connection: HTTP 103
#     102, 101: Response 102, InvalidStatus: server rejected WebSocket connection: HTTP 102
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check websockets==17.4

"$folder/venv/bin/python" - <<'PYTHON'
import sys

from websockets.client import ClientProtocol
from websockets.uri import parse_uri
from websockets.utils import accept_key

INTERIM = {
    "101": "",
    "103, 101": "HTTP/1.1 103 Early Hints\r\nLink: </page.css>; rel=preload; as=style\r\n\r\n",
    "102, 101": "HTTP/1.1 102 Processing\r\n\r\n",
}
seen = []
for name, interim in INTERIM.items():
    client = ClientProtocol(parse_uri("ws://localhost/"))
    request = client.connect()
    client.send_request(request)
    final = (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(request.headers['Sec-WebSocket-Key'])}\r\n\r\n"
    )
    client.receive_data((interim + final).encode())
    events = ", ".join(f"{type(event).__name__} {event.status_code}" for event in client.events_received())
    error = client.handshake_exc
    result = "open" if error is None else f"{type(error).__name__}: {error}"
    seen.append(f"{name}: {events}, {result}")
    print(seen[-1])
rejected = "InvalidStatus: server rejected WebSocket connection: HTTP"
sys.exit(
    seen
    != [
        "101: Response 101, open",
        f"103, 101: Response 103, {rejected} 103",
        f"102, 101: Response 102, {rejected} 102",
    ]
)
PYTHON
