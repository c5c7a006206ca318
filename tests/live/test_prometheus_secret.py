"""A real Prometheus with the optional lines of the example: a token, and TLS."""

import re
from collections.abc import Iterator

import pytest

from bench.harness.agents import Agents
from doubles.certificates import Authority
from live.access import Secret
from live.prometheus import CLUSTER, EACH, EXAMPLE, Prometheus, running, scraped
from live.tools import tool

NAMES = ("cartman", "kyle")
PLACES = 3
"""Two jobs, and the discovery."""


def test_the_example_has_a_token_for_every_request() -> None:
    ready = re.findall(r"^ +# authorization: {type: Bearer, ", EXAMPLE.read_text(), re.MULTILINE)

    assert len(ready) == PLACES


@pytest.fixture(scope="module", params=[False, True], ids=["a secret", "a secret and TLS"])
def prometheus(
    request: pytest.FixtureRequest,
    authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Prometheus]:
    tool("prometheus", "prometheus")
    directory = tmp_path_factory.mktemp("prometheus")
    secret, token = Secret(directory), directory / "token"
    token.write_text(secret.token(600))
    tls = {"tls": authority.settings("node")} if request.param else {}
    changes = {
        "# authorization:": "authorization:",
        "/etc/prometheus/nodnod.token": str(token),
    }
    if tls:
        changes |= {
            "# scheme:": "scheme:",
            "# tls_config:": "tls_config:",
            "/etc/nodnod/ca.pem": authority.ca,
            "url: http:": "url: https:",
        }
    with Agents(directory) as agents:
        cartman, _ = agents.mesh(dict.fromkeys(NAMES, secret.settings(**tls)))
        with running(directory, cartman.address, changes) as prometheus:
            yield prometheus


async def test_the_cluster_and_every_discovered_node_are_scraped(prometheus: Prometheus) -> None:
    await scraped(prometheus, f"nodnod_up{{{CLUSTER}}}", dict.fromkeys(NAMES, 1.0))
    await scraped(prometheus, f"nodnod_build_info{{{EACH}}}", dict.fromkeys(NAMES, 1.0))
