"""A real Prometheus with the configuration of examples/prometheus.yml."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlencode

from bench.harness.processes import free_ports
from eventually import eventually
from live.tools import end, start, tool, wait_until

EXAMPLE = Path(__file__).parents[2] / "examples" / "prometheus.yml"
PATIENCE = 30.0
"""Seconds until a scrape must have come; a discovered target is scraped five seconds later."""

CLUSTER = 'job="nodnod-cluster"'
EACH = 'job="nodnod"'

FASTER = {
    "scrape_interval: 15s": "scrape_interval: 1s",
    "scrape_timeout: 10s": "scrape_timeout: 1s",
    "refresh_interval: 30s": "refresh_interval: 1s",
    'timeout: ["2"]': 'timeout: ["0.5"]',
}


class Prometheus:
    """One server on a free port of loopback; its data go with the test."""

    def __init__(self, directory: Path, config: str) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._log = directory / "prometheus.log"
        (directory / "prometheus.yml").write_text(config)
        self._process = start(
            [
                tool("prometheus", "prometheus"),
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            self._log,
        )

    def ready(self) -> None:
        """Wait until it answers queries. Raises AssertionError."""

        def answers() -> bool:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/-/ready", timeout=5):
                return True
            return False

        wait_until(answers, self._process, self._log)

    def query(self, expression: str) -> dict[tuple[str, ...], float]:
        """The values of an expression, by the values of its labels, in the order of their names."""
        text = urlencode({"query": expression})
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/query?{text}", timeout=10) as page:
                answer = json.load(page)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expression}: {error.read().decode()}") from None
        return {
            tuple(series["metric"][label] for label in sorted(series["metric"])): float(
                series["value"][1]
            )
            for series in answer["data"]["result"]
        }

    def by_node(self, expression: str) -> dict[str, float]:
        """The value of an expression for each node."""
        return {
            node: value for (node,), value in self.query(f"sum by (node) ({expression})").items()
        }

    def end(self) -> None:
        end(self._process)


@contextmanager
def running(
    directory: Path, address: str, changes: Mapping[str, str] | None = None
) -> Iterator[Prometheus]:
    """Run the example, with shorter intervals, our agent, and these changes."""
    tool("prometheus", "prometheus")
    config = EXAMPLE.read_text()
    for theirs, ours in {"127.0.0.1:7070": address, **FASTER, **(changes or {})}.items():
        assert theirs in config
        config = config.replace(theirs, ours)
    prometheus = Prometheus(directory, config)
    try:
        prometheus.ready()
        yield prometheus
    finally:
        prometheus.end()


async def scraped(prometheus: Prometheus, expression: str, expected: dict[str, float]) -> None:
    """Wait until an expression has these values for these nodes."""
    seen: dict[str, float] = {}

    def look() -> bool:
        nonlocal seen
        seen = prometheus.by_node(expression)
        return seen.items() >= expected.items()

    await eventually(look, within=PATIENCE, why=lambda: seen)
