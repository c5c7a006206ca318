"""The sources of settings: flags, environment variables and the configuration file.

A flag overrides the environment, which overrides the file, which overrides the default; of an object
as ``tags``, key by key. Overridden values are validated too. Every fault is a ``ConfigError`` of one line that begins with the place:
``conf.json: nodes[2]: port must be …``.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from nodnod_agent.config.settings import SETTINGS
from nodnod_agent.config.validators import ConfigError, Faults, did_you_mean, shown
from nodnod_client.json_fault import explain

MAX_FAULTS = 100
"""Keys of a file whose faults are told."""


class Given(Struct, frozen=True):
    """The settings that are set: values by field, and the place where each was found.

    A value that is put together has all its places, with commas between. ``faults`` are lines,
    ``faulty`` the fields that have them.
    """

    values: dict[str, Any]
    places: dict[str, str]
    faults: tuple[str, ...] = ()
    faulty: frozenset[str] = frozenset()

    def at_its_place(self, line: str) -> str:
        """A fault that begins with the key of a setting, beginning with its place instead."""
        for row in SETTINGS:
            rest = line.removeprefix(row.key)
            if rest[:1] in (":", "[") and row.field in self.places and rest != line:
                return self.places[row.field] + rest
        return line


def gather(
    flags: Mapping[str, str], environment: Mapping[str, str], file: bytes | None, path: str
) -> Given:
    """Read all settings that are set: flags by field, variables by name, and the file's content.

    ``path`` names the file in errors. Raises ConfigError, with all faults.
    """
    given = gather_sound(flags, environment, file, path)
    if given.faults:
        raise ConfigError(*given.faults)
    return given


def gather_sound(
    flags: Mapping[str, str], environment: Mapping[str, str], file: bytes | None, path: str
) -> Given:
    """Read the settings without faults, and collect the faults of the others."""
    faults = Faults()
    in_file: dict[str, Any] = {}
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    faulty: set[str] = set()
    if file is not None:
        with faults:
            in_file = _read_file(file, path, faults)
    for row in SETTINGS:
        # In order of priority: the last one overrides the others.
        found: list[tuple[str, Any]] = []
        if row.key in in_file:
            found.append((f"{path}: {row.key}", in_file[row.key]))
        if text := environment.get(row.variable):
            found.append((row.variable, row.read(text)))
        if row.field in flags:
            found.append((f"--{row.flag}", row.read(flags[row.field])))
        before = len(faults.lines)
        for place, value in found:
            with faults:
                checked = row.check(value, place)
                if isinstance(checked, dict) and row.field in values:
                    checked = row.check(values[row.field] | checked, place)
                    place = f"{places[row.field]}, {place}"
                values[row.field] = checked
                places[row.field] = place
        if len(faults.lines) > before:
            faulty.add(row.field)
    return Given(values, places, tuple(faults.lines), frozenset(faulty))


def unknown_variables(environment: Mapping[str, str], others: Iterable[str]) -> Iterator[str]:
    """Yield a line for each variable that begins with NODNOD_, but is no setting and none of ``others``.

    Not those that Kubernetes sets for a service called nodnod.
    """
    known = {row.variable for row in SETTINGS} | {*OTHER_VARIABLES, *others}
    is_service = f"{PREFIX}SERVICE_HOST" in environment
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in known:
            continue
        if is_service and name.startswith((f"{PREFIX}SERVICE_", f"{PREFIX}PORT")):
            continue
        words = {one.removeprefix(PREFIX): one for one in known}
        hint = did_you_mean(name.removeprefix(PREFIX), words, PREFIX)
        yield f"{shown(name)[1:-1]}: unknown variable{hint}"


PREFIX = "NODNOD_"

OTHER_VARIABLES = [f"{PREFIX}{name}" for name in ("CONFIG", "SERVER", "TOKEN", "CA", "CERT", "KEY")]
"""Variables that are no settings: which file the agent reads, and those of the command `nodnod`."""


def _read_file(data: bytes, path: str, faults: Faults) -> dict[str, Any]:
    """Return the values by dotted key, not yet checked; ``faults`` gets those of single keys."""
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
    return dict(_flattened(document, "", path, faults))


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ConfigError(f"duplicate key {shown(key)}")
        found[key] = value
    return found


_KEYS = [row.key for row in SETTINGS]


def _flattened(
    document: dict[str, Any], prefix: str, path: str, faults: Faults
) -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if len(faults.lines) >= MAX_FAULTS:
            return
        key = prefix + name
        # A dot stands for nesting in ``_KEYS``, and never occurs in a key of the file.
        if "." not in name and key in _KEYS:
            yield key, value
        elif "." not in name and any(other.startswith(f"{key}.") for other in _KEYS):
            if not isinstance(value, dict):
                # Text in place of ``auth`` may be a secret.
                got = "text" if isinstance(value, str) else shown(value)
                faults.lines.append(f"{path}: {key}: expected an object, got {got}")
                continue
            yield from _flattened(value, f"{key}.", path, faults)
        else:
            here = {k.removeprefix(prefix).split(".")[0] for k in _KEYS if k.startswith(prefix)}
            hint = did_you_mean(name, here, prefix)
            faults.lines.append(f"{path}: unknown key {shown(key)}{hint}")
