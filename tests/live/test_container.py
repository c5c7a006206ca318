"""The commands of examples/container/Containerfile, run here: without an engine, with pip."""

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.harness.processes import free_ports
from eventually import SLACK
from live.access import Secret
from live.tools import end, install, start, wait_until

ROOT = Path(__file__).parents[2]
CONTAINERFILE = ROOT / "examples" / "container" / "Containerfile"
MANUAL = (ROOT / "docs" / "operations.md").read_text()
SECRET = "NODNOD_AUTH_SECRETS"
HOME = "/opt/nodnod"
PORT = "7070"

Instructions = list[tuple[str, str]]


def stages() -> list[Instructions]:
    """The instructions of each stage: the word, and the rest of its line."""
    text = re.sub(r"^\s*#.*\n", "", CONTAINERFILE.read_text(), flags=re.MULTILINE)
    found: list[Instructions] = []
    for line in text.replace("\\\n", " ").splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append([])
        if found and word:
            found[-1].append((word, rest.strip()))
    return found


BUILD, FINAL = stages()


def last(word: str) -> str:
    """The last such instruction of the image, which is the one that counts."""
    return [rest for one, rest in FINAL if one == word][-1]


class Image:
    """The files of the image in a folder, and its agent on a free port."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "nodnod"
        (self.port,) = free_ports(1)
        self._log = directory / "agent.log"
        self.environment = {
            name: self.here(value).replace("0.0.0.0", "127.0.0.1")
            for name, value in (rest.split("=", 1) for word, rest in FINAL if word == "ENV")
        }

    def here(self, text: str) -> str:
        """A text of the file with our folder and port."""
        return text.replace(HOME, str(self.home)).replace(PORT, str(self.port))

    def words(self, words: str) -> list[str]:
        """A command in the form of a JSON array."""
        return [self.here(word) for word in json.loads(words)]

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
        """Start the command of the image and wait until it listens; ``more`` are variables."""
        self.environment.update(more)
        command = [*self.words(last("ENTRYPOINT")), *arguments]
        process = start(command, self._log, env=self.environment, cwd=self.home)
        line = "Starting NodNod websocket server"
        wait_until(lambda: line in self._log.read_text(), process, self._log)
        return process

    def healthy(self) -> bool:
        """The result of the health check of the image."""
        _, _, words = last("HEALTHCHECK").partition(" CMD ")
        return self.run(self.words(words)).returncode == 0

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command in the environment of the image."""
        program = shutil.which(command[0], path=self.environment["PATH"])
        assert program is not None
        return subprocess.run(
            [program, *command[1:]],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The result of the build stage, run in a folder with only the files that it copies."""
    directory = tmp_path_factory.mktemp("image")
    image, source = Image(directory), directory / "src"
    source.mkdir()
    for word, rest in BUILD:
        if word == "COPY":
            copy(rest.split(), source)
        elif word == "RUN":
            run = image.here(rest).replace("python3 ", f"{sys.executable} ")
            install(run, shell=True, cwd=source)
    return image


def copy(words: list[str], to: Path) -> None:
    """COPY: files into the folder, or one folder to its name."""
    *names, target = words
    for name in names:
        if (ROOT / name).is_dir():
            assert target == name
            shutil.copytree(
                ROOT / name, to / target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
            )
        else:
            assert target == "./"
            shutil.copy(ROOT / name, to)


@pytest.fixture
def agent(image: Image) -> Iterator[subprocess.Popen[bytes]]:
    """The agent of the image."""
    yield from running(image)


@pytest.fixture
def guarded(image: Image, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The same with a secret, as the manual says."""
    assert f"-e {SECRET}=file:" in MANUAL
    yield from running(image, **{SECRET: Secret(tmp_path).reference})


def running(image: Image, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    before = image.environment.copy()
    process = image.start("--name", "cartman", **more)
    yield process
    end(process)
    image.environment = before


def test_the_agent_answers_with_only_the_files_of_the_image(
    image: Image, agent: subprocess.Popen[bytes]
) -> None:
    answer: Any = json.loads(page(image, "/stat/all"))

    assert answer["nodes"]["cartman"]["error"] == ""
    assert b"<script" in page(image, "/")


def page(image: Image, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{image.port}{path}", timeout=10) as answer:
        return bytes(answer.read())


def test_the_health_check_fails_for_an_agent_that_is_frozen_or_dead(
    image: Image, agent: subprocess.Popen[bytes]
) -> None:
    assert image.healthy()

    agent.send_signal(signal.SIGSTOP)
    assert not image.healthy()
    agent.send_signal(signal.SIGCONT)
    assert image.healthy()

    agent.kill()
    agent.wait()
    assert not image.healthy()


def test_health_needs_no_token_and_the_check_of_the_manual_has_one(
    image: Image, guarded: subprocess.Popen[bytes]
) -> None:
    (line,) = re.findall(r"^podman exec nodnod (.*)$", MANUAL, re.MULTILINE)
    image.environment["NODNOD_SERVER"] = f"127.0.0.1:{image.port}"

    done = image.run(shlex.split(line))

    assert done.stdout.startswith("NODNOD OK: 1 of 1 node up"), done.stdout + done.stderr
    assert image.healthy()


def test_sigterm_ends_the_agent_within_two_seconds(
    image: Image, agent: subprocess.Popen[bytes]
) -> None:
    agent.send_signal(signal.SIGTERM)

    assert agent.wait(2.0 + SLACK) == 0


def test_it_does_not_run_as_root() -> None:
    user, _, group = last("USER").partition(":")

    # Numbers, because Kubernetes' runAsNonRoot cannot resolve names.
    assert int(user) > 0
    assert int(group) > 0
