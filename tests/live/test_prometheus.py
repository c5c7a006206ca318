"""A real Prometheus with the configuration of examples/prometheus.yml scrapes real agents."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.harness.agents import Agent, Agents
from bench.harness.processes import free_ports
from eventually import eventually
from live.asking import ask
from live.prometheus import CLUSTER, EACH, EXAMPLE, PATIENCE, Prometheus, running, scraped
from live.tools import tool
from live.web import fetch

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "examples" / "grafana-dashboard.json"
MANUAL = ROOT / "docs" / "metrics.md"
HOSTILE = 'ken"ny\\{}'
METRIC = "(?:nodnod|process)_[a-z0-9_]+"


@pytest.fixture(scope="module")
def absent() -> str:
    """An address without an agent."""
    return f"127.0.0.1:{free_ports(1)[0]}"


@pytest.fixture(scope="module")
def cluster(shared_agents: Agents, absent: str) -> list[Agent]:
    """Two agents that know each other, and a third that is down."""
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
    with running(tmp_path_factory.mktemp("prometheus"), cluster[0].address) as prometheus:
        yield prometheus


async def test_one_scrape_has_the_state_of_every_node(prometheus: Prometheus, absent: str) -> None:
    expected = {"cartman": 1.0, HOSTILE: 1.0, absent: 0.0}

    await scraped(prometheus, f"nodnod_up{{{CLUSTER}}}", expected)


async def test_a_query_has_the_numbers_of_each_node(
    prometheus: Prometheus, cluster: list[Agent]
) -> None:
    nodes = (await ask(cluster[0], {"type": 1, "timeout": 0.5}))["nodes"]
    expected = {name: float(nodes[name]["memoryTotal"]) for name in ("cartman", HOSTILE)}

    await scraped(prometheus, f"nodnod_memory_total_bytes{{{CLUSTER}}}", expected)
    await scraped(prometheus, f"nodnod_memory_total_bytes{{{EACH}}}", expected)


async def test_every_member_is_discovered_and_scraped_once_it_was_met(
    prometheus: Prometheus,
) -> None:
    expected = {"cartman": 1.0, HOSTILE: 1.0}

    await scraped(prometheus, f"up{{{EACH}}}", expected)
    await scraped(prometheus, f"nodnod_build_info{{{EACH}}}", expected)


async def test_every_panel_of_the_dashboard_has_data(
    prometheus: Prometheus, cluster: list[Agent]
) -> None:
    pages = [await fetch(cluster[0].port, path) for path in ("/metrics", "/metrics/cluster")]
    text = "\n".join(page.body.decode() for page in pages)
    there = set(re.findall("^[a-z0-9_]+", text, re.MULTILINE))
    panels = json.loads(DASHBOARD.read_text())["panels"]
    expressions = [
        target["expr"].replace("$__rate_interval", "1m").replace("$node", ".*")
        for panel in panels
        for target in panel.get("targets", [])
    ]
    # A machine may lack some metrics, for example sensors.
    expected = [one for one in expressions if there.issuperset(re.findall(METRIC, one))]
    assert len(expected) > len(expressions) / 2

    def empty() -> list[str]:
        return [expression for expression in expected if not prometheus.query(expression)]

    await eventually(lambda: not empty(), within=PATIENCE, why=empty)


def test_the_queries_of_the_manual_are_valid(prometheus: Prometheus) -> None:
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
async def test_promtool_accepts_every_page(cluster: list[Agent], path: str) -> None:
    done = promtool("metrics", page=(await fetch(cluster[0].port, path)).body)

    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_promtool_accepts_the_example() -> None:
    done = promtool("config", "--lint=all", "--lint-fatal", str(EXAMPLE))

    assert done.returncode == 0, done.stdout + done.stderr


def promtool(*arguments: str, page: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the checks of promtool."""
    return subprocess.run(
        [tool("promtool", "prometheus"), "check", *arguments],
        input=page,
        capture_output=True,
        check=False,
    )
