"""Checks and readers for the values of settings.

A check takes a JSON value and its place (``conf.json: interval``). It returns the value of the
setting, or raises ConfigError. A reader turns the text of a flag or variable into a JSON value. It
returns text that it cannot read unchanged: the check then reports the fault.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from nodnod_client.address import Address, parse_address
from nodnod_client.errors import AddressError
from nodnod_client.tags import tags_fault

MAX_NAME = 128


class ConfigError(Exception):
    """One line: the place, what was expected there, and what was found.

    ``lines`` are this one and those of the faults that were found with it.
    """

    def __init__(self, line: str, *others: str) -> None:
        super().__init__(line)
        self.lines = (line, *others)


class Faults:
    """Collects faults, so that all are found and not only the first: ``with faults: …`` for each part."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, ConfigError):
            self.lines += error.lines
            return True
        return False

    def check(self) -> None:
        """Raise ConfigError if there are any."""
        if self.lines:
            raise ConfigError(*self.lines)


def name(value: Any, place: str) -> str:
    """A node's name, which appears unescaped in answers, headers, logs and tables."""
    # isprintable is false for control characters, line breaks, direction marks and surrogates.
    if (
        isinstance(value, str)
        and 1 <= len(value) <= MAX_NAME
        and value.isprintable()
        and value == value.strip()
    ):
        return value
    what = f"1 to {MAX_NAME} printable characters, no space at either end"
    raise expected(what, value, place)


def address(*, any_port: bool = False) -> Callable[[Any, str], Address]:
    """One ``host:port``; ``any_port`` admits port 0."""

    def check(value: Any, place: str) -> Address:
        if not isinstance(value, str):
            raise expected("an address, host:port", value, place)
        try:
            return parse_address(value, any_port=any_port)
        except AddressError as error:
            raise ConfigError(f"{place}: {error}") from None

    return check


def advertised(value: Any, place: str) -> Address:
    """A ``host:port`` that others can dial."""
    found = address()(value, place)
    if not found.dialable:
        what = "an address of this machine that others can dial"
        raise ConfigError(f"{place}: expected {what}, got {found}")
    return found


def addresses(value: Any, place: str) -> tuple[Address, ...]:
    """A list of ``host:port``, without duplicates in any spelling."""
    if not isinstance(value, list):
        raise expected("an array of addresses", value, place)
    check = address()
    seen: dict[Address, int] = {}
    faults = Faults()
    for index, text in enumerate(value):
        here = f"{place}[{index}]"
        with faults:
            found = check(text, here)
            if found in seen:
                raise ConfigError(f"{here}: {found} is a duplicate of [{seen[found]}]")
            seen[found] = index
    faults.check()
    return tuple(seen)


NATS_PORT = 4222
"""The port of a NATS server whose URL has none."""


def nats_servers(value: Any, place: str) -> tuple[str, ...]:
    """URLs of NATS servers, one or more, without duplicates; a text is a list of one."""
    if isinstance(value, str):
        return (_nats_server(value, place),)
    if not isinstance(value, list):
        raise expected("a URL, nats://host:port, or an array of them", value, place)
    found = _each(value, place, _nats_server)
    for index, url in enumerate(found):
        if url in found[:index]:
            raise ConfigError(f"{place}[{index}]: {url} is a duplicate of [{found.index(url)}]")
    return found


def _nats_server(value: Any, place: str) -> str:
    if isinstance(value, str) and "@" in value:
        # Not shown: what stands before the @ is a secret.
        what = "no user and password in a URL; set nats.user and nats.password, or nats.token"
        raise ConfigError(f"{place}: expected {what}")
    scheme, _, rest = value.partition("://") if isinstance(value, str) else ("", "", "")
    if scheme not in ("nats", "tls"):
        raise expected("a URL, nats://host:port or tls://host:port", value, place)
    try:
        found = parse_address(rest.removesuffix("/"), default_port=NATS_PORT)
    except AddressError as error:
        raise ConfigError(f"{place}: {error}") from None
    return f"{scheme}://{found}"


_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def nats_address(url: str) -> Address:
    """The address of a valid URL of a NATS server."""
    return parse_address(url.partition("://")[2], default_port=NATS_PORT)


def subject_token(value: Any, place: str) -> str:
    """One token of the subject of a message, which is not escaped."""
    if isinstance(value, str) and _TOKEN.fullmatch(value):
        return value
    raise expected("1 to 64 letters, digits, - and _", value, place)


def site(value: Any, place: str) -> str:
    """The name of a site: one token of a subject, and the value of a tag."""
    name = subject_token(value, place)
    if fault := tags_fault({"site": name}):
        raise expected(fault.partition(", got")[0], value, place)
    return name


def seconds(low: float, high: float) -> Callable[[Any, str], float]:
    """A duration from ``low`` to ``high``."""

    def check(value: Any, place: str) -> float:
        # A bool is an int to Python. NaN is in no range.
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            return float(value)
        raise expected(f"a number of seconds from {low:g} to {high:g}", value, place)

    return check


def integer(low: int, high: int) -> Callable[[Any, str], int]:
    """A whole number from ``low`` to ``high``."""

    def check(value: Any, place: str) -> int:
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            number = int(value)
            if number == value:  # a flag's or variable's number is read as a float
                return number
        raise expected(f"a whole number from {low} to {high}", value, place)

    return check


def switch(value: Any, place: str) -> bool:
    """A bool."""
    if isinstance(value, bool):
        return value
    raise expected("true or false", value, place)


