"""The contexts of an agent: which files make them, and which faults are named."""

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
from nodnod_agent.auth.tls import Contexts, read_contexts
from nodnod_agent.config.validators import ConfigError


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authority(directory: Path) -> Authority:
    return Authority(directory)


@pytest.fixture(scope="module")
def files(authority: Authority) -> tuple[str, str]:
    return authority.issue("agent")


def read(
    cert: str | None, key: str | None = None, ca: str | None = None, *, client: bool = False
) -> Contexts:
    found = read_contexts(cert, key, ca, require_client_cert=client)
    assert found is not None
    return found


def complaint(*arguments: str | None, client: bool = False) -> str:
    with pytest.raises(ConfigError) as caught:
        read_contexts(*arguments, require_client_cert=client)  # type: ignore[arg-type]
    return str(caught.value)


def test_without_a_certificate_there_is_no_tls() -> None:
    assert read_contexts(None, None, None, require_client_cert=False) is None


def test_both_sides_speak_nothing_older_than_1_2(
    files: tuple[str, str], authority: Authority
) -> None:
    found = read(*files, authority.ca)
    for context in (found.server, found.client):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_who_is_dialled_is_verified_by_name(files: tuple[str, str], authority: Authority) -> None:
    client = read(*files, authority.ca).client
    assert client.verify_mode == ssl.CERT_REQUIRED
    assert client.check_hostname
    assert len(client.get_ca_certs()) == 1


def test_who_dials_shows_a_certificate_only_where_that_is_required(
    files: tuple[str, str], authority: Authority
) -> None:
    assert read(*files, authority.ca).server.verify_mode == ssl.CERT_NONE
    server = read(*files, authority.ca, client=True).server
    assert server.verify_mode == ssl.CERT_REQUIRED
    assert len(server.get_ca_certs()) == 1


def test_a_certificate_and_its_key_may_be_one_file(files: tuple[str, str], directory: Path) -> None:
    both = directory / "both.pem"
    both.write_bytes(b"".join(Path(file).read_bytes() for file in files))
    read(str(both))


@pytest.mark.parametrize(
    ("arguments", "client", "setting"),
    [
        ((None, "x", None), False, "tls.key"),
        ((None, None, "x"), False, "tls.ca"),
        ((None, None, None), True, "tls.requireClientCert"),
    ],
)
def test_what_does_nothing_without_a_certificate_is_refused(
    arguments: tuple[str | None, ...], client: bool, setting: str
) -> None:
    assert complaint(*arguments, client=client) == f"{setting}: does nothing without tls.cert"


def test_to_require_certificates_of_the_systems_authorities_is_refused(
    files: tuple[str, str],
) -> None:
    says = "tls.requireClientCert: needs tls.ca, to know whose certificates"
    assert complaint(*files, None, client=True) == says


def encrypted(key: Path, _: str) -> None:
    secret = load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    )


def garbage(key: Path, _: str) -> None:
    key.write_text("garbage")


def another(key: Path, other: str) -> None:
    key.write_bytes(Path(other).read_bytes())


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (encrypted, "the key is encrypted"),
        (garbage, "expected a certificate and its key in PEM form"),
        (another, "is not the key of the certificate"),
    ],
)
def test_a_key_that_does_not_do_is_named(
    authority: Authority, spoil: Callable[[Path, str], None], says: str
) -> None:
    cert, key = authority.issue("spoilt")
    _, other = authority.issue("other")
    spoil(Path(key), other)
    assert complaint(cert, key, None).startswith(f"tls.key: {key}: {says}")


def test_a_file_that_cannot_be_read_is_named(files: tuple[str, str], directory: Path) -> None:
    cert, key = files
    gone = str(directory / "gone")
    says = f"{gone}: no such file or directory"
    assert complaint(gone, key, None) == f"tls.cert: {says}"
    assert complaint(cert, gone, None) == f"tls.key: {says}"
    assert complaint(cert, key, gone) == f"tls.ca: {says}"
    assert complaint(str(directory), key, None) == f"tls.cert: {directory}: is a directory"


def test_an_authority_that_is_none_is_named(files: tuple[str, str]) -> None:
    cert, key = files
    assert complaint(cert, key, key) == f"tls.ca: {key}: no certificates in PEM form"


def test_a_certificate_that_is_none_is_named(files: tuple[str, str]) -> None:
    says = "expected a certificate and its key in PEM form"
    assert complaint(files[1], None, None) == f"tls.cert: {files[1]}: {says}"
