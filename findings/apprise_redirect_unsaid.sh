#!/usr/bin/env bash
# apprise 2.3.0: a channel whose server answers a POST with 301 or 302, as one does that sends http:// to
# https://, is a success though nobody was told: the redirect is followed with a GET without the message, and
# that page's 200 counts. With 307 or 308 the message does arrive. `?redirect=no` at the URL (or
# AppriseAsset(http_redirects=False) for all) makes a failure of each redirect.
#
# Valid input: a json:// URL of a server that redirects. Output:
#     301: told, the sink got: GET without a message
#     302: told, the sink got: GET without a message
#     308: told, the sink got: POST with the message
#     301 with redirect=no: not told, the sink got: nothing
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check apprise==2.3.0

"$folder/venv/bin/python" - <<'PYTHON'
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from apprise import Apprise

got = []


class Sink(BaseHTTPRequestHandler):
    """Redirects /STATUS to /sink, and keeps what comes there."""

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status = self.path[1:4]
        if status.isdigit():
            self.send_response(int(status))
            self.send_header("Location", "/sink")
        else:
            got.append(f"{self.command} {'with the' if b'disk is full' in body else 'without a'} message")
            self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
threading.Thread(target=server.serve_forever, daemon=True).start()
seen = []
for name, path in (("301", "301"), ("302", "302"), ("308", "308"), ("301 with redirect=no", "301?redirect=no")):
    got.clear()
    channels = Apprise()
    assert channels.add(f"json://127.0.0.1:{server.server_port}/{path}")
    told = "told" if channels.notify(title="db-1", body="disk is full") else "not told"
    seen.append(f"{name}: {told}, the sink got: {', '.join(got) or 'nothing'}")
    print(seen[-1])
sys.exit(
    seen
    != [
        "301: told, the sink got: GET without a message",
        "302: told, the sink got: GET without a message",
        "308: told, the sink got: POST with the message",
        "301 with redirect=no: not told, the sink got: nothing",
    ]
)
PYTHON
