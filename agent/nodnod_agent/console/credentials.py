"""The flags for credentials: a token and, over TLS, a CA and a client certificate."""

import difflib
import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from ssl import SSLContext, SSLError

from websockets.uri import parse_uri

from nodnod_client.client import Client, checked_token, server_url
from nodnod_client.errors import AddressError, ConnectError, NodNodError
from nodnod_client.tls import NOT_ACCEPTED, CertificateFileError, client_context, load_certificate

UNAUTHORIZED = 401

WANTS_TLS = "this port speaks TLS"
"""What an agent with TLS answers to others."""

WITHOUT_TLS = "does not speak TLS"
"""What is wrong where one without TLS was asked over it."""

MAX_NAMES = 8
"""Names of a certificate that an error has."""


class CredentialsError(NodNodError):
    """Flags that are valid one by one, but not together; or a variable with a wrong value."""


class Variable(str):
    """The value of an environment variable that stands for a flag, and the name of the variable."""

    name: str

    @classmethod
    def read(cls, name: str) -> "Variable | None":
        """Read the variable; an empty one counts as not set."""
        found = cls(os.environ.get(name, ""))
        found.name = name
        return found or None


VARIABLES = [f"NODNOD_{name}" for name in ("SERVER", "TOKEN", "CA", "CERT", "KEY")]


def misspelt_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each variable whose name is nearly one of ours, as NODNOD_SEVER."""
    names = [name.removeprefix("NODNOD_") for name in VARIABLES]
    for variable in sorted(environment):
        name = variable.removeprefix("NODNOD_")
        if name == variable or name in names:
            continue
        for close in difflib.get_close_matches(name[:64], names, n=1, cutoff=0.8):
            yield f"{variable}: unknown variable (did you mean NODNOD_{close}?)"


def place(flag: str, value: str | None) -> str:
    """Where a value comes from: the flag, or a variable that stands for it."""
    return value.name if isinstance(value, Variable) else flag


def checked(read: Callable[[str], str]) -> Callable[[str], str]:
    """Make an argparse type whose error names the variable, if the text comes from one."""

    def read_from_either(text: str) -> str:
        try:
            read(text)
        except ArgumentTypeError as error:
            if isinstance(text, Variable):
                raise CredentialsError(f"{text.name}: {error}") from None
            raise
        return text

    return read_from_either


class CommandClient(Client):
    """A client whose errors say what to do about a missing token, and what a certificate says."""

    async def connect(self) -> None:
        """Connect. Raises what ``Client.connect`` raises."""
        try:
            await super().connect()
        except ConnectError as error:
            if NOT_ACCEPTED in str(error):
                raise ConnectError(f"{error}{await self._shown()}") from None
            if WANTS_TLS in str(error):
                hint = "pass the CA of the cluster as --ca or NODNOD_CA"
                raise ConnectError(f"{error}; {hint}", error.status) from None
            if WITHOUT_TLS in str(error):
                hint = "ask an agent without TLS as host:port, without --ca, --cert and their variables"
                raise ConnectError(f"{error}; {hint}", error.status) from None
            if error.status != UNAUTHORIZED:
                raise
            which = "a new token" if self._token else "a token"
            hint = (
                f"make {which} with `nodnod token` on a machine that has the secret, "
                "and pass it as --token or NODNOD_TOKEN"
            )
            raise ConnectError(f"{error}; {hint}", error.status) from None

    async def _shown(self) -> str:
        """What the certificate that was not accepted says."""
        # Only here: every command would start slower.
        from nodnod_agent.console.shown_certificate import shown_certificate

        uri = parse_uri(self.url)
        shown = await shown_certificate(uri.host, uri.port, self.timeout)
        if shown is None:
            return ""
        first, last = (
            f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"
            for at in (shown.not_before, shown.not_after)
        )
        names = ", ".join(shown.hosts[:MAX_NAMES]) or "no address"
        return f" (it is valid from {first} to {last}, and names {names})"


def add_credentials(parser: ArgumentParser) -> None:
    """Declare the flags; environment variables set the defaults."""
    parser.add_argument(
        "--token",
        type=checked(_token),
        default=Variable.read("NODNOD_TOKEN") or "",
        help="token for a cluster with a secret, made by `nodnod token` (default: NODNOD_TOKEN, "
        "which is safer: it does not appear in process lists)",
    )
    readable = _file(_read)  # OpenSSL does not say which of its files it cannot read
    for name, kind, text in (
        ("ca", _file(client_context), "connect over TLS and trust the CA in this PEM file"),
        (
            "cert",
            readable,
            "connect over TLS and present the client certificate in this PEM file, for agents "
            "with tls.requireClientCert",
        ),
        ("key", readable, "private key of that certificate (PEM), if in a separate file"),
    ):
        variable = f"NODNOD_{name.upper()}"
        parser.add_argument(
            f"--{name}",
            metavar="FILE",
            type=checked(kind),
            default=Variable.read(variable),
            help=f"{text} (default: {variable})",
        )


def client_factory(args: Namespace) -> "partial[CommandClient]":
    """Return a maker of clients with the credentials of these flags. Raises CredentialsError."""
    trust = _trust(args.ca, args.cert, args.key)
    try:
        server_url(args.server, secure=trust is not None)
    except AddressError:
        option = place("--cert", args.cert) if args.ca is None else place("--ca", args.ca)
        raise CredentialsError(
            f"{place('--server', args.server)}: expected host:port or a wss:// URL, "
            f"because {option} is given, got {args.server[:80]!r}"
        ) from None
    return partial(CommandClient, token=args.token.strip(), ca=trust)


def reason(error: Exception) -> str:
    """Return the message of an error; that of an OSError without its number and file name."""
    strerror = getattr(error, "strerror", None)
    return strerror.lower() if strerror else str(error)


def _trust(ca: str | None, cert: str | None, key: str | None) -> str | SSLContext | None:
    if cert is None:
        if key is not None:
            needed = "NODNOD_CERT" if isinstance(key, Variable) else "--cert"
            raise CredentialsError(f"{place('--key', key)}: needs {needed}, the certificate of it")
        return ca
    try:
        context = client_context(ca)
        load_certificate(context, cert, key)
    except CertificateFileError as error:
        path = key if error.file == "key" and key is not None else cert
        raise CredentialsError(f"{place(f'--{error.file}', path)} {path[:80]!r}: {error}") from None
    except OSError as error:
        raise CredentialsError(f"{place('--cert', cert)} {cert[:80]!r}: {reason(error)}") from None
    return context


def _token(text: str) -> str:
    try:
        return checked_token(text.strip())
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _file(check: Callable[[str], object]) -> Callable[[str], str]:
    """Make an argparse type: the path of a file that ``check`` accepts."""

    def read(path: str) -> str:
        if not path:  # of a variable that is not set; OpenSSL would trust the system's authorities
            raise ArgumentTypeError("expected the path of a file, got ''")
        try:
            check(path)
        except SSLError:
            raise ArgumentTypeError(f"{path[:80]!r}: no certificates in PEM form") from None
        except (OSError, ValueError) as error:
            raise ArgumentTypeError(f"{path[:80]!r}: {reason(error)}") from None
        return path

    return read


def _read(path: str) -> None:
    with open(path, "rb") as file:
        file.read(1)
