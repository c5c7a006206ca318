"""What ``nodnod-agent --check-config`` says: the settings in force, or what is wrong with them."""

import json
import os
from collections.abc import Callable, Mapping, Set
from typing import Any

from nodnod_agent.auth.secrets import read_secrets
from nodnod_agent.auth.tls import read_contexts
from nodnod_agent.backplane.access import read_access
from nodnod_agent.config.settings import SETTINGS, Settings
from nodnod_agent.config.validators import Faults
from nodnod_agent.core.alerts.rules import Rule
from nodnod_agent.core.limits import Limits
from nodnod_agent.log.format import printable
from nodnod_agent.notify.channels import read_urls
from nodnod_client.address import Address

_COMPUTED = {
    "name": "the host name",
    "listen": "the address that routes to the others",
    "advertise": "the listen address, or a guess",
    "tls_ca": "the system's authorities",
    "nats_ca": "the system's authorities",
    "limits_connections": "by the limit of open files",
}
"""Where a value comes from that is not set, and is no constant."""


def faults(settings: Settings, faulty: Set[str]) -> list[str]:
    """The faults of the secrets, certificates and URLs that settings name; each line begins with a key.

    What a setting in ``faulty`` is about is not read.
    """
    found = Faults()
    for prefixes, read in _READ.items():
        if not any(field.startswith(prefixes) for field in faulty):
            with found:
                read(settings)
    return found.lines


_READ: dict[tuple[str, ...], Callable[[Settings], object]] = {
    ("auth_",): lambda s: read_secrets(s.auth_secrets, os.environ),
    ("tls_",): lambda s: read_contexts(
        s.tls_cert, s.tls_key, s.tls_ca, require_client_cert=s.tls_require_client_cert
    ),
    ("backplane", "nats_"): lambda s: read_access(s, os.environ),
    ("alerts_notify", "alerts_heartbeat"): lambda s: read_urls(s, os.environ),
}


def table(settings: Settings, places: Mapping[str, str]) -> str:
    """A line for each setting: its key, its value as in the file, and where that comes from.

    Secrets are no settings: only the places where they are stored are shown.
    """
    rows = []
    for row in SETTINGS:
        value = getattr(settings, row.field)
        place = places.get(row.field)
        if place is None:
            place = _default_of(row.field, settings)
            if value is None and row.field.startswith("limits_"):
                value = getattr(Limits(), row.field.removeprefix("limits_"))
        rows.append((row.key, _written(value), printable(place)))
    keys, values = (min(40, max(len(row[i]) for row in rows)) for i in (0, 1))
    return "".join(f"{key:{keys}}  {value:{values}}  {place}\n" for key, value, place in rows)


def _default_of(field: str, settings: Settings) -> str:
    if field in _COMPUTED and (field != "listen" or settings.join):
        return f"default: {_COMPUTED[field]}"
    return "default"


def _written(value: Any) -> str:
    """A value as JSON; rules of alerts as their names, nothing as ``-``."""
    return "-" if value is None else json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Address):
        return str(value)
    if isinstance(value, Rule):
        return value.name
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
