"""The chart of examples/helm: valid for Kubernetes, and the same as the plain manifest.

Helm itself is not needed: ``doubles.helm`` renders what the chart uses of its language.
"""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from doubles.helm import Chart
from nodnod_agent.config.settings import SETTINGS, Settings
from nodnod_agent.config.sources import gather
from nodnod_client import __version__

EXAMPLES = Path(__file__).parents[2] / "examples"
CHART = Chart(EXAMPLES / "helm")
MANIFEST = {
    document["kind"]: document
    for document in yaml.safe_load_all((EXAMPLES / "kubernetes" / "nodnod.yaml").read_text())
}
SECRET = 'it"s: {{ 40 }} bytes or more, of any kind'
VALUES: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "everything": {
        "image": {"repository": "registry.example:5000/x", "tag": "abc"},
        "join": ["10.0.0.1:7070", "[fd00::5]:7070"],
        "allowedHosts": ["nodnod.example"],
        "secret": {"value": SECRET},
        "env": {"NODNOD_INTERVAL": 2, "NODNOD_TAGS": "role=db"},
        "serviceAccount": {"annotations": {"example/role": "none"}},
    },
    "a backplane": {"backplane": "nats://nats:4222"},
}


@pytest.mark.parametrize("version", ["1.25", "1.31", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_every_document_is_valid(values: dict[str, Any], version: str) -> None:
    documents = CHART.render(**values)

    assert documents.keys() == {"ServiceAccount", "Service", "DaemonSet"} | (
        {"Secret"} if "secret" in values else set()
    )
    for document in documents.values():
        kubernetes_validate.validate(document, version, strict=True)


def test_as_it_comes_it_is_the_plain_manifest() -> None:
    rendered = CHART.render()

    for kind in ("Service", "DaemonSet"):
        assert without_names_of_helm(rendered[kind]) == MANIFEST[kind]


def without_names_of_helm(document: Any) -> Any:
    """A document without what only the chart has."""
    own = ("app.kubernetes.io/instance", "serviceAccountName", "imagePullPolicy")
    if isinstance(document, dict):
        return {
            key: without_names_of_helm(value) for key, value in document.items() if key not in own
        }
    return [*map(without_names_of_helm, document)] if isinstance(document, list) else document


def test_its_image_is_that_of_this_version() -> None:
    (agent,) = containers(CHART.render())

    assert agent["image"].endswith(f":{__version__}")


def test_the_values_reach_the_agent_and_the_pod() -> None:
    documents = CHART.render(**VALUES["everything"])
    (agent,) = containers(documents)
    fields = {"spec.nodeName": "node-1", "status.podIP": "10.0.0.9"}
    variables = {
        row["name"]: row.get("value") or fields[row["valueFrom"]["fieldRef"]["fieldPath"]]
        for row in agent["env"]
    }

    settings = Settings(**gather({}, variables, None, "").values)

    assert variables.keys() <= {row.variable for row in SETTINGS}
    assert [*map(str, settings.join)] == ["nodnod:7070", "10.0.0.1:7070", "[fd00::5]:7070"]
    assert "nodnod.example" in settings.allowed_hosts
    assert (settings.interval, settings.tags) == (2.0, {"role": "db"})
    assert agent["image"] == "registry.example:5000/x:abc"
    (secret,) = (one["secret"] for one in pod(documents)["volumes"] if "secret" in one)
    assert secret["secretName"] == documents["Secret"]["metadata"]["name"]
    assert documents["Secret"]["stringData"] == {"secret": SECRET}


def test_with_a_backplane_nobody_is_joined() -> None:
    servers = "nats://nats-0.nats:4222,nats://nats-1.nats:4222"
    (agent,) = containers(CHART.render(backplane=servers, join=["10.0.0.1:7070"]))

    variables = {row["name"]: row.get("value") for row in agent["env"]}
    assert variables["NODNOD_BACKPLANE"] == servers
    assert "NODNOD_JOIN" not in variables


def test_two_releases_select_their_own_pods() -> None:
    (one, other) = (Chart(EXAMPLES / "helm", name).render() for name in ("one", "other"))

    labels = one["DaemonSet"]["spec"]["template"]["metadata"]["labels"]
    assert one["Service"]["spec"]["selector"].items() <= labels.items()
    assert not other["Service"]["spec"]["selector"].items() <= labels.items()


def pod(documents: dict[str, Any]) -> Any:
    return documents["DaemonSet"]["spec"]["template"]["spec"]


def containers(documents: dict[str, Any]) -> Any:
    return pod(documents)["containers"]
