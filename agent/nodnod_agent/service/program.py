"""The program that a unit can start: one that stays, and that the agent's user can reach."""

import os
import stat
import sys
import sysconfig
from pathlib import Path

from nodnod_agent.config.validators import ConfigError

_BETTER = "a virtual environment at /opt/nodnod"

_TEMPORARY = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"), Path("/run"))  # noqa: S108


def lasting_program(*, user: bool) -> Path:
    """The nodnod-agent of this environment. Raises ConfigError if no unit can start it."""
    program = Path(sysconfig.get_path("scripts")) / "nodnod-agent"
    if not program.exists():
        raise ConfigError(f"{program}: not found; install the package, best in {_BETTER}")
    if reason := why_not_lasting(Path(sys.prefix)):
        how = f"use `pipx install`, `uv tool install`, or {_BETTER}"
        raise ConfigError(f"{sys.prefix} {reason}: {how}, and run that one")
    interpreter = Path(os.path.realpath(sys.executable))
    reasons = () if user else filter(None, map(why_not_reachable, (program, interpreter)))
    for reason in reasons:
        how = f"install it where all may enter: `pipx install --global`, or {_BETTER}"
        raise ConfigError(f"{reason}, so the user nodnod could not start it: {how}")
    return program


def why_not_lasting(environment: Path) -> str:
    """Why an environment will vanish, as those of ``uvx`` and ``pipx run``; empty if it stays."""
    for folder in environment.parents:
        # uv tags its cache like this, but also each environment that it makes: only parents count.
        if folder.name == ".cache" or (folder / "CACHEDIR.TAG").exists():
            return f"is in a cache ({folder}), as uvx and pipx run use, which may be emptied"
    for folder in _TEMPORARY:
        if environment.is_relative_to(folder):
            return f"is in {folder}, which is emptied and which the unit does not see"
    return ""


def why_not_reachable(program: Path) -> str:
    """Why others than its owner cannot run a program; empty if they can."""
    for path in (*reversed(program.parents), program):
        mode = path.stat().st_mode
        needed = stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IXOTH | stat.S_IROTH
        if mode & needed != needed:
            return f"{path} is closed to other users (mode {stat.S_IMODE(mode):04o})"
    return ""
