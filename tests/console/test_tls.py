"""``nodnod tls``: certificates that every Python takes, in files that nobody else reads."""

import json
import os
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from nodnod_agent.auth.certificate import read_certificates
from nodnod_agent.auth.tls import read_contexts
from nodnod_agent.console.main import main
from nodnod_client.tls import client_context, explain

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def run(capsys: Capture, *argv: str) -> tuple[int, str, str]:
    status = main(("tls", *argv))
    return status, *capsys.readouterr()


@pytest.fixture
def made(capsys: Capture) -> tuple[str, str, str]:
    """The files of a node, db-1 at 10.0.0.5, and of its authority."""
    assert run(capsys, "init")[0] == 0
    assert run(capsys, "node", "db-1", "10.0.0.5", "db-1.example", "fd00::5")[0] == 0
    return "tls/db-1.pem", "tls/db-1.key", "tls/ca.pem"


def strict(context: ssl.SSLContext) -> ssl.SSLContext:
    """As Python 3.13 and newer make it."""
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def shake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> str:
    """Connect in memory; what is wrong with a certificate, in words."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for end in ends * 3:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLError as error:
            return explain(error)
    assert all(end.version() for end in ends)
    return ""


HOSTS = ("db-1", "10.0.0.5", "db-1.example", "fd00::5", "localhost", "127.0.0.1", "::1")


@pytest.mark.parametrize("host", HOSTS)
def test_strict_clients_and_servers_take_the_certificate_under_each_name(
    made: tuple[str, str, str], host: str
) -> None:
    contexts = read_contexts(*made, require_client_cert=True)
    assert contexts is not None
    assert contexts.refused_by_newer == ""
    assert shake(strict(contexts.server), strict(contexts.client), host) == ""


def test_another_name_is_refused_with_the_command_that_mends_it(made: tuple[str, str, str]) -> None:
    contexts = read_contexts(*made, require_client_cert=False)
    assert contexts is not None
    for host in ("10.0.0.6", "db-2"):
        said = shake(contexts.server, contexts.client, host)
        assert said.endswith(f": make one that names it: `nodnod tls node NAME {host}`")


def test_a_certificate_of_another_authority_is_refused_with_what_to_trust(
    capsys: Capture, made: tuple[str, str, str]
) -> None:
    contexts = read_contexts(*made, require_client_cert=False)
    assert contexts is not None
    run(capsys, "init", "--dir", "other")
    said = shake(contexts.server, client_context("other/ca.pem"), "db-1")
    assert said.endswith(
        "no authority that is trusted here (tls.ca of an agent, --ca of a command) issued it"
    )


def test_the_authority_and_the_certificate_have_what_rfc_5280_requires(
    made: tuple[str, str, str],
) -> None:
    of_cert, of_ca = (
        x509.load_pem_x509_certificate(Path(path).read_bytes()).extensions
        for path in (made[0], made[2])
    )
    basic = of_ca.get_extension_for_class(x509.BasicConstraints)
    usage = of_ca.get_extension_for_class(x509.KeyUsage)
    assert (basic.critical, basic.value.ca) == (True, True)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.crl_sign) == (True, True, True)
    identifier = of_ca.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    issuer = of_cert.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert issuer == identifier
    assert list(of_cert.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
    ]
    assert read_certificates(made[0])[0].hosts == HOSTS


def test_keys_are_private_whatever_the_umask(capsys: Capture) -> None:
    before = os.umask(0)
    try:
        run(capsys, "init")
        run(capsys, "node", "db-1", "10.0.0.5")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in Path("tls").iterdir()}
    assert modes == {"ca.key": 0o600, "db-1.key": 0o600, "ca.pem": 0o644, "db-1.pem": 0o644}
    assert stat.S_IMODE(Path("tls").stat().st_mode) == 0o700


@pytest.mark.parametrize("argv", [["init"], ["node", "db-1", "10.0.0.5"]])
def test_files_are_overwritten_only_with_force(
    capsys: Capture, made: tuple[str, str, str], argv: list[str]
) -> None:
    before = {path: path.read_bytes() for path in Path("tls").iterdir()}
    status, out, err = run(capsys, *argv)
    assert (status, out) == (2, "")
    assert "file exists; --force overwrites it" in err
    assert {path: path.read_bytes() for path in Path("tls").iterdir()} == before

    assert run(capsys, *argv, "--force")[0] == 0
    assert {path: path.read_bytes() for path in Path("tls").iterdir()} != before


def test_a_key_that_is_there_alone_is_not_overwritten(capsys: Capture) -> None:
    Path("tls").mkdir()
    Path("tls/ca.key").write_text("precious")
    assert run(capsys, "init")[0] == 2
    assert [path.name for path in Path("tls").iterdir()] == ["ca.key"]
    assert Path("tls/ca.key").read_text() == "precious"


def test_the_output_has_the_settings(capsys: Capture) -> None:
    run(capsys, "init")
    _, out, err = run(capsys, "node", "db-1", "10.0.0.5")
    (line,) = (line for line in out.splitlines() if '"tls":' in line)
    names = {"cert": "node.pem", "key": "node.key", "ca": "ca.pem"}
    assert json.loads(f"{{{line}}}") == {
        "tls": {setting: f"/etc/nodnod/{name}" for setting, name in names.items()}
    }
    assert "db-1.key /etc/nodnod/node.key" in out
    assert err == ""


def test_a_certificate_without_an_ip_address_comes_with_a_hint(capsys: Capture) -> None:
    run(capsys, "init")
    status, _, err = run(capsys, "node", "db-1")
    assert status == 0
    assert "it names no IP address but those of loopback" in err


def test_an_address_with_a_port_or_a_zone_counts_by_its_host(capsys: Capture) -> None:
    run(capsys, "init")
    assert run(capsys, "node", "a_b", "10.0.0.5:7071", "[fe80::1%eth0]:7070")[0] == 0
    assert read_certificates("tls/a_b.pem")[0].hosts[:3] == ("a_b", "10.0.0.5", "fe80::1")


@pytest.mark.parametrize("name", ["../x", "ca", "CA", "", ".x", "a b", "x" * 65, "a/b", "-"])
def test_a_name_that_is_no_name_of_a_file_is_refused(capsys: Capture, name: str) -> None:
    run(capsys, "init")
    status, _, err = run(capsys, "node", "--", name)
    assert status == 2
    assert "expected 1 to 64 letters" in err
    assert {path.name for path in Path("tls").iterdir()} == {"ca.key", "ca.pem"}


def test_without_an_authority_the_hint_names_the_command(capsys: Capture) -> None:
    error = "nodnod: d/ca.pem: no such file: `nodnod tls init --dir d` makes it\n"
    assert run(capsys, "node", "db-1", "--dir", "d") == (2, "", error)


def test_a_certificate_does_not_outlive_its_authority(capsys: Capture) -> None:
    run(capsys, "init", "--days", "10")
    run(capsys, "node", "db-1")
    cert, ca = (read_certificates(f"tls/{name}.pem")[0] for name in ("db-1", "ca"))
    assert cert.not_after == ca.not_after
    assert (cert.issuer, ca.issuer) == (ca.subject, ca.subject)


def test_two_authorities_have_two_names(capsys: Capture) -> None:
    for name in ("a", "b"):
        run(capsys, "init", "--dir", name)
    assert read_certificates("a/ca.pem")[0].subject != read_certificates("b/ca.pem")[0].subject


@pytest.mark.parametrize("kind", ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-256"])
def test_an_authority_of_ones_own_can_issue(capsys: Capture, kind: str) -> None:
    openssl_authority(kind, "-addext", "keyUsage=critical,keyCertSign")
    assert run(capsys, "node", "db-1", "10.0.0.5")[0] == 0
    contexts = read_contexts("tls/db-1.pem", "tls/db-1.key", "tls/ca.pem", require_client_cert=True)
    assert contexts is not None
    assert shake(strict(contexts.server), strict(contexts.client), "10.0.0.5") == ""


def test_an_authority_that_newer_pythons_refuse_is_refused(capsys: Capture) -> None:
    openssl_authority("ec -pkeyopt ec_paramgen_curve:P-256")
    status, _, err = run(capsys, "node", "db-1", "10.0.0.5")
    assert status == 2
    assert err.startswith("nodnod: tls/ca.pem: has no keyUsage keyCertSign")


@pytest.mark.parametrize(
    ("file", "content", "error"),
    [
        ("ca.pem", b"junk", "tls/ca.pem: no certificate in PEM form"),
        ("ca.key", b"junk", "tls/ca.key: no private key in PEM form"),
        ("ca.key", None, "tls/ca.key: is not the key of ca.pem"),
    ],
)
def test_an_unusable_authority_is_one_line(
    capsys: Capture, made: tuple[str, str, str], file: str, content: bytes | None, error: str
) -> None:
    Path("tls", file).write_bytes(content or Path(made[1]).read_bytes())
    status, out, err = run(capsys, "node", "db-2", "10.0.0.6")
    assert (status, out) == (2, "")
    assert err.startswith(f"nodnod: {error}")
    assert len(err.splitlines()) == 1


def test_without_cryptography_the_hint_names_the_extra(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    error = (
        "nodnod: tls needs cryptography: pip install 'nodnod-agent[tls]', or cryptography alone\n"
    )
    assert run(capsys, "init") == (2, "", error)


def test_a_directory_that_cannot_be_made_is_one_line(capsys: Capture) -> None:
    Path("file").touch()
    assert run(capsys, "init", "--dir", "file/x") == (2, "", "nodnod: file/x: not a directory\n")


def openssl_authority(kind: str, *more: str) -> None:
    """An authority as openssl makes it, where `nodnod tls node` looks for it."""
    Path("tls").mkdir()
    command = f"openssl req -x509 -newkey {kind} -nodes -days 30 -subj /CN=mine"
    files = ["-keyout", "tls/ca.key", "-out", "tls/ca.pem"]
    subprocess.run([*command.split(), *files, *more], check=True, capture_output=True)
