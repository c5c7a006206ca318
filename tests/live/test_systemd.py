"""The unit of examples/systemd under a real systemd: its state, its restrictions, its reload."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventually import eventually
from live.booted import CHECKOUT, Machine
from live.tools import tool
from nodnod_agent.collectors.container_engines import Engines
from nodnod_agent.collectors.containers import ContainersCollector
from nodnod_agent.collectors.processes import NotReady
from nodnod_client.sections import Containers

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "systemd"
UNIT = EXAMPLES / "nodnod-agent.service"
DROPINS = "/run/systemd/system/nodnod-agent.service.d"
PATIENCE = 20.0

EXPOSURE = 1.5
"""By systemd-analyze 252 and docs/operations.md; other versions differ a little."""

MOST = 20
"""The limit for any version, in tenths."""

MANUAL = (ROOT / "docs" / "operations.md").read_text()

INSTALLED = ("python3 -m venv", "/opt/nodnod/bin/pip")
"""Commands of the manual, by their beginning, that our machine does not need."""


def block(language: str, holding: str) -> str:
    """The block of the manual with this text."""
    blocks = re.findall(f"```{language}\n(.*?)```", MANUAL, re.DOTALL)
    (found,) = (text for text in blocks if holding in text)
    return str(found)


CONFIG = json.loads(block("json", '"listen"')) | {
    "listen": "127.0.0.1:7070",
    "join": [],
    "interval": 0.25,
}

LOOK = """
import json, sys
from nodnod_client import SyncClient
with SyncClient(sys.argv[1], token=sys.argv[2]) as client:
    (node,) = client.stat(detail=sys.argv[3:]).nodes.values()
print(json.dumps({"error": node.error, **node.detail}))
"""
SECTIONS = [
    "system",
    "memory",
    "filesystems",
    "diskio",
    "network",
    "processes",
    "services",
    "sensors",
    "pressure",
]


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool("systemd-analyze", "systemd"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_unit_is_clean(tmp_path: Path) -> None:
    here = tmp_path / UNIT.name
    program = tmp_path / "nodnod-agent"
    program.touch(0o755)
    here.write_text(UNIT.read_text().replace("/opt/nodnod/bin/nodnod-agent", str(program)))

    done = analyze("verify", str(here))

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_unit_exposes_no_more_than_the_manual_says() -> None:
    done = analyze("security", "--offline=true", "--no-pager", f"--threshold={MOST}", str(UNIT))

    assert done.returncode == 0, done.stdout
    assert f"gives an exposure of {EXPOSURE}" in MANUAL.replace("\n", " ")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with the agent installed as the manual says."""
    with Machine(tmp_path_factory.mktemp("machine")) as machine:
        configure(machine, json.dumps(CONFIG))
        lines = block("sh", "systemd-sysusers").splitlines()
        script = [line for line in lines if not line.startswith(INSTALLED)]
        assert len(script) == len(lines) - len(INSTALLED)
        machine.run("sh", "-e", given="\n".join([f"cd {CHECKOUT}", *script, ""]))
        machine.run("systemctl", "start", "dbus")
        yield machine


@pytest.fixture
def agent(machine: Machine) -> Iterator[Machine]:
    """The same with the agent started by the unmodified unit."""
    machine.run("systemctl", "start", "nodnod-agent")
    yield machine
    machine.run("systemctl", "stop", "nodnod-agent")
    machine.run("rm", "-rf", DROPINS)
    machine.run("systemctl", "daemon-reload")


def shown(machine: Machine, name: str) -> str:
    """A property of the unit."""
    return machine.run("systemctl", "show", "-P", name, "nodnod-agent").strip()


def override(machine: Machine, text: str) -> None:
    """Restart the agent with a drop-in."""
    machine.write(f"{DROPINS}/test.conf", text)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "nodnod-agent")


def configure(machine: Machine, text: str) -> None:
    """Write the configuration of the agent."""
    machine.write("/etc/nodnod/config.json", text)


