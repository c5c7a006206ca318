"""The errors of the client and the protocol, grouped by cause.

NodNodError
├── AddressError (ValueError)            the caller: the text is no address
├── NotConnectedError                    the caller: not connected
├── ConnectError (ConnectionError)       the network: no connection, or it was lost
├── RequestTimeoutError (TimeoutError)   the network: no answer in time
├── StatFailedError                      the agent: it answered with an error
└── WireError                            the other side: an invalid message
    └── RequestError                     a request that an agent refuses
"""


class NodNodError(Exception):
    """The base class of all errors."""


class AddressError(NodNodError, ValueError):
    """A text is not ``host``, ``host:port`` or ``[v6]:port``."""


class NotConnectedError(NodNodError):
    """A request was made on a client that is not connected."""


class ConnectError(NodNodError, ConnectionError):
    """The connection could not be opened, or was lost.

    ``status`` is the HTTP status if the agent refused the connection with one, else 0.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class RequestTimeoutError(NodNodError, TimeoutError):
    """No answer came within the client's ``timeout``."""


class StatFailedError(NodNodError):
    """The agent answered with an error.

    ``code`` is one of the codes in docs/protocol.md; empty from a version-1 agent.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class WireError(NodNodError):
    """A message violates the protocol."""


class RequestError(WireError):
    """A request is refused: ``code`` as in docs/protocol.md; ``id`` is None if unreadable."""

    def __init__(self, code: str, message: str, id: int | str | None = None) -> None:  # noqa: A002
        super().__init__(message)
        self.code = code
        self.id = id
