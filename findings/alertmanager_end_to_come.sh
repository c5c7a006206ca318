#!/usr/bin/env bash
# Alertmanager 0.25.0 drops the end of an alert if that end is still to come when it arrives, even by a second,
# and answers 200. The alert then fires until the end it was told before. Its clients' document has it that
# `endsAt` is set where the end is known. So a sender whose clock is three seconds ahead ends no alert, and
# people are told of the end minutes late. An alert that is told with such an end the first time ends then.
#
# Needs prometheus-alertmanager (Debian's package of that name), or alertmanager.
# Valid input: `a` ends in 15 minutes, then in 3 seconds; `b` ends in 3 seconds. Output, 5 seconds later:
#     a: 200 200, fires
#     b: 200, has ended
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
program=$(command -v prometheus-alertmanager || command -v alertmanager)
printf 'route: {receiver: none}\nreceivers: [{name: none}]\n' >"$folder/config.yml"
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$program" --config.file="$folder/config.yml" --storage.path="$folder/data" --cluster.listen-address= \
    --web.listen-address="127.0.0.1:$port" 2>"$folder/log" &
server=$!
trap 'kill "$server"; wait "$server" || true; rm -rf "$folder"' EXIT

python3 - "http://127.0.0.1:$port/api/v2/alerts" <<'PYTHON'
import json
import sys
import time
import urllib.request
from datetime import datetime, timezone

URL = sys.argv[1]


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")


def post(name: str, ends: float) -> int:
    alert = {"labels": {"alertname": name}, "startsAt": moment(BEGUN), "endsAt": moment(ends)}
    request = urllib.request.Request(
        URL, json.dumps([alert]).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return answer.status


def firing() -> set[str]:
    with urllib.request.urlopen(URL) as answer:
        return {alert["labels"]["alertname"] for alert in json.load(answer)}


for _ in range(100):
    try:
        firing()
        break
    except OSError:
        time.sleep(0.1)
BEGUN = time.time()
a = post("a", BEGUN + 900), post("a", BEGUN + 3)
b = post("b", BEGUN + 3)
time.sleep(5)
seen = firing()
print(f"a: {a[0]} {a[1]}, {'fires' if 'a' in seen else 'has ended'}")
print(f"b: {b}, {'fires' if 'b' in seen else 'has ended'}")
sys.exit((a, b, seen) != ((200, 200), 200, {"a"}))
PYTHON