def one_of(*words: str) -> Callable[[Any, str], str]:
    """One of a few words."""

    def check(value: Any, place: str) -> str:
        if isinstance(value, str) and value in words:
            return value
        raise expected(" or ".join(words), value, place)

    return check


def path(value: Any, place: str) -> str:
    """The path of a file."""
    if isinstance(value, str) and value and "\0" not in value:
        return value
    raise expected("the path of a file", value, place)


_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\0]+")
_NOT_ITSELF = "never the secret itself"
_NO_URL = "never the URL itself, which is a secret"


def reference(value: Any, place: str, never: str = _NOT_ITSELF) -> str:
    """Where a secret is stored. Errors do not show a wrong value: it may be the secret."""
    if isinstance(value, str) and _REFERENCE.fullmatch(value):
        return value
    raise ConfigError(f"{place}: expected env:NAME or file:PATH, {never}")


def references(value: Any, place: str, never: str = _NOT_ITSELF) -> tuple[str, ...]:
    """A list of references to secrets."""
    if not isinstance(value, list):
        raise ConfigError(f"{place}: expected an array, each item env:NAME or file:PATH, {never}")
    return _each(value, place, partial(reference, never=never))


url_reference = partial(reference, never=_NO_URL)
"""Where the URL of a service is stored."""

url_references = partial(references, never=_NO_URL)
"""A list of references to URLs."""


_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?")


def host(value: Any, place: str) -> str:
    """A host name without a port, in lower case."""
    name = value.lower().removesuffix(".") if isinstance(value, str) else ""
    if _HOST.fullmatch(name):
        return name
    raise expected("a host name, without scheme and port", value, place)


# Any scheme that pages have, those of browser extensions too. Pages never have ws: or wss:.
_ORIGIN = re.compile(
    r"(?!wss?:)([a-z][a-z0-9+.-]*)://"
    r"([a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])"
    r"(?::([0-9]{1,5}))?"
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def origin(value: Any, place: str) -> str:
    """An origin, normalized as browsers do: in lower case, without a default port."""
    parts = _ORIGIN.fullmatch(value.lower()) if isinstance(value, str) else None
    if parts is None or int(parts[3] or 0) > 65535:
        raise expected("an origin, as https://host or https://host:port", value, place)
    scheme, name, port = parts.groups("")
    is_default = port in ("", _DEFAULT_PORTS.get(scheme))
    return f"{scheme}://{name}" if is_default else f"{scheme}://{name}:{port}"


def tags(value: Any, place: str) -> dict[str, str]:
    """Tags of a node: an object, or the pairs of a flag or variable."""
    if isinstance(value, tuple):
        value = _tags_of_pairs(value, place)
    if not isinstance(value, dict):
        raise expected("an object of tags", value, place)
    for text in value.values():
        if not isinstance(text, str):
            raise expected("text as the value of each tag", text, place)
    if fault := tags_fault(value):
        raise ConfigError(f"{place}: expected {fault}")
    return value


def _tags_of_pairs(pairs: tuple[str, ...], place: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        key, assigned, text = pair.partition("=")
        if not assigned:
            raise expected("key=value", pair, place)
        if key in found:
            raise ConfigError(f"{place}: expected each key once, got {shown(key)} twice")
        found[key] = text
    return found


def list_of(check: Callable[[Any, str], str], what: str) -> Callable[[Any, str], tuple[str, ...]]:
    """A list of values of one kind."""

    def check_all(value: Any, place: str) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise expected(f"an array of {what}", value, place)
        return _each(value, place, check)

    return check_all


def _each(values: list[Any], place: str, check: Callable[[Any, str], str]) -> tuple[str, ...]:
    found: list[str] = []
    faults = Faults()
    for index, item in enumerate(values):
        with faults:
            found.append(check(item, f"{place}[{index}]"))
    faults.check()
    return tuple(found)


# The words that Go's flags accept, and those that are common in compose files.
_SWITCH = dict.fromkeys(("1", "t", "true", "yes", "on"), True) | dict.fromkeys(
    ("0", "f", "false", "no", "off"), False
)


def read_switch(text: str) -> bool | str:
    """Read ``1``, ``true``, ``yes``, ``on`` and their opposites, in any case."""
    return _SWITCH.get(text.lower(), text)


def read_number(text: str) -> float | str:
    """Read a number."""
    try:
        return float(text)
    except ValueError:
        return text


def read_list(text: str) -> list[str]:
    """Read items that are separated by commas."""
    return [part.strip() for part in text.split(",")]


def read_pairs(text: str) -> tuple[str, ...]:
    """Read items that are separated by commas, each ``key=value``."""
    return tuple(read_list(text))


def read_json(text: str) -> Any:
    """Read JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def did_you_mean(word: str, known: Iterable[str], prefix: str) -> str:
    """Return `` (did you mean …?)`` with the closest known word, or nothing if none is close."""
    normalized = {_normalized(other): other for other in known}
    close = difflib.get_close_matches(_normalized(word[:64]), normalized, n=1)
    return f" (did you mean {prefix}{normalized[close[0]]}?)" if close else ""


def _normalized(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "")


def shown(value: Any) -> str:
    """Return a value as errors show it: short, on one line, without control characters."""
    if isinstance(value, list | dict):
        return "an array" if isinstance(value, list) else "an object"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = repr(value).removesuffix(".0") if isinstance(value, float) else repr(value)
    return text if len(text) <= 80 else text[:77] + "…"


def expected(what: str, value: Any, place: str) -> ConfigError:
    """The error of a value that is not what is expected."""
    return ConfigError(f"{place}: expected {what}, got {shown(value)}")
