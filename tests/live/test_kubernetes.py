"""The manifest of examples/kubernetes: valid for Kubernetes and for the agent."""

import re
from collections.abc import Mapping
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from bench.harness.agents import Agents
from bench.harness.processes import free_ports
from live.access import Secret, status
from nodnod_agent.auth.secrets import FORBIDDEN_MODES
from nodnod_agent.config.settings import SETTINGS, Settings
from nodnod_agent.config.sources import gather
from nodnod_client.address import parse_address

EXAMPLES = Path(__file__).parents[2] / "examples"
DOCUMENTS = {
    document["kind"]: document
    for document in yaml.safe_load_all((EXAMPLES / "kubernetes" / "nodnod.yaml").read_text())
}
SERVICE, DAEMONS = DOCUMENTS["Service"], DOCUMENTS["DaemonSet"]
POD = DAEMONS["spec"]["template"]["spec"]
(AGENT,) = POD["containers"]

FIELDS = {"spec.nodeName": "node-1.example", "status.podIP": "10.0.0.5"}
"""Fields that a node gives its pods."""


def environment(fields: Mapping[str, str] = FIELDS) -> dict[str, str]:
    """The variables of the container."""
    return {
        row["name"]: row.get("value") or fields[row["valueFrom"]["fieldRef"]["fieldPath"]]
        for row in AGENT["env"]
    }


@pytest.mark.parametrize("version", ["1.25", "1.31", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("kind", DOCUMENTS)
def test_every_document_is_valid(kind: str, version: str) -> None:
    kubernetes_validate.validate(DOCUMENTS[kind], version, strict=True)


def test_every_variable_is_a_setting() -> None:
    assert environment().keys() <= {row.variable for row in SETTINGS}


@pytest.mark.parametrize("ip", ["10.0.0.5", "fd00::5"])
def test_the_variables_configure_an_agent_that_others_can_dial(ip: str) -> None:
    given = gather({}, environment(FIELDS | {"status.podIP": ip}), None, "")

    settings = Settings(**given.values)

    port = AGENT["ports"][0]["containerPort"]
    assert settings.name == "node-1.example"
    assert (settings.advertise.host, settings.advertise.port) == (ip, port)  # type: ignore[union-attr]
    assert settings.listen == parse_address(f"0.0.0.0:{port}")
    assert POD["hostNetwork"], "otherwise each pod would have a new address"


def test_agents_join_the_service_which_lists_them_before_they_are_ready() -> None:
    name, port = SERVICE["metadata"]["name"], SERVICE["spec"]["ports"][0]["port"]

    assert environment()["NODNOD_JOIN"] == f"{name}:{port}"
    assert SERVICE["spec"]["clusterIP"] == "None"
    assert SERVICE["spec"]["publishNotReadyAddresses"]


def test_every_name_of_the_service_is_an_allowed_host() -> None:
    name, space = (SERVICE["metadata"][key] for key in ("name", "namespace"))
    given = gather({}, environment(), None, "").values

    known = {given["join"][0].host, *given["allowed_hosts"]}
    assert known == {name} | {f"{name}.{space}{end}" for end in ("", ".svc", ".svc.cluster.local")}


def test_the_service_and_the_set_select_the_pods() -> None:
    labels = DAEMONS["spec"]["template"]["metadata"]["labels"]

    assert SERVICE["spec"]["selector"].items() <= labels.items()
    assert DAEMONS["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert {document["metadata"].get("namespace") for document in (SERVICE, DAEMONS)} == {
        DOCUMENTS["Namespace"]["metadata"]["name"]
    }


def test_only_the_agent_can_read_the_secret() -> None:
    (secret,) = (one["secret"] for one in POD["volumes"] if "secret" in one)
    (mount,) = (one for one in AGENT["volumeMounts"] if one["name"] == "secret")

    assert environment()["NODNOD_AUTH_SECRETS"] == f"file:{mount['mountPath']}/secret"
    assert not any(secret["defaultMode"] & bits for bits, _ in FORBIDDEN_MODES)
    assert secret["defaultMode"] & 0o040
    assert POD["securityContext"]["fsGroup"] == POD["securityContext"]["runAsGroup"]


def test_the_pod_runs_as_the_user_of_the_image() -> None:
    image = (EXAMPLES / "container" / "Containerfile").read_text()
    context = POD["securityContext"]

    assert re.findall("^USER (.*)", image, re.MULTILINE) == [
        f"{context['runAsUser']}:{context['runAsGroup']}"
    ]


def test_no_limit_of_the_container_hides_the_size_of_the_machine() -> None:
    assert "limits" not in AGENT["resources"]


async def test_an_agent_with_these_variables_passes_the_probes(
    agents: Agents, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    secret = Secret(tmp_path)
    changes = {
        "0.0.0.0:7070": f"127.0.0.1:{port}",
        "nodnod:7070": f"localhost:{port}",
        "10.0.0.5": f"127.0.0.1:{port}",
        "file:/etc/nodnod/secret": secret.reference,
    }
    # Kubernetes adds these for a service of that name, where service links are on.
    links = {"NODNOD_SERVICE_HOST": "10.96.0.7", "NODNOD_PORT": "tcp://10.96.0.7:7070"}
    own = {name: changes.get(value, value) for name, value in environment().items()}
    prefix = ["env", *(f"{name}={value}" for name, value in (own | links).items())]
    agent = agents.start(FIELDS["spec.nodeName"], listen="", prefix=prefix)

    for probe in ("livenessProbe", "readinessProbe"):
        get = AGENT[probe]["httpGet"]
        assert get["port"] == AGENT["ports"][0]["name"]
        # A probe sends the address of the pod as Host.
        assert await status(agent, get["path"], f"Host: 10.0.0.5:{port}") == 200
    assert await status(agent, "/stat") == 401
