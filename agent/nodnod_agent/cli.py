"""The ``nodnod-agent`` command: reads flags, environment and file, and runs one agent.

The exit status is 0, or 2 for a fault in the configuration or an address that cannot be bound. Then
stderr has one line, which names the place.

Flags follow Go's rules rather than argparse's: one dash equals two, a value may begin with a dash,
and flags cannot be abbreviated.
"""

import contextlib
import errno
import itertools
import logging
import os
import re
import socket
import sys
import time
from collections.abc import Mapping, Sequence

from msgspec.structs import asdict

from nodnod_agent.config import validators
from nodnod_agent.config.settings import SETTINGS, Setting, Settings
from nodnod_agent.config.sources import Given, gather_sound, unknown_variables
from nodnod_agent.config.validators import ConfigError, Faults, did_you_mean, shown
from nodnod_agent.core.limits import Limits
from nodnod_agent.log import descriptors, handler
from nodnod_agent.log.format import LogLine, as_json, printable
from nodnod_agent.net.sockets import default_listen_address
from nodnod_client.address import Address

log = logging.getLogger(__name__)

DEFAULT_PATH = "./conf/conf.json"
MAX_FILE = 1024 * 1024

_SERVICE = ("install-service", "uninstall-service")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; ``argv`` is what follows its name."""
    descriptors.open_standard_descriptors()
    words = sys.argv[1:] if argv is None else argv
    if words and words[0] in _SERVICE:
        from nodnod_agent.service.command import main as service  # which no agent needs

        return service(words)
    flags, faults = _scan_flags(words)
    try:
        if "check_config" in flags:
            return _check(flags, faults)
        if faults:
            raise ConfigError(*faults)
        if "help" in flags:
            return _show(usage())
        if "version" in flags:
            from nodnod_client import __version__  # the client library, which no agent needs

            return _show(f"NodNod version\t{__version__}\n")
        return _serve(flags)
    except ConfigError as error:
        _complain(flags, str(error))
        return 2
    except KeyboardInterrupt:  # before the agent handles signals itself
        return 130


# Flags.


_DEFAULTS = (
    asdict(Settings(name=""))
    | {f"limits_{name}": value for name, value in asdict(Limits()).items()}
    | {"config": DEFAULT_PATH, "check_config": None, "help": None, "version": None}
)

_FLAGS_ONLY = (
    Setting("config", "path", validators.path, "Path to the configuration file"),
    Setting("checkConfig", "", validators.switch,
        "Print the settings in force and where each comes from, or all faults in them"),
    Setting("help", "", validators.switch, "Print help"),
    Setting("version", "", validators.switch, "Show version"),
)  # fmt: skip

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
    found, faults = _scan_flags(argv)
    if faults:
        raise ConfigError(*faults)
    return found


def _scan_flags(argv: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the flags, as ``read_flags`` does, and the faults among them."""
    found: dict[str, str] = {}
    faults: list[str] = []
    words = list(argv)
    while words:
        word = words.pop(0)
        parts = re.fullmatch(r"--?([^-=][^=]*)(?:=(.*))?", word, re.DOTALL)
        if parts is None:
            faults.append(f"unexpected argument {shown(word)}; see nodnod-agent --help")
            continue
        name, value = parts[1], parts[2]
        flag = FLAGS.get(_SHORT.get(name, name))
        if flag is None:
            if name in _FILE_ONLY:
                row = _FILE_ONLY[name]
                faults.append(
                    f"--{name} is not a flag: set {row.key} in the file, or {row.variable}"
                )
            else:
                hint = did_you_mean(name, FLAGS, "--")
                faults.append(f"unknown flag {shown(word)}{hint}; see nodnod-agent --help")
            if value is None and words and not words[0].startswith("-"):
                words.pop(0)  # most likely its value
            continue
        if value is None and flag.kind:
            value = words.pop(0) if words else None
            if value is None:
                faults.append(f"--{flag.flag}: expected a value; see nodnod-agent --help")
                continue
        value = "true" if value is None else value
        repeated = bool(flag.item) and flag.field in found
        found[flag.field] = f"{found[flag.field]},{value}" if repeated else value
        if flag.field in ("help", "version") and not faults:
            break
    return found, faults


def usage() -> str:
    """Return the help text."""
    lines = ["Usage: nodnod-agent [OPTIONS]"]
    lines += [f"       nodnod-agent {name} [--help]" for name in _SERVICE]
    lines += ["", "OPTIONS:", ""]
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


