"""What an installation changes: files and commands, decided before the first one is done."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from nodnod_agent.config.sources import gather
from nodnod_agent.config.validators import ConfigError
from nodnod_agent.service import unit
from nodnod_agent.service.layout import Layout

UNIT = "nodnod-agent"

Command = tuple[str, ...]


class Wanted(NamedTuple):
    """What the command line says; empty texts are not given. ``secret`` is the secret itself."""

    join: str = ""
    listen: str = ""
    secret: str = ""
    force: bool = False


class File(NamedTuple):
    """A file to write. ``shown`` is what may be printed of it."""

    path: Path
    text: str
    mode: int
    shown: str


class Plan(NamedTuple):
    """Commands to run first, files to write or to remove, commands to run then; files that stay."""

    first: list[Command]
    files: list[File]
    removed: list[Path]
    then: list[Command]
    kept: list[Path]


def installation(layout: Layout, program: Path, wanted: Wanted) -> Plan:
    """Plan to install the service. Raises ConfigError where that would undo somebody's work."""
    files = [
        _secret(layout, wanted),
        _config(layout, wanted),
        _users(layout),
        _unit(layout, program, force=wanted.force),
    ]
    changed = [file for file in files if file is not None]
    paths = [layout.unit, layout.config, layout.users, layout.secret]
    written = {file.path for file in changed}
    kept = [path for path in paths if path and path not in written and path.exists()]
    commands: list[Command] = []
    if layout.users is not None:
        commands.append(("systemd-sysusers", str(layout.users)))
    if layout.group and wanted.secret:
        commands.append(("chgrp", layout.group, str(layout.secret)))
    start = "restart" if written else "start"
    steps = (("daemon-reload",), ("enable", UNIT), (start, UNIT))
    commands += [(*layout.systemctl, *step) for step in steps]
    return Plan([], changed, [], commands, kept)


def removal(layout: Layout, *, force: bool) -> Plan:
    """Plan to remove the service; settings, secret, history and user stay."""
    removed = [layout.unit] if layout.unit.exists() else []
    if removed and unit.is_changed(layout.unit.read_text()) and not force:
        raise ConfigError(f"{layout.unit}: somebody changed it; --force removes it all the same")
    if layout.users is not None and _holds(layout.users, unit.users()):
        removed.append(layout.users)
    kept = [path for path in (layout.config, layout.secret) if path.exists()]
    if layout.unit not in removed:
        return Plan([], [], removed, [], kept)
    stop = (*layout.systemctl, "disable", "--now", UNIT)
    return Plan([stop], [], removed, [(*layout.systemctl, "daemon-reload")], kept)


def _unit(layout: Layout, program: Path, *, force: bool) -> File | None:
    text = unit.unit(program, layout.config, user=layout.user)
    if _holds(layout.unit, text):
        return None
    if not force and layout.unit.exists() and unit.is_changed(layout.unit.read_text()):
        raise ConfigError(
            f"{layout.unit}: somebody changed it, or wrote it by hand; put changes into a drop-in "
            f"(systemctl edit {UNIT}), and overwrite it with --force"
        )
    return _plain(layout.unit, text)


def _users(layout: Layout) -> File | None:
    if layout.users is None or layout.users.exists():
        return None
    return _plain(layout.users, unit.users())


def _config(layout: Layout, wanted: Wanted) -> File | None:
    """The settings, unless there are some that agree with the command line."""
    flags = {"join": wanted.join, "listen": wanted.listen}
    checked = gather({name: text for name, text in flags.items() if text}, {}, None, "").values
    settings: dict[str, Any] = {}
    if "listen" in checked:
        settings["listen"] = str(checked["listen"])
    if "join" in checked:
        settings["join"] = [str(address) for address in checked["join"]]
    if wanted.secret:
        settings["auth"] = {"secrets": [f"file:{layout.secret}"]}
    if not layout.config.exists():
        return _plain(layout.config, json.dumps(settings, indent=4) + "\n")
    if settings and not _agrees(layout.config, settings):
        names = " and ".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())
        raise ConfigError(f"{layout.config}: it exists and says otherwise; set {names} in it")
    return None


def _agrees(path: Path, settings: dict[str, Any]) -> bool:
    """Whether a file of settings has these, beside others."""
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from None
    return isinstance(found, dict) and all(
        found.get(key) == value for key, value in settings.items()
    )


def _secret(layout: Layout, wanted: Wanted) -> File | None:
    if not wanted.secret or _holds(layout.secret, wanted.secret):
        return None
    if layout.secret.exists():
        raise ConfigError(
            f"{layout.secret}: it holds another secret; conf/README.md (auth.secrets) says how to "
            "replace one without an outage"
        )
    mode = 0o640 if layout.group else 0o600
    return File(layout.secret, f"{wanted.secret}\n", mode, "(not shown)\n")


def _plain(path: Path, text: str) -> File:
    return File(path, text, 0o644, text)


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text().strip() == text.strip()
