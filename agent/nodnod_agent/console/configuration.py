"""The configuration file of an agent, for commands that run beside it."""

import os
from collections.abc import Mapping
from pathlib import Path

from nodnod_agent.config.sources import Given, gather
from nodnod_agent.config.validators import ConfigError
from nodnod_agent.console.credentials import reason

DEFAULT_CONFIG = "./conf/conf.json"


def read_configuration(config: str | None, environment: Mapping[str, str]) -> Given:
    """Read the file ``config``, or that of NODNOD_CONFIG, or the default one if it exists.

    ``environment`` holds the settings that override it. Raises ConfigError.
    """
    path = config or os.environ.get("NODNOD_CONFIG") or DEFAULT_CONFIG
    try:
        data: bytes | None = Path(path).read_bytes()
    except FileNotFoundError:
        if path != DEFAULT_CONFIG:
            raise ConfigError(f"{path}: no such file") from None
        data = None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {reason(error)}") from None
    return gather({}, environment, data, path)
