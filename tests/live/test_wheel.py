"""The wheel: built once, installed and run by each supported Python that this machine has."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.harness.processes import free_ports
from live.tools import end, install, start, wait_until
from live.web import fetch
from nodnod_agent.console.main import main

ROOT = Path(__file__).parents[2]
OWN = sys.version_info[:2]
VERSIONS = [(3, minor) for minor in range(11, 16)]
# It takes a second where pip takes ten.
UV = shutil.which("uv", path=Path(sys.executable).parent) or "uv"
ASK = """
import json, sys
from nodnod_client import SyncClient
with SyncClient(sys.argv[1], ca=sys.argv[2] or None) as client:
    print(json.dumps({name: node.error for name, node in client.stat_all().nodes.items()}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dist")
    pip = (sys.executable, "-m", "pip", "--quiet")
    install([*pip, "wheel", "--no-deps", "--wheel-dir", str(directory), str(ROOT)])
    (path,) = directory.iterdir()
    return path


def interpreter(version: tuple[int, int]) -> str:
    """A Python of this version with venv; without one the test is skipped, in CI too."""
    name = "python{}.{}".format(*version)
    path = sys.executable if version == OWN else shutil.which(name) or ""
    if not path or subprocess.run([path, "-c", "import venv"], capture_output=True).returncode:
        pytest.skip(f"there is no {name} with venv")
    return path


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: "{}.{}".format(*version))
def home(
    request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A virtual environment with the wheel alone."""
    home = tmp_path_factory.mktemp("venv")
    install([interpreter(request.param), "-m", "venv", "--without-pip", str(home)])
    uv = (UV, "pip", "install", "--quiet", "--python", str(home / "bin/python"))
    install([*uv, "--constraint", str(ROOT / "constraints.txt"), str(wheel)])
    return home


@contextmanager
def agent(home: Path, directory: Path, **settings: object) -> Iterator[int]:
    """The port of an agent of the wheel, Kyle; it logs nothing bad until the end."""
    (port,) = free_ports(1)
    log, config = directory / "agent.log", directory / "config.json"
    config.write_text(json.dumps({"listen": f"127.0.0.1:{port}", "name": "kyle", **settings}))
    command = [str(home / "bin/nodnod-agent"), "--config", str(config)]
    process = start(command, log, cwd=directory)
    try:
        wait_until(lambda: "Starting NodNod websocket server" in log.read_text(), process, log)
        yield port
    finally:
        end(process)
    assert not re.search("WARN|ERROR|Traceback|Deprecat", log.read_text())


def ask(home: Path, port: int, ca: str = "") -> object:
    """The errors of the nodes by name, as the client of the wheel says."""
    command = [str(home / "bin/python"), "-W", "error", "-c", ASK, f"127.0.0.1:{port}", ca]
    answer: object = json.loads(subprocess.check_output(command))
    return answer


async def test_the_agent_of_the_wheel_answers(home: Path, tmp_path: Path) -> None:
    with agent(home, tmp_path) as port:
        assert ask(home, port) == {"kyle": ""}
        assert b"<script" in (await fetch(port, "/")).body


def test_every_python_takes_the_certificates_of_nodnod_tls(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    assert main(("tls", "init", "--dir", str(folder))) == 0
    assert main(("tls", "node", "kyle", "--dir", str(folder))) == 0
    tls = {"cert": "kyle.pem", "key": "kyle.key", "ca": "ca.pem"}

    with agent(
        home, tmp_path, tls={name: str(folder / file) for name, file in tls.items()}
    ) as port:
        assert ask(home, port, ca=str(folder / "ca.pem")) == {"kyle": ""}


def test_the_wheel_has_the_unit_and_the_page(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    assert {"nodnod_agent/service/nodnod-agent.service", "nodnod_agent/service/sysusers.conf"} <= {
        *names
    }
    assert not [name for name in names if name.startswith(("tests", "bench"))]
