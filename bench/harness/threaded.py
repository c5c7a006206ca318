"""A server on a thread of its own: for code beside it that blocks."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Generic, Protocol, Self, TypeVar


class AsyncServer(Protocol):
    """What can be run on a thread of its own."""

    address: str

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, kind: Any, error: Any, traceback: Any) -> None: ...


S = TypeVar("S", bound=AsyncServer)
T = TypeVar("T")


class Threaded(Generic[S]):
    """Use as a context manager; ``run`` and ``call`` reach ``server`` from other threads."""

    def __init__(self, server: S) -> None:
        self.server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    @property
    def address(self) -> str:
        """Where the server listens."""
        return self.server.address

    def run(self, work: Coroutine[Any, Any, T], *, timeout: float = 10.0) -> T:
        """Run a coroutine on the server's loop and wait for its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def call(self, function: Any, *args: Any) -> None:
        """Have the server's loop call a function soon."""
        self._loop.call_soon_threadsafe(function, *args)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.run(self.server.__aenter__())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.run(self.server.__aexit__(None, None, None))
        finally:
            self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
