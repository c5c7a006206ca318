#!/usr/bin/env bash
# prometheus_client 0.26.0: its server passes over the weights (`q`) of Accept and Accept-Encoding. RFC 9110
# (12.4.2) has it that a weight of 0 means "not acceptable", and that the larger weight is preferred. Here a
# client that puts the text format first, as a Prometheus can be configured to, gets OpenMetrics, and one that
# refuses OpenMetrics or gzip gets them all the same.
#
# Valid input: three requests. Output:
#     text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=1.0.0;q=0.1 -> application/openmetrics-text
#     text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0 -> application/openmetrics-text
#     gzip;q=0 -> gzip
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check prometheus_client==0.26.0

"$folder/venv/bin/python" - <<'PYTHON'
import sys
import urllib.request

from prometheus_client import start_http_server

server, thread = start_http_server(0, addr="127.0.0.1")
seen = []
for asked, told, wanted in (
    (
        "Accept",
        "Content-Type",
        "text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=1.0.0;q=0.1",
    ),
    ("Accept", "Content-Type", "text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0"),
    ("Accept-Encoding", "Content-Encoding", "gzip;q=0"),
):
    request = urllib.request.Request(f"http://127.0.0.1:{server.server_port}/metrics", headers={asked: wanted})
    with urllib.request.urlopen(request) as answer:
        seen.append(str(answer.headers[told]).partition(";")[0])
    print(f"{wanted} -> {seen[-1]}")
server.shutdown()
thread.join()
sys.exit(seen != ["application/openmetrics-text", "application/openmetrics-text", "gzip"])
PYTHON
