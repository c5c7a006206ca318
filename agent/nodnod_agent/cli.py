"""The ``nodnod-agent`` command: flags and file in, one agent run, an exit status out.

0 fine, 2 a fault in the configuration or an address that cannot be listened on: one line on stderr
that names the place, and nothing else.

Flags are read here and not by argparse, as Go reads them: one dash is as good as two, a value may
begin with a dash, and no beginning of a flag stands for the flag.
"""

import logging
import os
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from msgspec import Struct

from nodnod_agent import checks, logs
from nodnod_agent.checks import ConfigError, did_you_mean, shown
from nodnod_agent.config import SETTINGS, Given, Settings, gather
from nodnod_agent.loglines import printable

__all__ = ["main"]

_LOG = logging.getLogger(__name__)

DEFAULT_PATH = "./conf/conf.json"
MAX_FILE = 1024 * 1024


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; ``argv`` is what follows its name."""
    _hold_standard_descriptors()
    try:
        flags = read_flags(sys.argv[1:] if argv is None else argv)
        if "help" in flags:
            return _say(1, usage())
        if "version" in flags:
            return _say(1, f"NodNod version\t{_version()}\n")
        return _serve(Sources.of(flags, os.environ))
    except ConfigError as error:
        _say(2, f"{printable(str(error))}\n")
        return 2
    except KeyboardInterrupt:  # before the agent minds signals itself
        return 130


def _serve(sources: "Sources") -> int:
    from nodnod_agent.daemon import run  # noqa: PLC0415  # help and faults need no event loop

    given, found = sources.read()
    settings = _settings(given)

    def reload() -> Settings:
        # A file that was there and is not now is a fault, not a wish to run alone.
        return _settings(sources.requiring_file(found).read()[0])

    with logs.to_descriptor(2, debug=settings.debug, log_format=settings.log_format):
        if "name" not in given.values:
            _LOG.info("Using host name as NodNod name: %s", settings.name)
        if not found:
            _LOG.info("No configuration file at %s: running alone", sources.path)
        try:
            return run(settings, reload)
        except OSError as error:
            place = given.places.get("listen", "--listen")
            what = f"cannot listen on {settings.listen}: {_reason(error)}"
            raise ConfigError(f"{place}: {what}") from None


def _settings(given: Given) -> Settings:
    if "name" in given.values:
        return Settings(**given.values)
    return Settings(name=checks.name(socket.gethostname(), "host name"), **given.values)


class Sources(Struct, frozen=True):
    """Where settings come from; kept, so that they can be read again."""

    flags: dict[str, str]
    environment: Mapping[str, str]
    path: str
    path_given: bool

    @classmethod
    def of(cls, flags: dict[str, str], environment: Mapping[str, str]) -> "Sources":
        """Find the path among them too."""
        if flags.get("config") == "":
            raise ConfigError("--config: expected the path of a file, got ''")
        path = flags.get("config") or environment.get("NODNOD_CONFIG")
        return cls(flags, environment, path or DEFAULT_PATH, path is not None)
