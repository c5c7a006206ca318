"""Podman, with a store of its own."""

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from live.tools import missing, start, tool, wait_until

# Where the limits are higher than those of the machine, no container starts. The filter of system calls is a
# file that a podman which is not installed lacks.
USUAL = (
    *("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"),
    *("--security-opt", "seccomp=unconfined"),
)
IMAGE = "localhost/busybox:test"


class Podman:
    """Podman with a store of its own, and its socket."""

    def __init__(self, directory: Path) -> None:
        command = Path(tool("podman", "podman runc busybox-static"))
        # Debian's packages may be unpacked somewhere, not installed.
        root = command.parents[2]
        libraries = [str(path) for path in root.glob("usr/lib/*linux-gnu*")]
        path = os.pathsep.join([f"{root}/usr/bin", f"{root}/usr/sbin", os.environ["PATH"]])
        self.environ = os.environ | {
            "HOME": str(directory),
            "LD_LIBRARY_PATH": os.pathsep.join(libraries),
            "PATH": path,
        }
        self.busybox = shutil.which("busybox", path=f"{root}/bin{os.pathsep}{path}")
        self.socket = directory / "podman.sock"
        self._log = directory / "service.log"
        policy = directory / ".config" / "containers" / "policy.json"
        policy.parent.mkdir(parents=True)
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self._command = [str(command), "--storage-driver", "vfs", "--events-backend", "none"]
        self._command += ["--cgroup-manager", "cgroupfs"]
        for option, name in (("root", "store"), ("runroot", "run"), ("tmpdir", "tmp")):
            self._command += [f"--{option}", str(directory / name)]
        for option, program in (("runtime", "runc"), ("conmon", "conmon")):
            self._command += [f"--{option}", shutil.which(program, path=path) or program]

    def __call__(self, *arguments: str, stdin: bytes = b"", cwd: Path | None = None) -> str:
        """What it prints. Raises CalledProcessError."""
        done = subprocess.run(
            [*self._command, *arguments],
            input=stdin,
            env=self.environ,
            cwd=cwd,
            capture_output=True,
        )
        if done.returncode:
            error = subprocess.CalledProcessError(done.returncode, arguments, stderr=done.stderr)
            error.add_note(done.stderr.decode(errors="replace"))
            raise error
        return done.stdout.decode().strip()

    def run(self, name: str, *command: str, options: tuple[str, ...] = ()) -> str:
        """The id of a new container."""
        network = ("--network", "none")
        return self("run", "--detach", "--name", name, *network, *USUAL, *options, IMAGE, *command)

    def import_image(self) -> None:
        """An image that is a static busybox and nothing else."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(self.busybox or "busybox", "bin/busybox")
            link = tarfile.TarInfo("bin/sh")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        self("import", "-", IMAGE, stdin=archive.getvalue())

    def serve(self) -> subprocess.Popen[bytes]:
        """Start the service behind the socket."""
        command = [*self._command, "system", "service", "--time", "0", f"unix://{self.socket}"]
        service = start(command, self._log, env=self.environ)
        wait_until(self.socket.exists, service, self._log)
        return service


@contextmanager
def empty_podman() -> Iterator[Podman]:
    """Podman without containers and images; at the end all its containers are removed."""
    if os.geteuid():
        pytest.skip("needs root")
    # Podman refuses directories whose paths have more than 50 characters.
    with TemporaryDirectory(prefix="podman-", ignore_cleanup_errors=True) as directory:
        podman = Podman(Path(directory))
        try:
            yield podman
        except subprocess.CalledProcessError as error:
            missing(f"Podman starts no container here: {error.stderr.decode()}")
        finally:
            podman("rm", "--all", "--force", "--time", "0")
