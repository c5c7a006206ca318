"""``nodnod-agent install-service`` on a machine with a real systemd."""

from collections.abc import Iterator

import pytest

from live.booted import Machine

AGENT = "/opt/nodnod/bin/nodnod-agent"
HEALTH = """
import sys
from http.client import HTTPConnection
connection = HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)
connection.request("GET", "/healthz")
print(connection.getresponse().status)
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with Machine(tmp_path_factory.mktemp("machine")) as machine:
        machine.run("systemctl", "start", "dbus")
        machine.run("sh", "-c", "umask 077; /opt/nodnod/bin/nodnod secret > /root/secret")
        yield machine


def test_one_line_starts_the_agent_and_one_removes_it(machine: Machine) -> None:
    line = ("install-service", "--listen", "127.0.0.1:7070", "--secret-file", "/root/secret")

    machine.run("sh", "-c", f"umask 077; {AGENT} {' '.join(line)}")

    assert health(machine, 7070) == "200"
    pid = machine.run("systemctl", "show", "-P", "MainPID", "nodnod-agent").strip()
    assert machine.run("ps", "-o", "user=", "-p", pid).strip() == "nodnod"
    assert machine.run("systemctl", "is-enabled", "nodnod-agent").strip() == "enabled"
    owner = machine.run("stat", "-c", "%U:%G %a", "/etc/nodnod/secret")
    assert owner.strip() == "root:nodnod 640"

    machine.run(AGENT, *line)
    assert machine.run("systemctl", "show", "-P", "MainPID", "nodnod-agent").strip() == pid

    machine.run(AGENT, "uninstall-service")
    state = machine.run("systemctl", "show", "-P", "LoadState", "nodnod-agent")
    assert state.strip() == "not-found"


def test_a_user_has_an_agent_of_its_own(machine: Machine) -> None:
    machine.run("systemctl", "start", "user@0")
    user = ("env", "HOME=/root", "XDG_RUNTIME_DIR=/run/user/0")

    machine.run(*user, AGENT, "install-service", "--user", "--listen", "127.0.0.1:7072")

    assert health(machine, 7072) == "200"
    enabled = machine.run(*user, "systemctl", "--user", "is-enabled", "nodnod-agent")
    assert enabled.strip() == "enabled"

    machine.run(*user, AGENT, "uninstall-service", "--user")
    assert machine.run("sh", "-c", "ls /root/.config/systemd/user/*.service || true") == ""


def health(machine: Machine, port: int) -> str:
    """The status of the answer of an agent that has started."""
    return machine.run("/opt/nodnod/bin/python", "-c", HEALTH, str(port)).strip()
