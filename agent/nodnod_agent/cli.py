"""The ``nodnod-agent`` command: reads flags, environment and file, and runs one agent.

The exit status is 0, or 2 for a fault in the configuration or an address that cannot be bound. Then
stderr has one line, which names the place.

Flags follow Go's rules rather than argparse's: one dash equals two, a value may begin with a dash,
and flags cannot be abbreviated.
"""

import contextlib
import errno
import logging
import os
import re
import socket
import sys
from collections.abc import Mapping, Sequence

from msgspec.structs import asdict

from nodnod_agent.config import validators
from nodnod_agent.config.settings import SETTINGS, Setting, Settings
from nodnod_agent.config.sources import Given, gather
from nodnod_agent.config.validators import ConfigError, did_you_mean, shown
from nodnod_agent.core.limits import Limits
from nodnod_agent.log import descriptors, handler
from nodnod_agent.log.format import printable
from nodnod_agent.net.sockets import default_listen_address
from nodnod_client.address import Address

log = logging.getLogger(__name__)

DEFAULT_PATH = "./conf/conf.json"
MAX_FILE = 1024 * 1024


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; ``argv`` is what follows its name."""
    descriptors.open_standard_descriptors()
    try:
        flags = read_flags(sys.argv[1:] if argv is None else argv)
        if "help" in flags:
            return _show(usage())
        if "version" in flags:
            from nodnod_client import __version__  # the client library, which no agent needs

            return _show(f"NodNod version\t{__version__}\n")
        _serve(flags)
    except ConfigError as error:
        _complain(str(error))
        return 2
    except KeyboardInterrupt:  # before the agent handles signals itself
        return 130
    return 0


# Flags.


_DEFAULTS = (
    asdict(Settings(name=""))
    | {f"limits_{name}": value for name, value in asdict(Limits()).items()}
    | {"config": DEFAULT_PATH, "help": None, "version": None}
)

_FLAGS_ONLY = (
    Setting("config", "path", validators.path, "Path to the configuration file"),
    Setting("help", "", validators.switch, "Print help"),
    Setting("version", "", validators.switch, "Show version"),
)

FLAGS = {
    row.flag: row
    for row in sorted((*_FLAGS_ONLY, *SETTINGS), key=lambda row: row.flag)
    if row.is_flag
}
_SHORT = {"h": "help"}
_FILE_ONLY = {row.flag: row for row in SETTINGS if not row.is_flag}


def read_flags(argv: Sequence[str]) -> dict[str, str]:
    """Return the text of each flag, by field.

    The last one of a repeated flag counts; if it gives an item, all do, joined by commas.
    Stops at ``help`` and ``version``. Raises ConfigError for unknown flags and other arguments.
    """
    found: dict[str, str] = {}
    words = iter(argv)
    for word in words:
        parts = re.fullmatch(r"--?([^-=][^=]*)(?:=(.*))?", word, re.DOTALL)
        if parts is None:
            raise ConfigError(f"unexpected argument {shown(word)}; see nodnod-agent --help")
        name, value = parts[1], parts[2]
        flag = FLAGS.get(_SHORT.get(name, name))
        if flag is None and name in _FILE_ONLY:
            row = _FILE_ONLY[name]
            places = f"set {row.key} in the file, or {row.variable}"
            raise ConfigError(f"--{name} is not a flag: {places}")
        if flag is None:
            hint = did_you_mean(name, FLAGS, "--")
            raise ConfigError(f"unknown flag {shown(word)}{hint}; see nodnod-agent --help")
        if value is None:
            value = next(words, None) if flag.kind else "true"
        if value is None:
            raise ConfigError(f"--{flag.flag}: expected a value; see nodnod-agent --help")
        repeated = bool(flag.item) and flag.field in found
        found[flag.field] = f"{found[flag.field]},{value}" if repeated else value
        if flag.field in ("help", "version"):
            break
    return found


def usage() -> str:
    """Return the help text."""
    lines = ["Usage: nodnod-agent [OPTIONS]", "", "OPTIONS:", ""]
    for row in FLAGS.values():
        lines.append(f"  --{row.flag} {row.kind}".rstrip())
        lines.append(f"        {row.help}{_default(row)}")
    lines += ["", "ENVIRONMENT:", ""]
    for row in _FILE_ONLY.values():
        lines.append(f"  {row.variable} {row.kind}")
        lines.append(f"        {row.help}{_default(row)}")
    lines += [
        "",
        "One dash equals two. Each option is also an environment variable: --log-format is",
        "NODNOD_LOG_FORMAT. Flags override the environment, which overrides the file.",
        "",
    ]
    return "\n".join(lines)


def _default(row: Setting) -> str:
    value = _DEFAULTS[row.field]
    if isinstance(value, Address):
        value = str(value)
    if isinstance(value, bool | tuple) or value in ("", None, {}):
        return ""
    if isinstance(value, float):
        return f" (default {value:g})"
    return f' (default "{value}")' if isinstance(value, str) else f" (default {value})"


# One run.


def _serve(flags: Mapping[str, str]) -> None:
    if flags.get("config") == "":
        raise ConfigError("--config: expected the path of a file, got ''")
    named = flags.get("config") or os.environ.get("NODNOD_CONFIG")
    path = named or DEFAULT_PATH
    file = _read_file(path, must_exist=bool(named))
    given = gather(flags, os.environ, file, path)
    settings = _settings(given)

    def reload() -> Settings:
        # A file that has been there must still be there: its removal does not mean to run alone.
        data = _read_file(path, must_exist=file is not None)
        found = _settings(gather(flags, os.environ, data, path))
        if data is not None:
            log.info("Configuration file: %s", path)
        return found

    from nodnod_agent.daemon import run  # help and errors start faster without

    with handler.to_descriptor(2, debug=settings.debug, log_format=settings.log_format):
        if "name" not in given.values:
            log.info("Using host name as NodNod name: %s", settings.name)
        if file is None:
            alone = "" if settings.nodes or settings.join else ": running alone"
            log.info("No configuration file at %s%s", path, alone)
        else:
            log.info("Configuration file: %s", path)
        try:
            run(settings, reload)
        except OSError as error:
            place = given.places.get("listen", "--listen")
            what = f"cannot listen on {settings.listen}: {_reason(error)}"
            raise ConfigError(f"{place}: {what}") from None


def _read_file(path: str, *, must_exist: bool) -> bytes | None:
    """Return the content of the configuration file; None if it may be absent and is."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        if not must_exist and isinstance(error, FileNotFoundError | NotADirectoryError):
            return None
        raise ConfigError(f"{path}: {_reason(error)}") from None
    if len(data) > MAX_FILE:
        raise ConfigError(f"{path}: larger than 1 MiB")
    return data


