"""A double on a thread of its own: for code under test that blocks, or a test that does."""

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar


class Double(Protocol):
    """What can be put on a thread of its own."""

    address: str

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, kind: Any, error: Any, traceback: Any) -> None: ...


S = TypeVar("S", bound=Double)
T = TypeVar("T")


class Threaded(Generic[S]):
    """Use as a context manager; ``server`` is the double, ``run`` steers it from here."""

    def __init__(self, server: S) -> None:
        self.server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    @property
    def address(self) -> str:
        return self.server.address

    def run(self, work: Coroutine[Any, Any, T], *, timeout: float = 10.0) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def call(self, function: Any, *args: Any) -> None:
        self._loop.call_soon_threadsafe(function, *args)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.run(self.server.__aenter__())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.run(self.server.__aexit__(None, None, None))
        finally:
            self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
