"""``install-service`` and ``uninstall-service``, with fakes of the system's commands on PATH."""

import json
import os
from argparse import Namespace
from pathlib import Path

import pytest

from nodnod_agent.config.validators import ConfigError
from nodnod_agent.service import command
from nodnod_agent.service.layout import Layout, of_system, of_user
from nodnod_agent.service.unit import is_changed

PROGRAM = Path("/opt/nodnod/bin/nodnod-agent")
FAKE = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
exit ${STATUS:-0}
"""
START = [
    "systemctl daemon-reload",
    "systemctl enable nodnod-agent",
    "systemctl restart nodnod-agent",
]


class Server:
    """A machine with systemd, whose files are in a folder and whose commands are noted."""

    def __init__(self, directory: Path, layout: Layout) -> None:
        self.layout = layout
        self.secret = directory / "given"
        self._calls = directory / "calls"
        self.write_secret("x" * 40)

    def write_secret(self, text: str) -> None:
        self.secret.write_text(text)
        self.secret.chmod(0o600)

    def run(self, *words: str, booted: bool = True, root: bool = True) -> int:
        parsed: Namespace = command.parse(words)
        return command.run(
            words[0], parsed, self.layout, booted=booted, root=root, find_program=found
        )

    def install(self, *words: str) -> int:
        return self.run("install-service", *words)

    def calls(self) -> list[str]:
        """The commands since the last call."""
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        self._calls.unlink(missing_ok=True)
        return lines

    def config(self) -> object:
        return json.loads(self.layout.config.read_text())


def found(*, user: bool) -> Path:
    return PROGRAM


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("systemctl", "systemd-sysusers", "chgrp"):
        (programs / name).write_text(FAKE)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return Server(tmp_path, of_system(tmp_path / "root"))


def test_one_line_makes_user_settings_secret_and_a_service_that_runs(server: Server) -> None:
    assert server.install("--join", "10.0.0.1,10.0.0.2", "--secret-file", str(server.secret)) == 0

    layout = server.layout
    assert server.config() == {
        "join": ["10.0.0.1:7070", "10.0.0.2:7070"],
        "auth": {"secrets": [f"file:{layout.secret}"]},
    }
    assert layout.secret.read_text().strip() == "x" * 40
    assert layout.secret.stat().st_mode & 0o777 == 0o640
    assert f"ExecStart={PROGRAM} --config {layout.config}" in layout.unit.read_text()
    assert server.calls() == [
        f"systemd-sysusers {layout.users}",
        f"chgrp nodnod {layout.secret}",
        *START,
    ]


def test_the_same_line_again_changes_nothing_and_restarts_nothing(server: Server) -> None:
    line = ("--join", "10.0.0.1", "--secret-file", str(server.secret))
    server.install(*line)
    before = {path: path.stat().st_mtime_ns for path in server.layout.unit.parents[3].rglob("*")}
    server.calls()

    assert server.install(*line) == 0

    after = {path: path.stat().st_mtime_ns for path in server.layout.unit.parents[3].rglob("*")}
    assert after == before
    assert server.calls()[-1] == "systemctl start nodnod-agent"


def test_settings_beside_those_of_the_line_are_kept(server: Server) -> None:
    server.install("--join", "10.0.0.1")
    text = json.dumps({"join": ["10.0.0.1:7070"], "tags": {"role": "db"}})
    server.layout.config.write_text(text)

    assert server.install("--join", "10.0.0.1") == 0
    assert server.install() == 0

    assert server.layout.config.read_text() == text


def test_settings_that_say_otherwise_are_refused_before_anything_is_done(server: Server) -> None:
    server.layout.config.parent.mkdir(parents=True)
    server.layout.config.write_text('{"join": ["10.0.0.9"]}')

    with pytest.raises(ConfigError, match=r'says otherwise; set join = \["10.0.0.1:7070"\] in it'):
        server.install("--join", "10.0.0.1")

    assert not server.layout.unit.exists()
    assert server.calls() == []


def test_another_secret_is_not_overwritten(server: Server) -> None:
    server.install("--secret-file", str(server.secret))
    server.write_secret("y" * 40)

    with pytest.raises(ConfigError, match="holds another secret"):
        server.install("--secret-file", str(server.secret), "--force")


def test_a_secret_that_others_can_read_is_refused(server: Server) -> None:
    server.secret.chmod(0o644)

    with pytest.raises(ConfigError, match=r"--secret-file: .*others may read it"):
        server.install("--secret-file", str(server.secret))


def test_an_address_that_is_none_is_refused(server: Server) -> None:
    with pytest.raises(ConfigError, match=r"--join\[0\]: port must be"):
        server.install("--join", "10.0.0.1:x")


def test_a_changed_unit_takes_force(server: Server) -> None:
    server.install()
    changed = server.layout.unit.read_text().replace("MemoryMax=512M", "MemoryMax=1G")
    server.layout.unit.write_text(changed)

    for name in ("install-service", "uninstall-service"):
        with pytest.raises(ConfigError, match="somebody changed it"):
            server.run(name)
    assert server.layout.unit.read_text() == changed

    assert server.install("--force") == 0
    assert not is_changed(server.layout.unit.read_text())


def test_the_unit_of_an_older_version_is_replaced(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr("nodnod_agent.service.unit._packaged", lambda name: "[Service]\n")
        server.install()
    server.calls()

    assert server.install() == 0

    assert "ProtectSystem=strict" in server.layout.unit.read_text()
    assert server.calls()[-1] == "systemctl restart nodnod-agent"


def test_a_dry_run_prints_all_but_the_secret_and_does_nothing(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    line = ["--join", "10.0.0.1", "--secret-file", str(server.secret), "--dry-run"]

    assert server.run("install-service", *line, booted=False, root=False) == 0

    printed = capfd.readouterr().out
    assert f"write {server.layout.config}, mode 0644:\n    {{\n" in printed
    assert "    ProtectSystem=strict\n" in printed
    assert "run systemctl enable nodnod-agent\n" in printed
    assert "x" * 40 not in printed
    assert not server.layout.unit.exists()
    assert server.calls() == []


def test_the_service_of_the_machine_takes_root_and_systemd(server: Server) -> None:
    with pytest.raises(ConfigError, match="takes root; --user installs your own"):
        server.run("install-service", root=False)
    with pytest.raises(ConfigError, match="does not run systemd"):
        server.run("install-service", booted=False)


def test_a_user_has_a_service_without_root(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server.layout = of_user({"XDG_CONFIG_HOME": str(tmp_path / "config")})
    line = ("--user", "--secret-file", str(server.secret))

    assert server.run("install-service", *line, root=False) == 0

    assert server.layout.unit == tmp_path / "config/systemd/user/nodnod-agent.service"
    assert server.layout.secret.stat().st_mode & 0o777 == 0o600
    assert server.calls() == [call.replace("systemctl", "systemctl --user") for call in START]
    assert "loginctl enable-linger" in capfd.readouterr().out


def test_a_command_of_the_system_that_fails_is_named(
    server: Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STATUS", "1")

    assert server.install() == 1

    assert "`systemd-sysusers " in capfd.readouterr().err


def test_the_service_is_stopped_and_removed_and_its_settings_stay(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    server.install("--secret-file", str(server.secret))
    server.calls()

    assert server.run("uninstall-service") == 0
    assert server.calls() == ["systemctl disable --now nodnod-agent", "systemctl daemon-reload"]
    assert not server.layout.unit.exists()
    assert server.layout.config.exists()
    assert f"kept: {server.layout.config} {server.layout.secret}" in capfd.readouterr().out

    assert server.run("uninstall-service") == 0
    assert server.calls() == []
