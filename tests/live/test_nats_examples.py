"""The examples with three NATS servers: valid, and run here with real servers and agents."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from backplane.servers import program
from bench.harness.agents import Agents, whole
from bench.harness.processes import free_ports
from eventually import eventually
from live.tools import end, start
from nodnod_agent.config.settings import SETTINGS, Settings
from nodnod_agent.config.sources import gather
from nodnod_client.client import Client

EXAMPLES = Path(__file__).parents[2] / "examples"
COMPOSE = yaml.safe_load((EXAMPLES / "container" / "compose-nats.yaml").read_text())
SERVICES = COMPOSE["services"]
SERVERS = [name for name in SERVICES if name.startswith("nats-")]
NAMES = [name for name in SERVICES if name not in SERVERS]
PLAIN, MANIFEST = (
    list(yaml.safe_load_all((EXAMPLES / "kubernetes" / file).read_text()))
    for file in ("nodnod.yaml", "nodnod-nats.yaml")
)
PASSWORD = "1e9 of any kind"
OWN = {"NODNOD_BACKPLANE", "NODNOD_NATS_USER", "NODNOD_NATS_PASSWORD"}


def one(kind: str, name: str, documents: list[Any] = MANIFEST) -> Any:
    """The document of this kind and name."""
    (found,) = (
        document
        for document in documents
        if (document["kind"], document["metadata"]["name"]) == (kind, name)
    )
    return found


class OnLoopback:
    """Gives each server of an example ports of 127.0.0.1."""

    def __init__(self) -> None:
        self._ports: dict[str, int] = {}

    def text(self, text: str) -> str:
        """The same with 127.0.0.1 for the names of servers."""
        return re.sub(
            r"(nats-\d)(?:\.nats)?:(\d+)", lambda found: self.address(*found.groups()), text
        )

    def address(self, server: str, port: str) -> str:
        """Where a port of a server is."""
        key = f"{server}:{port}"
        if key not in self._ports:
            (self._ports[key],) = free_ports(1)
        return f"127.0.0.1:{self._ports[key]}"


@contextmanager
def running(
    directory: Path, commands: dict[str, list[str]], **variables: str
) -> Iterator[dict[str, "subprocess.Popen[bytes]"]]:
    """These servers, by name."""
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in commands.items():
            environment = os.environ | variables | {"POD_NAME": name}
            started[name] = start(command, directory / f"{name}.log", env=environment)
        yield started
    finally:
        for process in started.values():
            end(process)


@pytest.mark.parametrize("name", NAMES)
def test_the_variables_of_compose_configure_an_agent_that_takes_all_servers(name: str) -> None:
    variables = SERVICES[name]["environment"]
    settings = Settings(**gather({}, variables, None, "").values)

    assert variables.keys() <= {row.variable for row in SETTINGS}
    assert settings.name == name
    assert [*settings.backplane] == [f"nats://{server}:4222" for server in SERVERS]
    image = (EXAMPLES / "container" / "Containerfile").read_text()
    assert f"ARG {next(iter(SERVICES[name]['build']['args']))}=\n" in image


async def test_the_agents_of_compose_do_without_any_one_of_the_servers(tmp_path: Path) -> None:
    loopback, commands = OnLoopback(), {}
    for server in SERVERS:
        flags = [
            flag.replace("0.0.0.0:6222", loopback.address(server, "6222"))
            for flag in map(loopback.text, SERVICES[server]["command"])
            if flag != "--port=4222"
        ]
        host, _, port = loopback.address(server, "4222").partition(":")
        commands[server] = [program(), f"--addr={host}", f"--port={port}", *flags]
    with running(tmp_path, commands) as servers, Agents(tmp_path) as agents:
        started = []
        for name in NAMES:
            variables = SERVICES[name]["environment"] | {"NODNOD_LISTEN": "127.0.0.1:0"}
            prefix = ["env", *(f"{key}={loopback.text(value)}" for key, value in variables.items())]
            started.append(agents.begin(name, prefix=prefix))
        for agent in started:
            agent.listening()
        for agent in started:
            await whole(agent, *NAMES)
        async with Client(started[0].address) as client:
            connected = (await client.members()).backplane
            assert connected is not None
            names = {f"nats://{loopback.address(name, '4222')}": name for name in servers}
            lost = names[connected.server]
            servers[lost].kill()

            async def elsewhere() -> bool:
                again = (await client.members()).backplane
                return again is not None and names.get(again.server, lost) != lost

            await eventually(elsewhere)
            for agent in started:
                await whole(agent, *NAMES)
            assert [row.state for row in (await client.members()).members] == ["up"] * len(NAMES)


@pytest.mark.parametrize("version", ["1.25", "1.31", kubernetes_validate.latest_version()])
@pytest.mark.parametrize(
    "document", MANIFEST, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}"
)
def test_every_document_is_valid(document: Any, version: str) -> None:
    kubernetes_validate.validate(document, version, strict=True)


def test_but_for_the_backplane_the_agents_are_those_of_the_plain_manifest() -> None:
    plain, other = one("DaemonSet", "nodnod", PLAIN), one("DaemonSet", "nodnod")
    (agent,) = other["spec"]["template"]["spec"]["containers"]
    variables = agent["env"]
    (before,) = plain["spec"]["template"]["spec"]["containers"]
    agent["env"] = [row for row in variables if row["name"] not in OWN]
    before["env"] = [row for row in before["env"] if row["name"] != "NODNOD_JOIN"]

    assert other == plain
    agent["env"] = variables
    assert {row["name"] for row in variables} >= OWN
    assert {row.variable for row in SETTINGS} >= OWN


def test_labels_names_and_ports_of_the_servers_agree() -> None:
    servers, service = one("StatefulSet", "nats"), one("Service", "nats")
    labels = servers["spec"]["template"]["metadata"]["labels"]
    (server,) = servers["spec"]["template"]["spec"]["containers"]
    ports = {row["name"] for row in server["ports"]}

    assert servers["spec"]["serviceName"] == service["metadata"]["name"]
    assert service["spec"]["publishNotReadyAddresses"]
    assert labels == servers["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    policy, budget = one("NetworkPolicy", "nats"), one("PodDisruptionBudget", "nats")
    assert labels == policy["spec"]["podSelector"]["matchLabels"]
    assert labels == budget["spec"]["selector"]["matchLabels"]
    assert ports == {row["port"] for rule in policy["spec"]["ingress"] for row in rule["ports"]}
    assert one("Service", "nodnod")["spec"]["selector"] != labels


async def test_three_servers_with_the_configuration_of_the_manifest_let_the_agents_in(
    tmp_path: Path,
) -> None:
    """With a password that a server would take for a number, were it not in quotes."""
    text = one("ConfigMap", "nats")["data"]["nats.conf"]
    servers = one("StatefulSet", "nats")
    (container,) = servers["spec"]["template"]["spec"]["containers"]
    (quoted,) = (row["value"] for row in container["env"] if row["name"] == "QUOTED_PASSWORD")
    loopback, commands = OnLoopback(), {}
    for number in range(servers["spec"]["replicas"]):
        name = f"nats-{number}"
        own = loopback.text(text).replace("http_port: 8222", "")
        for port in ("4222", "6222"):
            own = own.replace(f"port: {port}", f"listen: {loopback.address(name, port)}")
        (tmp_path / name).write_text(own)
        commands[name] = [program(), "--config", str(tmp_path / name)]
    (agent,) = one("DaemonSet", "nodnod")["spec"]["template"]["spec"]["containers"]
    given = {row["name"]: row.get("value") for row in agent["env"]}
    secret = tmp_path / "nats-password"
    secret.write_text(PASSWORD)
    secret.chmod(0o400)
    assert given["NODNOD_NATS_PASSWORD"] == f"file:/etc/nodnod/{secret.name}"
    settings = {
        "backplane": loopback.text(given["NODNOD_BACKPLANE"]).split(","),
        "nats": {"user": given["NODNOD_NATS_USER"], "password": f"file:{secret}"},
    }
    variable = quoted.replace("$(PASSWORD)", PASSWORD)
    with running(tmp_path, commands, QUOTED_PASSWORD=variable), Agents(tmp_path) as agents:
        started = [agents.begin(name, settings=settings) for name in ("stan", "kyle", "kenny")]
        for agent_ in started:
            agent_.listening()
        for agent_ in started:
            await whole(agent_, "stan", "kyle", "kenny")
