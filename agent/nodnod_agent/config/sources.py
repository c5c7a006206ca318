"""The sources of settings: flags, environment variables and the configuration file.

A flag overrides the environment, which overrides the file, which overrides the default; of an object
as ``tags``, key by key. Overridden values are validated too. Every fault is a ``ConfigError`` of one line that begins with the place:
``conf.json: nodes[2]: port must be …``.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from nodnod_agent.config.settings import SETTINGS
from nodnod_agent.config.validators import ConfigError, did_you_mean, shown
from nodnod_client.json_fault import explain


class Given(Struct, frozen=True):
    """The settings that are set: values by field, and the place where each was found."""

    values: dict[str, Any]
    places: dict[str, str]


def gather(
    flags: Mapping[str, str], environment: Mapping[str, str], file: bytes | None, path: str
) -> Given:
    """Read all settings that are set: flags by field, variables by name, and the file's content.

    ``path`` names the file in errors. Raises ConfigError at the first fault.
    """
    in_file = {} if file is None else _read_file(file, path)
    given = Given({}, {})
    for row in SETTINGS:
        # In order of priority: the last one overrides the others.
        found: list[tuple[str, Any]] = []
        if row.key in in_file:
            found.append((f"{path}: {row.key}", in_file[row.key]))
        if text := environment.get(row.variable):
            found.append((row.variable, row.read(text)))
        if row.field in flags:
            found.append((f"--{row.flag}", row.read(flags[row.field])))
        for place, value in found:
            checked = row.check(value, place)
            if isinstance(checked, dict):
                checked = row.check(given.values.get(row.field, {}) | checked, place)
            given.values[row.field] = checked
            given.places[row.field] = place
    return given


def _read_file(data: bytes, path: str) -> dict[str, Any]:
    """Return the values by dotted key, not yet checked."""
    try:
        # utf-8-sig: some editors write a byte order mark.
        document = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_without_duplicates)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: not UTF-8 text at line {line}") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"{path}: not JSON: {explain(error)} at {where}") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply") from None
    except ValueError:  # Python's limit of 4,300 digits of an integer
        raise ConfigError(f"{path}: a number in it is too long") from None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected an object of settings, got {shown(document)}")
    return dict(_flattened(document, "", path))


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ConfigError(f"duplicate key {shown(key)}")
        found[key] = value
    return found


_KEYS = [row.key for row in SETTINGS]


def _flattened(document: dict[str, Any], prefix: str, path: str) -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        key = prefix + name
        # A dot stands for nesting in ``_KEYS``, and never occurs in a key of the file.
        if "." not in name and key in _KEYS:
            yield key, value
        elif "." not in name and any(other.startswith(f"{key}.") for other in _KEYS):
            if not isinstance(value, dict):
                # Text in place of ``auth`` may be a secret.
                got = "text" if isinstance(value, str) else shown(value)
                raise ConfigError(f"{path}: {key}: expected an object, got {got}")
            yield from _flattened(value, f"{key}.", path)
        else:
            here = {k.removeprefix(prefix).split(".")[0] for k in _KEYS if k.startswith(prefix)}
            hint = did_you_mean(name, here, prefix)
            raise ConfigError(f"{path}: unknown key {shown(key)}{hint}")
