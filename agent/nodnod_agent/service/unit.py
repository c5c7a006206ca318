"""The text of the unit: that of examples/systemd, for one program and one file of settings.

Its first line has the hash of the rest, so that a unit that somebody changed is known.
"""

import hashlib
import re
from importlib.resources import files
from pathlib import Path

NAME = "nodnod-agent.service"

_COMMAND = "/opt/nodnod/bin/nodnod-agent --config /etc/nodnod/config.json"
"""What the unit starts as it comes."""

_MARK = "# Written by nodnod-agent install-service; change it by a drop-in. Hash of what follows: "

# A service manager of a user has no rights to these: it would refuse to start the unit, or needs a
# user namespace, in which the owner of every process is nobody. It knows no network-online.target.
_SYSTEM_ONLY = re.compile(
    r"(Wants|After|User|Group|CapabilityBoundingSet|AmbientCapabilities|KeyringMode|RemoveIPC"
    r"|DevicePolicy|Private\w+|Protect\w+|ProcSubset)="
)


def users() -> str:
    """The user of the agent, as systemd-sysusers reads it."""
    return _packaged("sysusers.conf")


def unit(program: Path, config: Path, *, user: bool) -> str:
    """The unit of the system, or of the manager of one ``user``."""
    text = _packaged(NAME).replace(_COMMAND, f"{_quoted(program)} --config {_quoted(config)}")
    if user:
        text = _without_rights(text).replace("multi-user.target", "default.target")
    return f"{_MARK}{_hash(text)}\n{text}"


def is_changed(text: str) -> bool:
    """Whether somebody changed a unit, or wrote it by hand."""
    mark, _, rest = text.partition("\n")
    return mark != f"{_MARK}{_hash(rest)}"


def _packaged(name: str) -> str:
    return (files("nodnod_agent.service") / name).read_text()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _quoted(path: Path) -> str:
    """A path as a word of a command; characters that systemd would expand are escaped."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return text if re.fullmatch(r"[^\s\"'\\;]+", text) else f'"{text}"'


def _without_rights(text: str) -> str:
    """Leave out the settings of the system, and the comments above them."""
    kept: list[str] = []
    comments: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            comments.append(line)
            continue
        if not _SYSTEM_ONLY.match(line):
            kept += [*comments, line]
        comments = []
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)) + "\n"
