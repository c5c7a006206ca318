"""A server that closes while a client connects."""

import asyncio
import gc
import socket
import warnings

import pytest

from bench.harness.closing import stop_accepting


@pytest.mark.parametrize("steps", range(6))
async def test_a_client_that_connects_while_a_server_closes_is_accepted_or_left_in_the_kernel(
    steps: int,
) -> None:
    accepted: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: accepted.append(writer), "127.0.0.1", 0)
    with (
        warnings.catch_warnings(record=True, action="always") as found,
        socket.create_connection(server.sockets[0].getsockname()),
    ):
        for _ in range(steps):
            await asyncio.sleep(0)
        await stop_accepting(server.sockets)
        server.close()
        for writer in accepted:
            writer.close()
        await server.wait_closed()
        gc.collect()

    assert len(accepted) == (steps > 1)
    assert [str(warning.message) for warning in found] == []
