"""A machine with a real systemd: the root file system of this one, booted in a container.

Needs root, systemd and systemd-nspawn. Its changes are in memory and vanish with it. It has no
network but its own loopback.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest

from live.manager import Manager
from live.tools import start, tool

CHECKOUT = "/opt/checkout"
"""Where the source tree is on the machine."""

ROOT = Path(__file__).parents[2]
PYTHON = Path(sys.executable).resolve().name
PACKAGES = Path(pytest.__file__).parents[1]
GROUPS = Path("/sys/fs/cgroup")
BOOT_LIMIT = 60.0
"""Seconds; it takes one."""

# The mounts end with the namespace. An image is a disk of its own, at /home. The machine needs a
# control group of its own: in one group, two systemds would end each other's services.
SCRIPT = """
set -e
for tree in "$3" "$3/unified" "$3/systemd"; do
    if [ -e "$tree/cgroup.procs" ]; then
        mkdir "$tree/$4"
        echo $$ > "$tree/$4/cgroup.procs"
    fi
done
mount -t tmpfs -o size=256m nodnod "$1"
mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" nodnod "$1/root"
truncate -s 16M "$1/disk"
mkfs.ext4 -q "$1/disk"
mount -o loop "$1/disk" "$1/root/home"
cp -a "$2/." "$1/root/"
mount -t tmpfs nodnod /run
shift 4
exec "$@"
"""

COMMAND = """#!/opt/nodnod/bin/python
import sys
from {module} import main
sys.exit(main())
"""


class Machine:
    """Use as a context manager. It has a virtual environment with the package in /opt/nodnod."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._log = directory / "boot.log"
        self.name = f"nodnod{os.getpid()}"
        self._group = f"systemd-nspawn@{self.name}.service"
        """Its control group, called as on a machine whose systemd starts it."""
        self._process: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def __enter__(self) -> Self:
        """Boot; skips the test where that is not possible."""
        if sys.platform != "linux" or os.geteuid() != 0:
            pytest.skip("booting a machine needs Linux and root")
        nspawn = tool("systemd-nspawn", "systemd-container")
        tool("systemctl", "systemd")
        staged, space = self._directory / "staged", self._directory / "space"
        self._stage(staged)
        space.mkdir()
        binds = {
            # It may be in a home directory, which the agent's user must not enter.
            "/opt/python": sys.base_prefix,
            "/opt/nodnod/packages": PACKAGES,
            CHECKOUT: ROOT,
        }
        command = [
            *("unshare", "--mount", "sh", "-c", SCRIPT, "sh"),
            *(str(space), str(staged), str(GROUPS), self._group),
            *(nspawn, f"--directory={space / 'root'}", f"--machine={self.name}"),
            *("--boot", "--notify-ready=yes", "--console=pipe", "--register=no", "--keep-unit"),
            *("--private-network", "--link-journal=no"),
            *(f"--bind-ro={here}:{there}" for there, here in binds.items()),
            *("--", "--unit=basic.target"),
        ]
        with Manager(self._directory) as manager:
            environment = {**os.environ, **manager.environment}
            self._process = start(command, self._log, env=environment)
            try:
                booted = asyncio.run(self._booted(manager))
            except BaseException:
                self.__exit__()
                raise
        if not booted:
            self.__exit__()
            pytest.skip(f"a machine cannot be booted here: {self._log.read_text()[-500:]}")
        self.run("ldconfig")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        if self._leader:
            # Its init, which ends all its processes.
            os.kill(self._leader, 9)
        else:
            self._process.kill()
        self._process.wait(BOOT_LIMIT)
        groups = [one for at in ("", "*/") for one in GROUPS.glob(f"{at}{self._group}/**/")]
        for group in sorted(groups, reverse=True):
            with contextlib.suppress(OSError):  # a process in it has not ended yet
                group.rmdir()

    def run(self, *command: str, given: str = "") -> str:
        """Run a command on the machine as root; its output. Raises AssertionError."""
        done = self._try(command, given)
        if done.returncode != 0:
            journal = self._try(["journalctl", "--no-pager", "-o", "cat", "-n", "20"], "")
            raise AssertionError(f"{command}: {done.stdout}{done.stderr}\n{journal.stdout}")
        return done.stdout

    def _try(self, command: Sequence[str], given: str) -> subprocess.CompletedProcess[str]:
        inside = ["nsenter", "-t", str(self._leader), "-m", "-u", "-i", "-n", "-p", "-C", "--"]
        return subprocess.run(
            [*inside, *command],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=BOOT_LIMIT,
        )

    def write(self, path: str, text: str) -> None:
        """Write a file there, and the folder that it is in."""
        self.run("install", "-D", "-m", "0644", "/dev/stdin", path, given=text)

    def copy(self, file: Path, path: str) -> None:
        """Copy a file of this machine to a place there."""
        shutil.copyfile(file, f"/proc/{self._leader}/root{path}")

    async def _booted(self, manager: Manager) -> bool:
        """Whether it boots; learns the process id of its init out here."""
        assert self._process is not None
        deadline = time.monotonic() + BOOT_LIMIT
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                message = await manager.receive(within=0.5)
            except TimeoutError:
                continue
            self._leader = int(message.get("X_NSPAWN_LEADER_PID", self._leader))
            if message.get("READY") == "1":
                return True
        return False

    def _stage(self, staged: Path) -> None:
        """A virtual environment as pip makes it, but with the packages elsewhere."""
        home = staged / "opt/nodnod"
        library = home / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
        files = {
            # A Python with a shared library would look for it at the old place.
            staged / "etc/ld.so.conf.d/00-python.conf": "/opt/python/lib\n",
            home / "pyvenv.cfg": "home = /opt/python/bin\n",
            library / "nodnod.pth": "\n".join(
                ["/opt/nodnod/packages", f"{CHECKOUT}/agent", f"{CHECKOUT}/protocol"]
            ),
            home / "bin/nodnod-agent": COMMAND.format(module="nodnod_agent.cli"),
            home / "bin/nodnod": COMMAND.format(module="nodnod_agent.console.main"),
        }
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for name in ("nodnod-agent", "nodnod"):
            (home / "bin" / name).chmod(0o755)
        (home / "bin/python").symlink_to(f"/opt/python/bin/{PYTHON}")