def journal(machine: Machine) -> str:
    """The journal of the unit."""
    return machine.run("journalctl", "--no-pager", "-o", "cat", "-u", "nodnod-agent")


def look(machine: Machine, server: str = "127.0.0.1:7070") -> dict[str, Any]:
    """The stats of an agent on the machine."""
    token = machine.run(
        *("/opt/nodnod/bin/nodnod", "token", "--role", "read", "--ttl", "1h", "--for", "test"),
        *("--secret", "file:/etc/nodnod/secret"),
    )
    output = machine.run("/opt/nodnod/bin/python", "-c", LOOK, server, token.strip(), *SECTIONS)
    seen: dict[str, Any] = json.loads(output)
    return seen


def places(seen: dict[str, Any]) -> set[tuple[str, ...]]:
    """The file systems that an agent lists, with their sizes."""
    names = ("mount", "device", "type", "total", "counted")
    return {tuple(str(row[name]) for name in names) for row in seen["filesystems"]}


def test_a_started_agent_answers_and_reports_its_status(agent: Machine) -> None:
    assert look(agent)["error"] == ""
    assert shown(agent, "StatusText") == "nodes: 1, down: 0"
    assert agent.run("ps", "-o", "user=", "-p", shown(agent, "MainPID")).strip() == "nodnod"


def test_the_restrictions_of_the_unit_hide_nothing_from_the_agent(agent: Machine) -> None:
    agent.run(
        *("systemd-run", "--quiet", "--unit=bare", "--uid=nodnod", "--property=Type=notify"),
        *("--setenv=NODNOD_LISTEN=127.0.0.1:7071", "--setenv=NODNOD_NAME=bare"),
        *("--setenv=NODNOD_AUTH_SECRETS=file:/etc/nodnod/secret", "/opt/nodnod/bin/nodnod-agent"),
    )
    try:
        restricted, bare = look(agent), look(agent, "127.0.0.1:7071")
    finally:
        agent.run("systemctl", "stop", "bare")

    assert "/home" in {mount for mount, *_ in places(bare)}
    assert places(restricted) == places(bare)
    for section in ("system", "sensors"):
        assert restricted[section] == bare[section]
    for section in ("diskio", "network", "memory", "pressure"):
        assert restricted[section].keys() == bare[section].keys()
    owners = [{row["user"] for row in seen["processes"]["byMemory"]} for seen in (restricted, bare)]
    assert owners[0] == owners[1]
    assert {"root", "nodnod"} <= owners[0]


UNITS = {
    "broken": "Type=oneshot\nExecStart=/bin/sh -c 'exit 3'",
    "loop": "ExecStart=/bin/sh -c 'kill -9 $$$$'\nRestart=always\nRestartSec=600",
    "limited": "ExecStart=/bin/false\nRestart=on-failure\nRestartSec=0",
    "busy": "ExecStart=/bin/sh -c 'while :; do :; done'",
}
"""The services of a test: what each is in the section, by the part of its unit that matters."""


async def test_services_in_trouble_are_listed_as_systemd_has_them(agent: Machine) -> None:
    for name, text in UNITS.items():
        agent.write(f"/run/systemd/system/{name}.service", f"[Service]\n{text}\n")
    agent.run("systemctl", "daemon-reload")
    agent.run("systemctl", "start", "--no-block", *UNITS)

    def problems() -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in look(agent)["services"]["problems"]}

    wanted = {f"{name}.service" for name in UNITS if name != "busy"}
    try:
        await eventually(lambda: problems().keys() >= wanted, within=PATIENCE)
        found = problems()
        section = look(agent)["services"]
    finally:
        agent.run("systemctl", "stop", *UNITS)
        agent.run("systemctl", "reset-failed", "broken", "limited")

    assert "error" not in section
    assert section["failed"] == 2
    assert section["count"] > 10
    for name, expected in {
        "broken": ("failed", "exit-code", 0, 3, None),
        "loop": ("auto-restart", "signal", 0, None, 9),
        "limited": ("failed", "exit-code", 5, 1, None),
    }.items():
        row = found[f"{name}.service"]
        ended = (row["result"], row["restarts"], row["exitStatus"], row["signal"])
        assert (row["state"], *ended) == expected
        assert abs(row["since"] - time.time()) < PATIENCE * 5
    top = section["byCpu"][0]
    assert top["name"] == "busy.service"
    assert top["cpu"] is None or top["cpu"] > 0
    assert "nodnod-agent.service" in {row["name"] for row in section["byMemory"]}


