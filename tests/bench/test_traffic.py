import os
import shutil
import socket

import pytest

from bench.harness.traffic import payload

SENT = 1000


@pytest.mark.skipif(shutil.which("ss") is None, reason="there is no `ss`")
def test_the_bytes_of_a_process_are_counted_by_the_port_that_it_talks_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as near, server.accept()[0] as far:
            near.sendall(bytes(SENT))
            assert len(far.recv(SENT, socket.MSG_WAITALL)) == SENT
            assert payload([os.getpid()], port) == {os.getpid(): SENT}
            assert payload([os.getpid()], port + 1) == {os.getpid(): 0}
