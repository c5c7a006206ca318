"""Where the files of the service are: of the system, or of one user."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from nodnod_agent.service.unit import NAME


class Layout(NamedTuple):
    """The paths of a service, and the commands of its service manager.

    ``users`` is None, and ``group`` empty, for the service of one user.
    """

    unit: Path
    config: Path
    secret: Path
    users: Path | None
    group: str
    systemctl: tuple[str, ...]

    @property
    def user(self) -> bool:
        """Whether one user's manager runs it."""
        return self.users is None


def of_system(root: Path = Path("/")) -> Layout:
    """The paths below ``root``."""
    etc = root / "etc"
    return Layout(
        unit=etc / "systemd/system" / NAME,
        config=etc / "nodnod/config.json",
        secret=etc / "nodnod/secret",
        users=etc / "sysusers.d/nodnod.conf",
        group="nodnod",
        systemctl=("systemctl",),
    )


def of_user(environment: Mapping[str, str] = os.environ) -> Layout:
    """The paths in a home directory."""
    configs = Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return Layout(
        unit=configs / "systemd/user" / NAME,
        config=configs / "nodnod/config.json",
        secret=configs / "nodnod/secret",
        users=None,
        group="",
        systemctl=("systemctl", "--user"),
    )