def test_the_machine_is_a_container_of_the_one_that_runs_it(agent: Machine) -> None:
    collector = ContainersCollector(open_engines=lambda: Engines([], "/nonexistent"))
    assert isinstance(collector.read(1.0), NotReady)
    found = collector.read(2.0)
    assert isinstance(found, Containers)
    (row,) = (row for row in found.containers if row.name == agent.name)
    assert (row.engine, row.id, row.state) == ("nspawn", agent.name, "running")
    assert row.processes is not None
    assert row.processes > 2
    assert row.recv_bytes is not None, "it has a network of its own"
    assert row.since is not None
    assert 0 < time.time() - row.since < 600


def test_protect_home_would_hide_a_file_system_at_home(agent: Machine) -> None:
    override(agent, "[Service]\nProtectHome=yes\n")

    assert "/home" not in {mount for mount, *_ in places(look(agent))}


async def test_a_reload_adds_a_node(agent: Machine) -> None:
    configure(agent, json.dumps(CONFIG | {"nodes": ["127.0.0.1:7079"]}))
    try:
        agent.run("systemctl", "reload", "nodnod-agent")
        await eventually(lambda: shown(agent, "StatusText") == "nodes: 2, down: 1", within=PATIENCE)
    finally:
        configure(agent, json.dumps(CONFIG))


async def test_a_reload_of_a_broken_file_changes_nothing_and_is_in_the_journal(
    agent: Machine,
) -> None:
    configure(agent, "{")
    try:
        agent.run("systemctl", "reload", "nodnod-agent")
        await eventually(
            lambda: "Configuration not reloaded, nothing is changed" in journal(agent),
            within=PATIENCE,
        )
        assert shown(agent, "ActiveState") == "active"
        assert look(agent)["error"] == ""
    finally:
        configure(agent, json.dumps(CONFIG))


async def test_a_frozen_agent_is_restarted(agent: Machine) -> None:
    override(agent, "[Service]\nWatchdogSec=3\nRestartSec=0\n")

    agent.run("kill", "-STOP", shown(agent, "MainPID"))

    await eventually(lambda: shown(agent, "NRestarts") == "1", within=PATIENCE)
    await eventually(lambda: shown(agent, "ActiveState") == "active", within=PATIENCE)
    assert "Watchdog timeout" in journal(agent)
    assert look(agent)["error"] == ""


def test_a_restart_keeps_the_history(agent: Machine) -> None:
    agent.run("systemctl", "restart", "nodnod-agent")

    name, mode, owner = agent.run("sh", "-c", "stat -c '%n %a %U' /var/lib/nodnod/*").split()
    assert Path(name).name.startswith("history-")
    assert (mode, owner) == ("600", "nodnod")
    assert "Read the history, which ends " in journal(agent)


def test_a_stopped_agent_has_succeeded(agent: Machine) -> None:
    agent.run("systemctl", "stop", "nodnod-agent")

    assert shown(agent, "Result") == "success"
    assert shown(agent, "ExecMainStatus") == "0"


def test_the_secret_can_be_a_credential(agent: Machine) -> None:
    agent.run("chmod", "0600", "/etc/nodnod/secret")
    try:
        override(agent, (EXAMPLES / "credentials.conf").read_text())
        assert look(agent)["error"] == ""
    finally:
        agent.run("chmod", "0640", "/etc/nodnod/secret")
