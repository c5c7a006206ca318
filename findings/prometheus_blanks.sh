#!/usr/bin/env bash
# Prometheus 2.42.0 has two readers of its text format, and they differ in blanks at the ends of a line. The
# format (its version 0.0.4) has it that such blanks are ignored. `promtool check metrics` takes blanks at the
# beginning, which the server does not: the whole page is lost, and the target is down. promtool refuses
# blanks at the end, which the server takes. So a page may pass the check and be lost, or work and not pass.
#
# Needs prometheus and promtool (Debian's package prometheus).
# Valid input: `nodes 1` with two blanks before it, and with one behind it. Output:
#     "  nodes 1": promtool has no objection; the server: down
#     "nodes 1 ": promtool: expected integer as timestamp, got ""; the server: up, nodes is 1
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 - "$folder" <<'PYTHON'
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HELP = "# HELP nodes Nodes.\n# TYPE nodes gauge\n"
PAGES = {"/before": "  nodes 1", "/behind": "nodes 1 "}
folder = Path(sys.argv[1])


class Exporter(BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{HELP}{PAGES[self.path]}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def check(line: str) -> str:
    command = ["promtool", "check", "metrics"]
    done = subprocess.run(command, input=f"{HELP}{line}\n", capture_output=True, text=True)
    if done.returncode == 0:
        return " has no objection"
    return ": " + done.stderr.strip().partition("in line 3: ")[2]


def asked(path: str):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}") as answer:
        return json.load(answer)["data"]


def scraped() -> dict[str, str]:
    """The health of each page's target, once both were scraped."""
    for _ in range(300):
        try:
            targets = asked("targets")["activeTargets"]
        except OSError:
            targets = []
        health = {one["discoveredLabels"]["__metrics_path__"]: one["health"] for one in targets}
        if health and "unknown" not in health.values():
            return health
        time.sleep(0.1)
    sys.exit("not scraped in 30 s")


exporter = ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
threading.Thread(target=exporter.serve_forever, daemon=True).start()
place = f'static_configs: [{{targets: ["127.0.0.1:{exporter.server_port}"]}}]'
jobs = "".join(f"- {{job_name: {path[1:]}, metrics_path: {path}, {place}}}\n" for path in PAGES)
(folder / "config.yml").write_text(f"global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{jobs}")
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
with open(folder / "log", "w") as log:
    server = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder}/config.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stderr=log,
    )
try:
    health = scraped()
    values = {one["metric"]["job"]: one["value"][1] for one in asked("query?query=nodes")["result"]}
finally:
    server.terminate()
    server.wait()
seen = []
for path, line in PAGES.items():
    value = values.get(path[1:])
    number = "" if value is None else f", nodes is {value}"
    seen.append(f'"{line}": promtool{check(line)}; the server: {health[path]}{number}')
    print(seen[-1])
sys.exit(
    seen
    != [
        '"  nodes 1": promtool has no objection; the server: down',
        '"nodes 1 ": promtool: expected integer as timestamp, got ""; the server: up, nodes is 1',
    ]
)
PYTHON
