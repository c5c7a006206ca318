"""A real Alertmanager, which tells a webhook."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bench.harness.processes import free_ports
from live.tools import end, missing, start, tool, wait_until

PACKAGE = "prometheus-alertmanager"
TEMPLATES = Path("/usr/share/prometheus/alertmanager/default.tmpl")
"""Debian's build does not start without this file."""

CONFIG = """
route:
  receiver: hook
  group_by: ["..."]
  group_wait: 0s
  group_interval: 1s
receivers:
  - name: hook
    webhook_configs:
      - url: http://{hook}/
        send_resolved: true
"""


class RealAlertmanager:
    """One server on a free port of loopback, alone; its data go with the test."""

    def __init__(self, directory: Path, hook: str) -> None:
        program = tool(PACKAGE, PACKAGE)
        if not TEMPLATES.exists():
            missing(f"{TEMPLATES} is not there (on Debian: apt install {PACKAGE})")
        (port,) = free_ports(1)
        directory.mkdir()
        self.address = f"127.0.0.1:{port}"
        self._log = directory / "log"
        (directory / "config.yml").write_text(CONFIG.format(hook=hook))
        self.process = start(
            [
                program,
                f"--config.file={directory / 'config.yml'}",
                f"--storage.path={directory / 'data'}",
                f"--web.listen-address={self.address}",
                "--cluster.listen-address=",
            ],
            self._log,
        )

    def ready(self) -> None:
        """Wait until it answers. Raises AssertionError."""

        def answers() -> bool:
            with suppress(OSError):
                self.alerts()
                return True
            return False

        wait_until(answers, self.process, self._log)

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that fire there."""
        with urllib.request.urlopen(f"http://{self.address}/api/v2/alerts", timeout=10) as page:
            found: list[dict[str, Any]] = json.load(page)
        return found

    def names(self) -> set[tuple[str, str, str]]:
        """Rule, object and severity of the alerts that fire there."""
        return {
            (labels["alertname"], labels.get("object", ""), labels["severity"])
            for labels in (alert["labels"] for alert in self.alerts())
        }


@contextmanager
def running(directory: Path, hook: str) -> Iterator[RealAlertmanager]:
    """Run one whose webhook is at this address."""
    found = RealAlertmanager(directory, hook)
    try:
        found.ready()
        yield found
    finally:
        end(found.process)
