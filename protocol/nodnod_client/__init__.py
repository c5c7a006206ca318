"""NodNod's client: ask any agent of a cluster for the live stats of all its nodes.

The public names. Clients are imported on first use, so that a program which needs only messages
does not load asyncio and websockets.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from nodnod_client.alerts import AlertInfo, Alerts, SilenceInfo
from nodnod_client.errors import (
    AddressError,
    ConnectError,
    NodNodError,
    NotConnectedError,
    RequestError,
    RequestTimeoutError,
    StatFailedError,
    WireError,
)
from nodnod_client.messages import (
    Answer,
    Event,
    Events,
    History,
    MemberInfo,
    Members,
    NodeStats,
    StatType,
)

if TYPE_CHECKING:
    from nodnod_client.client import Client
    from nodnod_client.stream import StreamAnswer
    from nodnod_client.sync import SyncClient

__all__ = [
    "AddressError",
    "AlertInfo",
    "Alerts",
    "Answer",
    "Client",
    "ConnectError",
    "Event",
    "Events",
    "History",
    "MemberInfo",
    "Members",
    "NodNodError",
    "NodeStats",
    "NotConnectedError",
    "RequestError",
    "RequestTimeoutError",
    "SilenceInfo",
    "StatFailedError",
    "StatType",
    "StreamAnswer",
    "SyncClient",
    "WireError",
    "__version__",
]

__version__ = "2.0.0"

_ON_FIRST_USE = {
    "Client": "nodnod_client.client",
    "StreamAnswer": "nodnod_client.stream",
    "SyncClient": "nodnod_client.sync",
}


def __getattr__(name: str) -> object:
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_ON_FIRST_USE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
