"""The name of this machine with its domain, which only the resolver knows."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable


def look_up_full_name(loop: asyncio.AbstractEventLoop, tell: Callable[[str], None]) -> None:
    """Call ``tell`` in the loop with the name, if and when there is one.

    From a thread that nobody waits for: a name server that does not answer takes half a minute.
    """
    thread = threading.Thread(target=_ask, args=(loop, tell), name="nodnod-fullname", daemon=True)
    thread.start()


def _ask(loop: asyncio.AbstractEventLoop, tell: Callable[[str], None]) -> None:
    try:
        found = socket.getaddrinfo(
            socket.gethostname(), None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME
        )
    except (OSError, UnicodeError):
        return
    name = next((canonical for _, _, _, canonical, _ in found if canonical), "")
    if name:
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(tell, name)
