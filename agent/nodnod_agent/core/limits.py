"""Limits for one connection and for all together: the settings ``limits.*``."""

from msgspec import Struct

from nodnod_client.messages import MAX_MESSAGE


class Limits(Struct, frozen=True, kw_only=True):
    """Each limit with its default; conf/README.md says what raising it costs."""

    connections: int | None = None
    """Accepted connections open at once; ``None``: by the limit of open files of the process."""
    handshake: float = 5.0
    """Seconds from connecting to the end of the handshake, with TLS."""
    unauthenticated: int = 256
    """Connections that have not authenticated yet; one more ends the oldest of them."""
    client_message: int = 16 * 1024
    """Bytes of one message from a client."""
    peer_message: int = MAX_MESSAGE
    """Bytes of one message from an agent, whichever side dialed."""
    in_flight: int = 64
    """Unanswered requests per connection; more wait unread."""
    control_frames: int = 100
    """Pings, pongs and tiny fragments from one connection in a second. A connection that sends more
    is not read for a while, and is cut if it goes on."""
    streams: int = 16
    """Streams per connection."""
    unread: int = 1024 * 1024
    """Bytes of output that wait for a client; one that needs more is cut."""
    unread_for: float = 5.0
    """Seconds in which the other side must take some of the output that waits for it."""
