"""Every error a user of NodNod can meet, split by whose fault it is.

NodNodError
├── AddressError (ValueError)            you: the text is no address
├── NotConnectedError                    you: connect first
├── ConnectError (ConnectionError)       the network: no connection, or it broke
├── RequestTimeoutError (TimeoutError)   the network: no answer in time
├── StatFailedError                      the agent: it answered with an error
└── WireError                            the other side: it sent what is no message
    └── RequestError                     a request that an agent refuses, and why
"""


class NodNodError(Exception):
    """The root of the tree."""


class AddressError(NodNodError, ValueError):
    """A text that is no ``host``, ``host:port`` or ``[v6]:port``."""


class NotConnectedError(NodNodError):
    """A question was asked on a client that is not connected."""


class ConnectError(NodNodError, ConnectionError):
    """No connection could be made, or the one there was has ended.

    ``status`` is the HTTP status with which the other side refused it, 0 if it is no refusal.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class RequestTimeoutError(NodNodError, TimeoutError):
    """No answer came within the client's ``timeout``."""


class StatFailedError(NodNodError):
    """The agent answered with an error.

    ``code`` is one of the codes of docs/protocol.md, or empty from a version-1 agent.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class WireError(NodNodError):
    """A message that breaks the protocol."""


class RequestError(WireError):
    """A request that is refused: ``code`` as in docs/protocol.md, ``id`` where it could be read."""

    def __init__(self, code: str, message: str, id: int | str | None = None) -> None:  # noqa: A002
        super().__init__(message)
        self.code = code
        self.id = id