def _settings(given: Given) -> Settings:
    values = dict(given.values)
    if "name" not in values:
        values["name"] = validators.name(socket.gethostname(), "host name")
    if "listen" not in values:
        # With `--join` and no `--listen`: the local address that routes to the peer.
        values["listen"] = default_listen_address(_DEFAULTS["listen"], values.get("join", ()))
    return Settings(**values)


# asyncio and uvloop add text of their own to the system's, and the system's "cannot assign
# requested address" does not say what is wrong.
_REASONS = {
    errno.EADDRINUSE: "address already in use",
    errno.EADDRNOTAVAIL: "not an address of this machine",
    errno.EACCES: "permission denied",
}


def _reason(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error)
    text = _REASONS.get(error.errno or 0) or error.strerror or str(error)
    return text[:1].lower() + text[1:]


def _show(text: str) -> int:
    """Print on stdout; return the exit status: 1 if somebody misses it."""
    try:
        _write(1, text)
    except OSError as error:
        if not descriptors.is_gone(error):
            _complain(f"nodnod-agent: {descriptors.unwritten(error)}")
            return 1
    return 0


def _complain(line: str) -> None:
    """Print a line on stderr, if that can be written."""
    with contextlib.suppress(OSError):
        _write(2, f"{printable(line)}\n")


def _write(fd: int, text: str) -> None:
    """Write without buffers, which would raise at exit."""
    rest = text.encode("utf-8", "backslashreplace")
    while rest:
        rest = rest[os.write(fd, rest) :]


if __name__ == "__main__":
    sys.exit(main())
