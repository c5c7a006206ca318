"""The public names of `nodnod_client`, and what its import loads."""

import os
import subprocess
import sys

import pytest

import nodnod_client


def test_messages_do_not_import_asyncio_or_websockets() -> None:
    code = (
        "import sys, nodnod_client.messages, nodnod_client.codec, nodnod_client.address;"
        "print(sorted({'asyncio', 'websockets', 'socket', 'threading'} & set(sys.modules)))"
    )
    # Coverage measures child processes too, and imports some of these itself.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=plain
    )
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize("name", nodnod_client.__all__)
def test_every_public_name_exists(name: str) -> None:
    assert getattr(nodnod_client, name) is not None
    assert name in dir(nodnod_client)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Klient"):
        nodnod_client.Klient  # noqa: B018


def test_the_version_is_2() -> None:
    assert nodnod_client.__version__.split(".")[0] == "2"


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (nodnod_client.ConnectError, ConnectionError),
        (nodnod_client.RequestTimeoutError, TimeoutError),
        (nodnod_client.AddressError, ValueError),
    ],
)
def test_errors_are_also_builtin_errors(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, builtin)
    assert issubclass(error, nodnod_client.NodNodError)
