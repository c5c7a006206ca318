"""The Debian package of ``make deb``: built, installed and removed on a machine with systemd."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from live.booted import Machine
from live.tools import install, system_python, tool

ROOT = Path(__file__).parents[2]
PACKAGE = "/root/nodnod-agent.deb"
WITHOUT_SYSTEMD = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built package."""
    tool("dpkg-deb", "dpkg")
    tool("strip", "binutils")
    system_python()
    directory = tmp_path_factory.mktemp("dist")
    # To compress it well takes longer than all else.
    quick = os.environ | {"DPKG_DEB_COMPRESSOR_LEVEL": "0"}
    command = ["packaging/deb/build", f"{sys.executable} -m pip", str(directory)]
    return Path(install(command, cwd=ROOT, env=quick).strip())


@pytest.fixture(scope="module")
def machine(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with Machine(tmp_path_factory.mktemp("machine")) as machine:
        machine.run("systemctl", "start", "dbus")
        # Images of containers have one that forbids services to start.
        machine.run("rm", "-f", "/usr/sbin/policy-rc.d")
        machine.copy(package, PACKAGE)
        yield machine


def test_the_agent_runs_once_it_is_installed_and_is_gone_once_it_is_purged(
    machine: Machine,
) -> None:
    machine.run("dpkg", "--install", PACKAGE)

    assert machine.run("systemctl", "is-active", "nodnod-agent").strip() == "active"
    assert machine.run("systemctl", "is-enabled", "nodnod-agent").strip() == "enabled"
    pid = machine.run("systemctl", "show", "-P", "MainPID", "nodnod-agent").strip()
    assert machine.run("ps", "-o", "user=", "-p", pid).strip() == "nodnod"
    assert '"error":""' in machine.run("nodnod", "stat", "--json").replace(" ", "")

    # Settings of the administrator outlive an upgrade and a removal.
    machine.write("/etc/nodnod/config.json", '{"name": "cartman"}')
    machine.run("dpkg", "--install", PACKAGE)
    assert "cartman" in machine.run("nodnod", "stat")
    machine.run("dpkg", "--remove", "nodnod-agent")
    assert machine.run("systemctl", "show", "-P", "LoadState", "nodnod-agent").strip() != "loaded"
    assert "cartman" in machine.run("cat", "/etc/nodnod/config.json")

    machine.run("dpkg", "--purge", "nodnod-agent")
    left = "ls -d /etc/nodnod /usr/lib/nodnod /var/lib/nodnod /usr/bin/nodnod 2>/dev/null || true"
    assert machine.run("sh", "-c", left) == ""


def test_it_is_installed_and_purged_where_no_systemd_runs(machine: Machine) -> None:
    machine.run(*WITHOUT_SYSTEMD, "dpkg", "--install", PACKAGE)

    assert machine.run("nodnod-agent", "--version").startswith("NodNod version")
    assert machine.run("systemctl", "show", "-P", "ActiveState", "nodnod-agent").strip() != "active"

    machine.run(*WITHOUT_SYSTEMD, "dpkg", "--purge", "nodnod-agent")
