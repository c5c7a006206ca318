"""How much an agent bears, of one connection and of all: the settings ``limits.*``."""

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """Each with its default; conf/README.md says what raising it costs."""

    connections: int | None = None
    """Open at once, each way in; ``None`` goes by the files that the process may have open."""
    handshake: float = 5.0
    """Seconds from connecting to the end of the handshake, TLS and all."""
    unauthenticated: int = 256
    """Connections that have not shown yet who they are; one more ends the oldest of them."""
    client_message: int = 16 * 1024
    """Bytes of one message from a client."""
    peer_message: int = 4 * 1024 * 1024
    """Bytes of one message from an agent, whoever dialled."""
    in_flight: int = 64
    """Unanswered requests per connection; more wait unread."""
    control_frames: int = 100
    """Pings, pongs and tiny pieces of messages from one connection in a second; who sends more is
    not heard for a while, and then cut."""
    streams: int = 16
    """Streams per connection."""
    unread: int = 1024 * 1024
    """Bytes of output that wait for a client; one that would need more is cut."""
    unread_for: float = 5.0
    """Seconds in which the other side must take some of what waits for it."""
