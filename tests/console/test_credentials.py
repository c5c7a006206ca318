"""``nodnod secret``, ``nodnod token`` and the flags for credentials."""

import asyncio
import json
import stat
import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from doubles.canned import canned
from doubles.certificates import Authority
from nodnod_agent.auth.secrets import MIN_BYTES, read_secrets
from nodnod_agent.console.main import main

SECRET = "a secret of this cluster, and no other"
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the environment and the configuration of the user out of the tests."""
    monkeypatch.chdir(tmp_path)
    for name in ("TOKEN", "CA", "CERT", "KEY", "CONFIG", "AUTH_SECRETS", "SERVER"):
        monkeypatch.delenv(f"NODNOD_{name}", raising=False)
    monkeypatch.setenv("SECRET", SECRET)


def run(capsys: Capture, *argv: str) -> tuple[int, str, str]:
    status = main(argv)
    return status, *capsys.readouterr()


# Secrets


def test_secrets_are_unique_and_long_enough_for_an_agent(capsys: Capture) -> None:
    made = {run(capsys, "secret") for _ in range(10)}
    assert len(made) == 10
    for status, out, err in made:
        assert (status, err) == (0, "")
        assert read_secrets(["env:S"], {"S": out})
        assert len(out.strip()) >= MIN_BYTES


def test_a_secret_file_is_private_and_never_overwritten(capsys: Capture) -> None:
    assert run(capsys, "secret", "--file", "s") == (0, "", "")
    assert stat.S_IMODE(Path("s").stat().st_mode) == 0o600
    before = Path("s").read_text()
    assert read_secrets(["file:s"], {})
    assert run(capsys, "secret", "--file", "s") == (2, "", "nodnod: s: file exists\n")
    assert Path("s").read_text() == before


# Tokens


@pytest.mark.parametrize(
    ("ttl", "seconds"),
    [("45s", 45), ("90m", 5400), ("12h", 43200), ("30d", 30 * 86400), ("2w", 1209600)],
)
def test_a_token_has_the_role_name_and_lifetime_given(
    capsys: Capture, ttl: str, seconds: int
) -> None:
    argv = ["token", "--role", "read", "--ttl", ttl, "--for", "grafana", "--secret", "env:SECRET"]
    status, out, err = run(capsys, *argv)
    claims = jwt.decode(out.strip(), SECRET, ["HS256"])
    assert status == 0
    assert (claims["role"], claims["sub"]) == ("read", "grafana")
    assert claims["exp"] - claims["iat"] == seconds
    assert abs(claims["iat"] - time.time()) < 60
    assert err.startswith("nodnod: valid until 20")


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["--for", "x", "--ttl", "30"], "such as 90m, 12h or 30d, got '30'"),
        (["--for", "x", "--ttl", "0d"], "such as 90m, 12h or 30d, got '0d'"),
        (["--for", "x", "--ttl", "-1d"], "--ttl"),
        (["--for", "x", "--ttl", "999999w"], "such as 90m, 12h or 30d, got '999999w'"),
        (["--for", ""], "expected 1 to 128 printable characters"),
        (["--for", "a\nb"], "expected 1 to 128 printable characters"),
        (["--for", "x", "--role", "peer"], "'peer'"),
        ([], "--for"),
        (["--for", "x", "--secret", "env:A", "--config", "c"], "--config"),
        (["--for", "x"], "no secret found: pass --secret env:NAME or --secret file:PATH"),
        (["--for", "x", "--secret", SECRET], "--secret: expected env:NAME or file:PATH"),
        (["--for", "x", "--secret", "env:GONE"], "--secret: the environment variable GONE is not"),
        (["--for", "x", "--secret", "file:gone"], "--secret: gone: no such file or directory"),
        (["--for", "x", "--config", "gone"], "gone: no such file"),
        (["--for", "x", "--config", "."], ".: is a directory"),
    ],
)
def test_a_token_that_cannot_be_made_is_one_line_and_status_2(
    capsys: Capture, argv: list[str], error: str
) -> None:
    status, out, err = run(capsys, "token", *argv)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert error in err
    assert SECRET not in err


def test_the_secret_is_searched_where_an_agent_searches(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abcd":
        monkeypatch.setenv(f"SECRET_{name}", f"{name} secret, which has to be rather long")
        content = {"auth": {"secrets": [f"env:SECRET_{name}", "env:GONE"]}}
        Path(f"{name}.json").write_text(json.dumps(content))
    Path("conf").mkdir()
    Path("a.json").rename("conf/conf.json")

    def assert_signed_with(secret: str, *argv: str) -> None:
        token = run(capsys, "token", "--for", "x", *argv)[1].strip()
        assert jwt.decode(token, secret, ["HS256"])  # raises for another secret

    assert_signed_with("a secret, which has to be rather long")
    monkeypatch.setenv("NODNOD_CONFIG", "b.json")
    assert_signed_with("b secret, which has to be rather long")
    monkeypatch.setenv("NODNOD_AUTH_SECRETS", "env:SECRET_c")
    assert_signed_with("c secret, which has to be rather long")
    assert_signed_with("d secret, which has to be rather long", "--config", "d.json")
    assert_signed_with(SECRET, "--secret", "env:SECRET")


# Credentials


@pytest.mark.parametrize("token", ["a b", "é", "a\nb"])
def test_an_invalid_token_is_refused_and_not_shown(capsys: Capture, token: str) -> None:
    status, _, err = run(capsys, "stat", "--token", token)
    assert status == 2
    assert "--token: a token consists of letters" in err
    assert token not in err


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        ("--ca gone", "--ca: 'gone': no such file or directory"),
        ("--ca empty", "--ca: 'empty': no certificates in PEM form"),
        ("--ca=", "--ca: expected the path of a file, got ''"),
        (
            "--ca ca.pem --server ws://127.0.0.1:1",
            "nodnod: --server: expected host:port or a wss:// URL, because --ca is given, "
            "got 'ws://127.0.0.1:1'",
        ),
        ("--cert me.pem --key me.key --server http://kyle/", "because --cert is given, got 'http:"),
        ("--cert gone", "--cert: 'gone': no such file or directory"),
        ("--key gone", "--key: 'gone': no such file or directory"),
        ("--key me.key", "--key: needs --cert, the certificate of it"),
        ("--cert me.pem", "--cert 'me.pem': no private key in PEM form, and no file of its own"),
        ("--cert me.pem --key ca.pem", "--key 'ca.pem': no private key in PEM form"),
        ("--cert me.key --key me.key", "--cert 'me.key': no certificate in PEM form"),
        ("--cert me.pem --key other.key", "--key 'other.key': is not the key of the certificate"),
        ("--cert me.pem --key locked.key", "--key 'locked.key': the key is encrypted"),
    ],
)
def test_unusable_files_are_an_error_of_one_line_and_status_2(
    capsys: Capture, tmp_path: Path, flags: str, error: str
) -> None:
    authority = Authority(tmp_path)
    for name in ("me", "other"):
        authority.issue(name)
    lock("me.key", "locked.key")
    Path("empty").touch()
    status, out, err = run(capsys, "stat", *flags.split())
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert error in err


def lock(key: str, to: str) -> None:
    """Write an encrypted copy of the key."""
    found = load_pem_private_key(Path(key).read_bytes(), None)
    form = (Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    Path(to).write_bytes(found.private_bytes(*form))


def test_a_key_without_a_certificate_makes_a_check_unknown(capsys: Capture) -> None:
    Path("me.key").touch()
    error = "NODNOD UNKNOWN: --key: needs --cert, the certificate of it\n"
    assert run(capsys, "check", "--key", "me.key") == (3, error, "")


async def test_an_agent_without_tls_is_told_from_one_that_is_down(
    capsys: Capture, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    async with canned(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        argv = ("stat", "--server", server, "--ca", authority.ca)
        status, _, err = await asyncio.to_thread(run, capsys, *argv)
    assert status == 3
    assert "it does not speak TLS; ask an agent without TLS as host:port, without --ca" in err


@pytest.mark.parametrize(
    ("flags", "environment"),
    [
        ("--cert me.pem --key me.key", {}),
        ("", {"CERT": "me.pem", "KEY": "me.key"}),
        ("", {"CA": "ca.pem", "TOKEN": "x.y.z\n"}),
    ],
)
def test_credentials_from_flags_or_the_environment_mean_tls(
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    flags: str,
    environment: dict[str, str],
) -> None:
    Authority(tmp_path).issue("me")
    for name, value in environment.items():
        monkeypatch.setenv(f"NODNOD_{name}", value)
    status, _, err = run(capsys, "stat", "--server", "127.0.0.1:1", *flags.split())
    error = "nodnod: cannot connect to wss://127.0.0.1:1/: connection refused\n"
    assert (status, err) == (3, error)
