"""The blocking client."""

import asyncio
import concurrent.futures
import contextlib
import os
import ssl
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from typing import Any, Self, TypeVar, Unpack

from nodnod_client.alerts import Alerts, SilenceInfo
from nodnod_client.client import DEFAULT_SERVER, Client
from nodnod_client.errors import NotConnectedError
from nodnod_client.messages import Answer, Event, Events, Members
from nodnod_client.requests import StatOptions, Texts
from nodnod_client.stream import StreamAnswer

T = TypeVar("T")


class SyncClient:
    """``Client`` with blocking calls. Many threads may share one::

        with SyncClient("10.0.0.1") as client:
            answer = client.stat_all()

    Arguments, results and errors are those of ``Client``, which it runs in a thread of its own
    between ``connect`` and ``disconnect``. So it also works in a thread with an event loop.
    """

    def __init__(
        self,
        server: str = DEFAULT_SERVER,
        *,
        timeout: float = 10.0,
        token: str = "",
        ca: str | os.PathLike[str] | ssl.SSLContext | None = None,
    ) -> None:
        self._client = Client(server, timeout=timeout, token=token, ca=ca)
        self._lock = threading.Lock()
        self._loop_thread: _LoopThread | None = None
        self._stop: Callable[[], object] | None = None

    @property
    def timeout(self) -> float:
        """Seconds to wait for the connection, and for each answer."""
        return self._client.timeout

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        self._client.timeout = seconds

    @property
    def url(self) -> str:
        """The WebSocket URL of the agent."""
        return self._client.url

    @property
    def connected(self) -> bool:
        """Whether requests can be made."""
        return self._client.connected

    @property
    def version(self) -> int:
        """The protocol version that the agent speaks, 1 or 2; 0 before the first connection."""
        return self._client.version

    def connect(self) -> None:
        """Connect, if not connected. Raises ConnectError."""
        with self._lock:
            if self._loop_thread is None:
                self._loop_thread = _LoopThread(self._client)
                # A client that is collected without disconnect() must end its thread.
                self._stop = weakref.finalize(self, self._loop_thread.stop)
        self._run(self._client.connect())

    def disconnect(self) -> None:
        """Disconnect, if connected. Pending requests raise ConnectError."""
        with self._lock:
            stop, self._loop_thread, self._stop = self._stop, None, None
        if stop is not None:
            stop()

    def __enter__(self) -> Self:
        try:
            self.connect()
        except BaseException:
            self.disconnect()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    def stat(self, **options: Unpack[StatOptions]) -> Answer:
        """Request the stats of the agent's own node: ``Client.stat``."""
        return self._run(self._client.stat(**options))

    def stat_all(self, *, nodes: Texts = None, **options: Unpack[StatOptions]) -> Answer:
        """Request the stats of all nodes: ``Client.stat_all``."""
        return self._run(self._client.stat_all(nodes=nodes, **options))

    def members(self) -> Members:
        """Request the members that the agent knows: ``Client.members``."""
        return self._run(self._client.members())

    def events(self, *, since: float | None = None, nodes: Texts = None) -> Events:
        """Request what has happened in the cluster: ``Client.events``."""
        return self._run(self._client.events(since=since, nodes=nodes))

    def follow_events(
        self,
        *,
        since: float | None = None,
        nodes: Texts = None,
        every: float = 1.0,
        reconnect: bool = True,
    ) -> Iterator[Event]:
        """Follow what happens in the cluster: ``Client.follow_events``, as a plain iterator."""
        return self._iterate(
            self._client.follow_events(since=since, nodes=nodes, every=every, reconnect=reconnect)
        )

    def alerts(self, *, nodes: Texts = None) -> Alerts:
        """Request the alerts: ``Client.alerts``."""
        return self._run(self._client.alerts(nodes=nodes))

    def stream_alerts(
        self, *, nodes: Texts = None, every: float = 1.0, reconnect: bool = True
    ) -> Iterator[Alerts]:
        """Subscribe to the alerts: ``Client.stream_alerts``, as a plain iterator."""
        return self._iterate(
            self._client.stream_alerts(nodes=nodes, every=every, reconnect=reconnect)
        )

    def silences(self) -> list[SilenceInfo]:
        """Request the silences: ``Client.silences``."""
        return self._run(self._client.silences())

    def silence(
        self, node: str = "*", *, rule: str = "*", seconds: float, reason: str = ""
    ) -> SilenceInfo:
        """Tell people nothing of some alerts: ``Client.silence``."""
        return self._run(self._client.silence(node, rule=rule, seconds=seconds, reason=reason))

    def end_silence(self, id: str) -> SilenceInfo:  # noqa: A002
        """End a silence before its time: ``Client.end_silence``."""
        return self._run(self._client.end_silence(id))

    def stream(
        self,
        *,
        all: bool = True,  # noqa: A002
        every: float = 1.0,
        nodes: Texts = None,
        reconnect: bool = True,
        **options: Unpack[StatOptions],
    ) -> Iterator[StreamAnswer]:
        """Subscribe to stats: ``Client.stream``, as a plain iterator."""
        return self._iterate(
            self._client.stream(all=all, every=every, nodes=nodes, reconnect=reconnect, **options)
        )

    def _iterate(self, items: AsyncGenerator[T, None]) -> Iterator[T]:
        async def item() -> T:
            return await anext(items)

        try:
            while True:
                yield self._run(item())
        finally:
            if self._loop_thread is not None:
                self._loop_thread.finish(items.aclose())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        loop_thread = self._loop_thread
        if loop_thread is None:
            work.close()
            raise NotConnectedError(f"not connected to {self.url}: call connect() first")
        return loop_thread.run(work)


class _LoopThread:
    """A thread with an event loop, in which a client and its coroutines run."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        # Held while stopping: no coroutine is submitted after it. Reentrant, because the garbage
        # collector may close a stream in a thread that holds it.
        self._lock = threading.RLock()
        self._stopped = False
        # A daemon, so that a program without a disconnect() can end.
        self._thread = threading.Thread(target=self._main, name="nodnod-client", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and wait for it. Raises NotConnectedError after ``stop``."""
        future = self._submit(work)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise NotConnectedError("disconnected") from None
        except BaseException:
            future.cancel()  # after Ctrl-C it must not continue to run
            raise

    def finish(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine if the loop still runs; from any thread, also from this one."""
        if threading.current_thread() is self._thread:
            # Called by the garbage collector in this thread, which cannot wait for itself.
            self._submit(work)
            return
        with contextlib.suppress(NotConnectedError):
            self.run(work)

    def stop(self) -> None:
        """Disconnect the client and end the thread. May be called again."""
        with self._lock:
            if not self._stopped:
                self._stopped = True
                self._loop.call_soon_threadsafe(self._stopping.set)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        with self._lock:
            if self._stopped:
                work.close()
                raise NotConnectedError("disconnected")
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        await self._stopping.wait()
        await self._client.disconnect()