class _Source:
    """The sources of an agent's settings, read at the start and on SIGHUP."""

    def __init__(self, flags: Mapping[str, str]) -> None:
        if flags.get("config") == "":
            raise ConfigError("--config: expected the path of a file, got ''")
        named = flags.get("config") or os.environ.get("NODNOD_CONFIG")
        self._flags = flags
        self._must_exist = bool(named)
        self.path = named or DEFAULT_PATH
        self.given = Given({}, {})
        self._settings = Settings(name="")

    @property
    def exists(self) -> bool:
        """Whether there was a file when the settings were read."""
        return self._must_exist

    def read(self) -> Settings:
        """Read them (again). Raises ConfigError."""
        given = self.read_sound()
        if given.faults:
            raise ConfigError(*given.faults)
        self.given, self._settings = given, settings_of(given)
        return self._settings

    def read_sound(self) -> Given:
        """Read those without a fault. Raises ConfigError for a file that cannot be read."""
        file = _read_file(self.path, must_exist=self._must_exist)
        # A file that has been there must still be there: its removal does not mean to run alone.
        self._must_exist = self._must_exist or file is not None
        return gather_sound(self._flags, os.environ, file, self.path)

    def announce(self) -> None:
        """Log which file was read at the start, and what else is worth knowing of the sources."""
        if "name" not in self.given.values:
            log.info("Using host name as NodNod name: %s", self._settings.name)
        if self.exists:
            log.info("Configuration file: %s", self.path)
        else:
            settings = self._settings
            others = settings.nodes or settings.join or settings.backplane
            alone = "" if others else ": running alone"
            log.info("No configuration file at %s%s", self.path, alone)
        for line in self.unknown_variables():
            log.warning("%s", line)

    def unknown_variables(self) -> list[str]:
        """A line for each variable that looks like a setting and is none."""
        references = itertools.chain(
            *(self.given.values.get(field, ()) for field in ("auth_secrets", "alerts_notify")),
            (self.given.values.get("alerts_heartbeat") or "",),
        )
        return list(unknown_variables(os.environ, (one[len("env:") :] for one in references)))

    def at_its_place(self, fault: str) -> str:
        """A fault that begins with the key of a setting, beginning with where it is set instead."""
        return self.given.at_its_place(fault)


def _serve(flags: Mapping[str, str]) -> int:
    source = _Source(flags)
    settings = source.read()

    from nodnod_agent.daemon import run  # help and errors start faster without

    with handler.to_descriptor(2, debug=settings.debug, log_format=settings.log_format):
        try:
            run(settings, source)
        except ConfigError as error:
            raise ConfigError(source.at_its_place(str(error))) from None
        except OSError as error:
            place = source.given.places.get("listen", "--listen")
            what = f"cannot listen on {settings.listen}: {_reason(error)}"
            raise ConfigError(f"{place}: {what}") from None
        except Exception:  # in the format of the log, as all that ends the agent
            log.critical("The agent ends with an error", exc_info=True)
            return 1
    return 0


def _check(flags: Mapping[str, str], in_flags: Sequence[str]) -> int:
    """Print the settings in force, or a line for each fault; return the status, 2 for a fault."""
    from nodnod_agent import settings_report  # only here: it reads certificates and URLs

    faults = Faults()
    faults.lines += in_flags
    with faults:
        source = _Source(flags)
        source.given = given = source.read_sound()
        faults.lines += given.faults
        settings = settings_of(given)
        faults.lines += map(given.at_its_place, settings_report.faults(settings, given.faulty))
        _complain(flags, *(f"warning: {line}" for line in source.unknown_variables()))
    if faults.lines:
        _complain(flags, *faults.lines)
        return 2
    where = source.path if source.exists else f"none at {source.path}"
    return _show(f"Configuration file: {where}\n{settings_report.table(settings, given.places)}")


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


def settings_of(given: Given) -> Settings:
    """Return the settings, with what is computed for those that are not set. Raises ConfigError."""
    values = dict(given.values)
    if "name" not in values:
        values["name"] = validators.name(socket.gethostname(), "host name")
    if "listen" not in values:
        # With `--join`, or a site, and no `--listen`: the local address that routes to the peer, or to the server.
        seeds = Settings(**values | {"nodes": ()}).elsewhere
        values["listen"] = default_listen_address(_DEFAULTS["listen"], seeds)
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
            _complain({}, f"nodnod-agent: {descriptors.unwritten(error)}")
            return 1
    return 0


def _complain(flags: Mapping[str, str], *lines: str) -> None:
    """Print lines on stderr, if that can be written, in the format of the log if that is JSON."""
    is_json = _log_format(flags) == "json"
    for line in map(printable, lines):
        text = as_json(LogLine("ERROR", __name__, line, time.time(), 0.0)) if is_json else line
        with contextlib.suppress(OSError):
            _write(2, f"{text}\n")


def _log_format(flags: Mapping[str, str]) -> str | None:
    """The format that is set, whatever else is at fault."""
    try:
        return _Source(flags).read_sound().values.get("log_format")
    except ConfigError:
        return gather_sound(flags, os.environ, None, "").values.get("log_format")


def _write(fd: int, text: str) -> None:
    """Write without buffers, which would raise at exit."""
    rest = text.encode("utf-8", "backslashreplace")
    while rest:
        rest = rest[os.write(fd, rest) :]


if __name__ == "__main__":
    sys.exit(main())
