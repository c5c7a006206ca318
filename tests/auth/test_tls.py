"""The TLS contexts of an agent: the files that make them, and the errors that name a file."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from doubles.certificates import Authority
from nodnod_agent.auth.tls import read_contexts
from nodnod_agent.config.validators import ConfigError


@pytest.fixture(scope="module")
def files(authority: Authority) -> tuple[str, str]:
    return authority.issue("agent")


def error_for(*arguments: str | None, client: bool = False) -> str:
    with pytest.raises(ConfigError) as caught:
        read_contexts(*arguments, require_client_cert=client)  # type: ignore[arg-type]
    return str(caught.value)


def test_without_a_certificate_there_is_no_tls() -> None:
    assert read_contexts(None, None, None, require_client_cert=False) is None


@pytest.mark.parametrize("client", [False, True])
def test_both_sides_require_tls_1_2(
    files: tuple[str, str], authority: Authority, client: bool
) -> None:
    found = read_contexts(*files, authority.ca, require_client_cert=client)
    assert found is not None
    for context in (found.server, found.client):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_certificate_and_key_may_be_in_one_file(files: tuple[str, str], tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(b"".join(Path(file).read_bytes() for file in files))
    assert read_contexts(str(both), None, None, require_client_cert=False) is not None


@pytest.mark.parametrize(
    ("arguments", "client", "setting"),
    [
        ((None, "x", None), False, "tls.key"),
        ((None, None, "x"), False, "tls.ca"),
        ((None, None, None), True, "tls.requireClientCert"),
    ],
)
def test_a_setting_without_effect_is_refused(
    arguments: tuple[str | None, ...], client: bool, setting: str
) -> None:
    assert error_for(*arguments, client=client) == f"{setting}: does nothing without tls.cert"


def test_client_certificates_require_an_authority(files: tuple[str, str]) -> None:
    says = "tls.requireClientCert: needs tls.ca, to verify the certificates"
    assert error_for(*files, None, client=True) == says


def encrypted(key: bytes) -> bytes:
    secret = load_pem_private_key(key, None)
    return secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))


@pytest.mark.parametrize(
    ("corrupt", "says"),
    [
        (lambda key, other: encrypted(key), "the key is encrypted"),
        (lambda key, other: b"garbage", "expected a certificate and its key in PEM form"),
        (lambda key, other: other, "is not the key of the certificate"),
    ],
)
def test_an_unusable_key_is_named_in_the_error(
    authority: Authority, corrupt: Callable[[bytes, bytes], bytes], says: str
) -> None:
    cert, key = authority.issue("corrupt")
    _, other = authority.issue("other")
    Path(key).write_bytes(corrupt(Path(key).read_bytes(), Path(other).read_bytes()))
    assert error_for(cert, key, None).startswith(f"tls.key: {key}: {says}")


def test_an_unreadable_file_is_named_in_the_error(files: tuple[str, str], tmp_path: Path) -> None:
    cert, key = files
    gone = str(tmp_path / "gone")
    says = f"{gone}: no such file or directory"
    assert error_for(gone, key, None) == f"tls.cert: {says}"
    assert error_for(cert, gone, None) == f"tls.key: {says}"
    assert error_for(cert, key, gone) == f"tls.ca: {says}"
    assert error_for(str(tmp_path), key, None) == f"tls.cert: {tmp_path}: is a directory"


def test_a_file_without_a_certificate_is_named_in_the_error(files: tuple[str, str]) -> None:
    cert, key = files
    says = "expected a certificate and its key in PEM form"
    assert error_for(cert, key, key) == f"tls.ca: {key}: no certificates in PEM form"
    assert error_for(key, None, None) == f"tls.cert: {key}: {says}"
