"""The blocking client."""

import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from bench.harness.threaded import Threaded
from doubles.v1_server import V1Server, node_object
from doubles.v2_server import V2Server
from nodnod_client.errors import (
    ConnectError,
    NotConnectedError,
    RequestTimeoutError,
    StatFailedError,
)
from nodnod_client.sync import SyncClient

NODES = [node_object("kyle"), node_object("kenny", error="no answer")]


@pytest.fixture
def v2() -> Iterator[Threaded[V2Server]]:
    with Threaded(V2Server(nodes=NODES)) as agent:
        yield agent


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before]
    assert not [thread for thread in left if thread.name == "nodnod-client"]


@pytest.mark.parametrize("kind", [V1Server, V2Server])
def test_it_has_the_answers_of_the_asyncio_client(kind: type[V1Server]) -> None:
    with Threaded(kind(nodes=NODES)) as agent, SyncClient(agent.address) as client:
        assert client.connected
        assert client.version == agent.server.version
        assert client.url == f"ws://{agent.address}/"
        assert client.stat_all().nodes["kenny"].error == "no answer"
        assert list(client.stat().nodes) == ["kyle"]
    assert not client.connected


def test_it_can_connect_again_after_disconnect(v2: Threaded[V2Server]) -> None:
    client = SyncClient(v2.address)
    for _ in range(2):
        client.connect()
        client.connect()
        assert client.stat().host == "kyle"
        client.disconnect()
        client.disconnect()


async def test_it_works_in_a_thread_with_an_event_loop() -> None:
    with Threaded(V2Server()) as agent, SyncClient(agent.address) as client:
        assert client.stat().host == "kyle"


def test_a_closed_port_is_a_connect_error() -> None:
    with pytest.raises(ConnectError, match="connection refused"), SyncClient("127.0.0.1:1"):
        pass


def test_a_request_without_a_connection_is_not_connected(v2: Threaded[V2Server]) -> None:
    client = SyncClient(v2.address)
    with pytest.raises(NotConnectedError):
        client.stat()
    with client:
        pass
    with pytest.raises(NotConnectedError):
        client.stat_all()


def test_the_timeout_can_be_changed(v2: Threaded[V2Server]) -> None:
    v2.server.hold()
    with SyncClient(v2.address) as client:
        client.timeout = 0.05
        assert client.timeout == 0.05
        with pytest.raises(RequestTimeoutError):
            client.stat()


def test_many_threads_share_one_client(v2: Threaded[V2Server]) -> None:
    def ask(number: int) -> bool:
        answer = client.stat_all() if number % 3 else client.stat()
        return len(answer.nodes) == (2 if number % 3 else 1)

    with SyncClient(v2.address) as client, ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(200)))
    assert len(v2.server.requests) == 200


def test_disconnect_fails_pending_requests(v2: Threaded[V2Server]) -> None:
    client = SyncClient(v2.address)
    client.connect()
    v2.server.hold()
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(client.stat) for _ in range(4)]
        v2.run(v2.server.arrived(4))
        client.disconnect()
        assert {type(future.exception(10)) for future in waiting} == {ConnectError}


def test_a_stream_is_a_plain_iterator(v2: Threaded[V2Server]) -> None:
    v2.server.ticking = True
    with SyncClient(v2.address) as client:
        seqs = []
        for answer in client.stream(every=0.01):
            seqs.append(answer.seq or 0)
            if len(seqs) == 3:
                break
        v2.run(v2.server.streaming_count(0))
    assert seqs == sorted(seqs)


def test_a_refused_stream_raises(v2: Threaded[V2Server]) -> None:
    v2.server.refusal = {"error": "too many", "code": "too_many_streams"}
    with SyncClient(v2.address) as client, pytest.raises(StatFailedError):
        next(iter(client.stream()))


def test_disconnect_ends_a_stream(v2: Threaded[V2Server]) -> None:
    client = SyncClient(v2.address)
    client.connect()
    stream = iter(client.stream())
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(next, stream)
        v2.run(v2.server.streaming_count(1))
        client.disconnect()
        assert isinstance(waiting.exception(10), (NotConnectedError, ConnectError))


def test_a_collected_client_leaves_no_thread(v2: Threaded[V2Server]) -> None:
    client = SyncClient(v2.address)
    client.connect()
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "nodnod-client"]
    del client
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
