"""The two commands: flags in, files and calls of systemctl out, an exit status.

The status is 0, 1 if a command of the system failed, or 2 for what must be mended first.
"""

import os
import shlex
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from nodnod_agent.auth.secrets import read_secret
from nodnod_agent.config.validators import ConfigError
from nodnod_agent.log.format import printable
from nodnod_agent.service.layout import Layout, of_system, of_user
from nodnod_agent.service.plan import UNIT, Plan, Wanted, installation, removal
from nodnod_agent.service.program import lasting_program

_BOOTED = Path("/run/systemd/system")
"""Where systemd runs, this exists: sd_booted(3)."""


def main(argv: Sequence[str]) -> int:
    """Run ``install-service`` or ``uninstall-service``, the first word, with the flags behind it."""
    parsed = parse(argv)
    layout = of_user() if parsed.user else of_system()
    try:
        return run(argv[0], parsed, layout, booted=_BOOTED.exists(), root=os.geteuid() == 0)
    except ConfigError as error:
        reason = str(error)
    except OSError as error:
        reason = f"{error.filename or argv[0]}: {(error.strerror or str(error)).lower()}"
    sys.stderr.write(f"nodnod-agent {argv[0]}: {printable(reason)}\n")
    return 2


def parse(argv: Sequence[str]) -> Namespace:
    """Read the flags of a command, which is the first word."""
    return _parser(argv[0]).parse_args(argv[1:])


def run(
    name: str,
    parsed: Namespace,
    layout: Layout,
    *,
    booted: bool,
    root: bool,
    find_program: Callable[..., Path] = lasting_program,
) -> int:
    """Plan, then print the plan or do it. Raises ConfigError and OSError."""
    if not parsed.dry_run:
        if not booted:
            raise ConfigError(
                "this machine does not run systemd; start `nodnod-agent` by what it has, which "
                "sees the end of a process and restarts it"
            )
        if not (root or parsed.user):
            raise ConfigError("the service of the machine takes root; --user installs your own")
    if name == "uninstall-service":
        plan = removal(layout, force=parsed.force)
    else:
        secret = parsed.secret_file and read_secret(
            f"file:{parsed.secret_file}", "--secret-file", os.environ
        )
        wanted = Wanted(",".join(parsed.join), parsed.listen, os.fsdecode(secret), parsed.force)
        plan = installation(layout, find_program(user=layout.user), wanted)
    if parsed.dry_run:
        _say(describe(plan))
        return 0
    status = _carry_out(plan)
    if status == 0:
        _say(_hints(name, plan, layout))
    return status


def describe(plan: Plan) -> str:
    """What would be done, in the words of a shell where it can be."""
    parts = [f"keep {path}\n" for path in plan.kept]
    parts += [f"run {shlex.join(command)}\n" for command in plan.first]
    for file in plan.files:
        lines = "".join(f"    {line}".rstrip() + "\n" for line in file.shown.splitlines())
        parts.append(f"write {file.path}, mode {file.mode:04o}:\n{lines}")
    parts += [f"remove {path}\n" for path in plan.removed]
    parts += [f"run {shlex.join(command)}\n" for command in plan.then]
    return "".join(parts) or "nothing to do\n"


def _carry_out(plan: Plan) -> int:
    if not all(map(_runs, plan.first)):
        return 1
    for file in plan.files:
        _write(file.path, file.text, file.mode)
        _say(f"wrote {file.path}\n")
    for path in plan.removed:
        path.unlink()
        _say(f"removed {path}\n")
    return 0 if all(map(_runs, plan.then)) else 1


def _runs(command: Sequence[str]) -> bool:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)  # noqa: S603 - our own words
    if done.returncode:
        sys.stderr.write(f"nodnod-agent: `{shlex.join(command)}` has failed\n")
    return done.returncode == 0


def _write(path: Path, text: str, mode: int) -> None:
    """Write a file at once, so that nobody reads half of it, or the secret before it is closed."""
    missing = [folder for folder in path.parents if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir()
        folder.chmod(0o755)  # whatever the umask is, the agent's user enters it
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:
        file.write(text)
        os.fchmod(descriptor, mode)
    new.replace(path)


def _hints(name: str, plan: Plan, layout: Layout) -> str:
    words = " ".join(layout.systemctl)
    if name == "uninstall-service":
        kept = " ".join(map(str, plan.kept))
        return f"the service is not installed any more{f'; kept: {kept}' if kept else ''}\n"
    journal = "journalctl --user" if layout.user else "journalctl"
    lines = [f"the agent runs: {words} status {UNIT}; {journal} -u {UNIT}"]
    if layout.user:
        lines.append("it ends with your last session, unless you run `loginctl enable-linger`")
    return "".join(f"{line}\n" for line in lines)


def _say(text: str) -> None:
    # Without a buffer, which would raise at the exit; the work is done whether it is read or not.
    with suppress(OSError):
        os.write(1, text.encode("utf-8", "backslashreplace"))


def _parser(name: str) -> ArgumentParser:
    """The flags of one command."""
    installs = name == "install-service"
    parser = ArgumentParser(
        prog=f"nodnod-agent {name}",
        allow_abbrev=False,
        description="Write, enable and start the unit of systemd; again, it changes only what differs."
        if installs
        else "Stop the agent and remove its unit; settings, secret and history stay.",
    )
    parser.add_argument("--user", action="store_true", help="the service of this user")
    parser.add_argument("--dry-run", action="store_true", help="only print what would be done")
    changed = "overwrite" if installs else "remove"
    parser.add_argument("--force", action="store_true", help=f"{changed} a unit that was changed")
    if installs:
        for flag, metavar, text in (
            ("join", "ADDRESS", "agents of the cluster, separated by commas; may be repeated"),
            (
                "listen",
                "ADDRESS",
                "where to listen (default: with --join, the way to those agents)",
            ),
            ("secret-file", "PATH", "the cluster's secret; it is copied"),
        ):
            action, default = ("append", []) if flag == "join" else ("store", "")
            parser.add_argument(
                f"--{flag}", metavar=metavar, action=action, default=default, help=text
            )
    return parser
