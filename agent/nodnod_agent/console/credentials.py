"""What lets the command in: a token; and over TLS, whom it trusts and what it shows of itself."""

import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from functools import partial
from ssl import SSLContext, SSLError

from nodnod_client.client import Client, checked_token
from nodnod_client.errors import ConnectError, NodNodError
from nodnod_client.tls import client_context, load_certificate

UNAUTHORIZED = 401


class CredentialsError(NodNodError):
    """Flags, each of which is right, do not go together."""


class Caller(Client):
    """A client that says, where it has the wrong token or none, what to do on our command line."""

    async def connect(self) -> None:
        """See Client."""
        try:
            await super().connect()
        except ConnectError as error:
            if error.status != UNAUTHORIZED:
                raise
            which = "another" if self._token else "one"
            hint = f"where the secret is, `nodnod token` makes {which} for --token or NODNOD_TOKEN"
            raise ConnectError(f"{error}; {hint}", error.status) from None


def add_credentials(parser: ArgumentParser) -> None:
    """Declare the flags, whose defaults the environment can set."""
    parser.add_argument(
        "--token",
        type=_token,
        default=os.environ.get("NODNOD_TOKEN", ""),
        help="what lets you in where the cluster has a secret, as `nodnod token` makes it; better "
        "in NODNOD_TOKEN, where no list of processes shows it",
    )
    parser.add_argument(
        "--ca",
        metavar="FILE",
        type=_authority,
        default=os.environ.get("NODNOD_CA") or None,
        help="ask over TLS, and trust the authority in this file (PEM); NODNOD_CA if set",
    )
    parser.add_argument(
        "--cert",
        metavar="FILE",
        type=_readable,
        default=os.environ.get("NODNOD_CERT") or None,
        help="ask over TLS, and show the certificate in this file (PEM), where agents admit only "
        "who has one (tls.requireClientCert); NODNOD_CERT if set",
    )
    parser.add_argument(
        "--key",
        metavar="FILE",
        type=_readable,
        default=os.environ.get("NODNOD_KEY") or None,
        help="the key of that certificate (PEM), where it is not in the same file; NODNOD_KEY if "
        "set",
    )


def dials(args: Namespace) -> "partial[Caller]":
    """What makes clients that may in as these flags say. Raises CredentialsError."""
    return partial(Caller, token=args.token, ca=_trust(args.ca, args.cert, args.key))


def _trust(ca: str | None, cert: str | None, key: str | None) -> str | SSLContext | None:
    if cert is None:
        if key is not None:
            raise CredentialsError("--key: does nothing without --cert")
        return ca
    place = f"--cert {cert[:80]!r}" if key is None else f"--key {key[:80]!r}"
    try:
        context = client_context(ca)
        load_certificate(context, cert, key)
    except (OSError, ValueError) as error:
        raise CredentialsError(f"{place}: {_words(error)}") from None
    return context


def _token(text: str) -> str:
    try:
        return checked_token(text.strip())
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _authority(path: str) -> str:
    try:
        client_context(path)
    except SSLError:
        raise ArgumentTypeError(f"{path[:80]!r}: no certificates in PEM form") from None
    except (OSError, ValueError) as error:
        raise ArgumentTypeError(f"{path[:80]!r}: {_words(error)}") from None
    return path


def _readable(path: str) -> str:
    """OpenSSL does not say which of its files cannot be read."""
    try:
        with open(path, "rb") as file:
            file.read(1)
    except (OSError, ValueError) as error:
        raise ArgumentTypeError(f"{path[:80]!r}: {_words(error)}") from None
    return path


def _words(error: Exception) -> str:
    strerror = getattr(error, "strerror", None)
    return strerror.lower() if strerror else str(error)
