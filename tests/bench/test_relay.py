import socket

from bench.harness.relay import HEADERS, Passed, relay
from nodnod_client.address import Address


def test_what_passes_is_passed_on_and_counted_both_ways() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = Address("127.0.0.1", server.getsockname()[1])
        with relay(target) as passing, socket.create_connection(passing.address) as near:
            near.sendall(b"question")
            far, _ = server.accept()
            with far:
                asked = _exactly(far, 8)
                before = passing.passed()
                far.sendall(b"answer!")
                answered = _exactly(near, 7)

            assert (asked, answered) == (b"question", b"answer!")
            assert before.payload == 8
            assert passing.passed().since(before).payload == 7


def test_headers_are_counted_for_each_segment() -> None:
    assert Passed(payload=100, segments=3).on_wire == 100 + 3 * HEADERS


def _exactly(sock: socket.socket, size: int) -> bytes:
    sock.settimeout(10)
    data = b""
    while len(data) < size:
        data += sock.recv(size - len(data))
    return data
