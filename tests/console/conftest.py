"""Fixtures that the tests of several commands share."""

import pytest

from nodnod_client.client import Client


@pytest.fixture
def all_time_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """``--timeout`` is for answers only: on a busy machine a short one would end the handshake."""
    connect = Client.connect

    async def patient(client: Client) -> None:
        timeout, client.timeout = client.timeout, 60.0
        await connect(client)
        client.timeout = timeout

    monkeypatch.setattr(Client, "connect", patient)
