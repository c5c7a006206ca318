"""A double on a thread of its own, for code under test that blocks."""

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from doubles.v1_server import V1Server

__all__ = ["Elsewhere"]

S = TypeVar("S", bound=V1Server)
T = TypeVar("T")


class Elsewhere(Generic[S]):
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
        self.run(self.server.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.run(self.server.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
