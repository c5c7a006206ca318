"""The wheel: built once, installed and run by each supported Python that this machine has."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bench.harness.processes import free_ports
from live.tools import end, start, wait_until
from live.web import fetch

ROOT = Path(__file__).parents[2]
OWN = sys.version_info[:2]
VERSIONS = [(3, minor) for minor in range(11, 15)]
OFFLINE = re.compile(r"ConnectionError|Temporary failure|No matching distribution|timed out")
ASK = """
import json, sys
from nodnod_client import SyncClient
with SyncClient(sys.argv[1]) as client:
    print(json.dumps({name: node.error for name, node in client.stat_all().nodes.items()}))
"""


def run(*command: str) -> str:
    """What a command prints; where pip reaches no index, the test is skipped."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and OFFLINE.search(done.stderr) and "CI" not in os.environ:
        pytest.skip("pip reaches no index")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dist")
    pip = (sys.executable, "-m", "pip", "--quiet")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", str(directory), str(ROOT))
    (path,) = directory.iterdir()
    return path


def interpreter(version: tuple[int, int]) -> str:
    """A Python of this version with venv; without one the test is skipped, in CI too."""
    name = "python{}.{}".format(*version)
    path = sys.executable if version == OWN else shutil.which(name) or ""
    check = [path, "-c", "import ensurepip, venv"]
    if not path or subprocess.run(check, capture_output=True).returncode:
        pytest.skip(f"there is no {name} with venv")
    return path


@pytest.fixture(params=VERSIONS, ids=lambda version: "{}.{}".format(*version))
def home(request: pytest.FixtureRequest, wheel: Path, tmp_path: Path) -> Path:
    """A virtual environment with the wheel alone."""
    run(interpreter(request.param), "-m", "venv", str(tmp_path / "venv"))
    pip = (str(tmp_path / "venv/bin/python"), "-m", "pip", "--quiet")
    run(*pip, "install", "--constraint", str(ROOT / "constraints.txt"), str(wheel))
    return tmp_path / "venv"


async def test_the_agent_of_the_wheel_answers(home: Path, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    log = tmp_path / "agent.log"
    command = [str(home / "bin/nodnod-agent"), "--listen", address, "--name", "kyle"]
    agent = start(command, log, cwd=tmp_path)
    try:
        wait_until(lambda: "Starting NodNod websocket server" in log.read_text(), agent, log)
        asked = run(str(home / "bin/python"), "-W", "error", "-c", ASK, address)
        page = await fetch(port, "/")
    finally:
        end(agent)

    assert json.loads(asked) == {"kyle": ""}
    assert b"<script" in page.body
    assert not re.search("WARN|ERROR|Traceback|Deprecat", log.read_text())


def test_the_wheel_has_the_unit_and_the_page(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    assert {"nodnod_agent/service/nodnod-agent.service", "nodnod_agent/service/sysusers.conf"} <= {
        *names
    }
    assert not [name for name in names if name.startswith(("tests", "bench"))]
