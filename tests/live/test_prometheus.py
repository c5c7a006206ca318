"""A real Prometheus, set up as examples/prometheus.yml says, over real agents."""

import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from eventually import eventually
from live.agents import Agent, Agents, ask, free_ports

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
MANUAL = ROOT / "docs" / "metrics.md"
PATIENCE = 30.0
"""Seconds until a scrape must have come; what was discovered is scraped five seconds later."""

CLUSTER = 'job="nodnod-cluster"'
EACH = 'job="nodnod"'
HOSTILE = 'ken"ny\\{}'
METRIC = "(?:nodnod|process)_[a-z0-9_]+"


class Prometheus:
    """One server on a free port of loopback; its data go with the test."""

    def __init__(self, directory: Path, config: str) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._log = directory / "prometheus.log"
        (directory / "prometheus.yml").write_text(config)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={directory / 'prometheus.yml'}",
                    f"--storage.tsdb.path={directory / 'data'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def ready(self) -> None:
        """Wait until it can be asked. Raises AssertionError."""
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5):
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"prometheus does not start:\n{self._log.read_text()}")

    def query(self, expression: str) -> dict[tuple[str, ...], float]:
        """What an expression is now, by the values of its labels, in the order of their names."""
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
        """What an expression is now for each node."""
        return {
            node: value for (node,), value in self.query(f"sum by (node) ({expression})").items()
        }

    def end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def needs(*commands: str) -> None:
    """Skip where one is not installed; not in CI, which installs them."""
    for command in commands:
        if shutil.which(command) is None:
            text = f"{command} is not installed (on Debian: apt install prometheus)"
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(text)


@pytest.fixture(scope="module")
def absent() -> str:
    """An address where nobody is."""
    return f"127.0.0.1:{free_ports(1)[0]}"


@pytest.fixture(scope="module")
def cluster(shared_agents: Agents, absent: str) -> list[Agent]:
    """Two agents that know each other, and miss a third."""
    nodes = [f"127.0.0.1:{port}" for port in free_ports(2)]
    agents = [
        shared_agents.begin(name, listen=node, nodes=[*nodes, absent])
        for name, node in zip(("cartman", HOSTILE), nodes, strict=True)
    ]
    for agent in agents:
        agent.listening()
    return agents


@pytest.fixture(scope="module")
def prometheus(
    cluster: list[Agent], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """The example, but in a hurry, with our agent for the one it names."""
    needs("prometheus")
    config = (EXAMPLES / "prometheus.yml").read_text()
    for theirs, ours in {
        "127.0.0.1:7070": cluster[0].address,
        "scrape_interval: 15s": "scrape_interval: 1s",
        "scrape_timeout: 10s": "scrape_timeout: 1s",
        "refresh_interval: 30s": "refresh_interval: 1s",
        'timeout: ["2"]': 'timeout: ["0.5"]',
    }.items():
        assert theirs in config
        config = config.replace(theirs, ours)
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), config)
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


async def test_one_scrape_tells_who_of_the_cluster_is_up(
    prometheus: Prometheus, absent: str
) -> None:
    expected = {"cartman": 1.0, HOSTILE: 1.0, absent: 0.0}

    await scraped(prometheus, f"nodnod_up{{{CLUSTER}}}", expected)


async def test_a_query_has_the_numbers_of_each_node(
    prometheus: Prometheus, cluster: list[Agent]
) -> None:
    nodes = (await ask(cluster[0], {"type": 1, "timeout": 0.5}))["nodes"]
    expected = {name: float(nodes[name]["memoryTotal"]) for name in ("cartman", HOSTILE)}

    await scraped(prometheus, f"nodnod_memory_total_bytes{{{CLUSTER}}}", expected)
    await scraped(prometheus, f"nodnod_memory_total_bytes{{{EACH}}}", expected)


async def test_every_member_is_discovered_and_scraped_by_itself(
    prometheus: Prometheus, absent: str
) -> None:
    expected = {"cartman": 1.0, HOSTILE: 1.0, absent: 0.0}

    await scraped(prometheus, f"up{{{EACH}}}", expected)
    await scraped(prometheus, f"nodnod_build_info{{{EACH}}}", {"cartman": 1.0, HOSTILE: 1.0})


async def test_the_dashboard_shows_something_in_every_panel(
    prometheus: Prometheus, cluster: list[Agent]
) -> None:
    pages = get(cluster[0], "/metrics") + get(cluster[0], "/metrics/cluster")
    there = set(re.findall("^[a-z0-9_]+", pages.decode(), re.MULTILINE))
    panels = json.loads((EXAMPLES / "grafana-dashboard.json").read_text())["panels"]
    expressions = [
        target["expr"].replace("$__rate_interval", "1m").replace("$node", ".*")
        for panel in panels
        for target in panel.get("targets", [])
    ]
    # A machine need not have everything: sensors, say.
    expected = [one for one in expressions if there.issuperset(re.findall(METRIC, one))]
    assert len(expected) > len(expressions) / 2

    def empty() -> list[str]:
        return [expression for expression in expected if not prometheus.query(expression)]

    await eventually(lambda: not empty(), within=PATIENCE, why=empty)


def test_the_queries_in_the_manual_can_be_asked(prometheus: Prometheus) -> None:
    blocks = re.findall("```promql\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    queries = [line for block in blocks for line in block.splitlines() if line[0] != "#"]
    assert queries

    for query in queries:
        prometheus.query(query)


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/metrics?detail=sensors,gpu,processes", "/metrics/cluster",
     "/metrics/cluster?detail=cpu,load,memory,filesystems,network"],
)  # fmt: skip
def test_promtool_has_nothing_to_say_of_a_page(cluster: list[Agent], path: str) -> None:
    done = promtool("metrics", page=get(cluster[0], path))

    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_promtool_has_nothing_to_say_of_the_example() -> None:
    done = promtool("config", "--lint=all", "--lint-fatal", str(EXAMPLES / "prometheus.yml"))

    assert done.returncode == 0, done.stdout + done.stderr


def promtool(*arguments: str, page: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Have Prometheus' own tool check something."""
    needs("promtool")
    return subprocess.run(
        ["promtool", "check", *arguments], input=page, capture_output=True, check=False
    )


def get(agent: Agent, path: str) -> bytes:
    """A page of an agent."""
    with urllib.request.urlopen(f"http://{agent.address}{path}", timeout=10) as page:
        return bytes(page.read())
