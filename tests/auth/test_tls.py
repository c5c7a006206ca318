"""The TLS contexts of an agent: the files that make them, and the errors that name a file."""

import ssl
import subprocess
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
from nodnod_agent.auth.certificate import read_certificates
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
    both.touch(0o600)
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
        (lambda key, other: b"garbage", "no private key in PEM form"),
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
    assert error_for(cert, key, key) == f"tls.ca: {key}: no certificates in PEM form"
    for others in ((None, None), (key, None), (cert, None)):
        assert error_for(key, *others) == f"tls.cert: {key}: no certificate in PEM form"


def test_a_missing_key_is_named_in_the_error(files: tuple[str, str]) -> None:
    cert, _ = files
    says = "no private key in PEM form, and no file of its own is given for it"
    assert error_for(cert, None, None) == f"tls.cert: {cert}: {says}"


@pytest.mark.parametrize(
    ("mode", "problem"), [(0o644, "others may read it"), (0o660, "its group may write it")]
)
def test_a_key_that_others_can_read_or_write_is_refused(
    authority: Authority, tmp_path: Path, mode: int, problem: str
) -> None:
    cert, key = authority.issue("open")
    both = tmp_path / "both.pem"
    both.write_bytes(Path(cert).read_bytes() + Path(key).read_bytes())
    for file in (key, str(both)):
        Path(file).chmod(mode)
    says = f"{problem}: mode {mode:04o}, chmod it to 0640"
    assert error_for(cert, key, None) == f"tls.key: {key}: {says}"
    assert error_for(str(both), None, None) == f"tls.cert: {both}: {says}"


def test_the_authority_that_expires_is_that_of_the_certificate(
    authority: Authority, stranger: Authority, tmp_path: Path
) -> None:
    cert, key = authority.issue("agent")
    end = read_certificates(authority.ca)[0].not_after
    several = tmp_path / "several.pem"
    several.write_bytes(Path(stranger.ca).read_bytes() + Path(authority.ca).read_bytes())

    for ca, expected in ((several, end), (stranger.ca, None), (None, None)):
        found = read_contexts(cert, key, ca and str(ca), require_client_cert=False)
        assert found is not None
        assert found.authority_expires == expected


def openssl_authority(directory: Path, *more: str) -> tuple[str, str, str]:
    """The files of a certificate, its key and its authority, as made by the plainest commands."""
    for command in (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=ca"
        f" -keyout ca.key -out ca.pem {' '.join(more)}",
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=node"
        " -keyout node.key -out node.csr",
        "x509 -req -in node.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 9 -out node.pem"
        " -extfile names",
    ):
        (directory / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        subprocess.run(
            ["openssl", *command.split()], cwd=directory, check=True, capture_output=True
        )
    return str(directory / "node.pem"), str(directory / "node.key"), str(directory / "ca.pem")


def test_a_certificate_that_only_newer_pythons_refuse_is_told_with_what_to_do(
    authority: Authority, tmp_path: Path
) -> None:
    refused = read_contexts(*openssl_authority(tmp_path), require_client_cert=False)
    taken = read_contexts(*authority.issue("agent"), authority.ca, require_client_cert=False)

    assert refused is not None
    assert taken is not None
    assert refused.refused_by_newer == (
        "its certificate is not accepted: CA cert does not include key usage extension: "
        "make a new CA with `nodnod tls init`, or add keyUsage keyCertSign to yours"
    )
    assert taken.refused_by_newer == ""
