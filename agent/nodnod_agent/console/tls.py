"""``nodnod tls``: makes the certificates of a cluster, those of its authority and of its nodes."""

import os
import re
import secrets
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from nodnod_agent.console.command import Command, Status, number
from nodnod_agent.console.credentials import reason
from nodnod_agent.console.output import print_error
from nodnod_agent.net.ip import ip_literal
from nodnod_client.address import parse_address
from nodnod_client.errors import AddressError

DIRECTORY = "tls"
AUTHORITY_DAYS = 3650
NODE_DAYS = 730
"""Some browsers take no certificate that is valid for more than 825 days."""

MAX_DAYS = 36_500

LOCAL = ("localhost", "127.0.0.1", "::1")
"""Every certificate names these, because commands on the machine itself ask there."""

_NAME = re.compile(r"\w[\w.-]{0,62}\w|\w")
"""The name of a node is that of its files, and a common name has at most 64 characters."""


def _add_flags(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="init|node", required=True)
    init = _action(actions.add_parser, "init", "make the authority (CA) of a cluster, once", _init)
    _add_days(init, AUTHORITY_DAYS)
    text = "make the certificate of a node, where the files of the authority are"
    node = _action(actions.add_parser, "node", text, _node)
    node.add_argument("name", metavar="NAME", type=_name, help="name of the node, or of a client")
    node.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        type=_host,
        help="IP addresses and DNS names under which others reach it, besides NAME",
    )
    _add_days(node, NODE_DAYS)


def _action(
    add: Callable[..., ArgumentParser], name: str, text: str, run: Callable[[Namespace], int]
) -> ArgumentParser:
    parser = add(name, help=text, description=text, allow_abbrev=False)
    parser.add_argument(
        "--dir",
        metavar="DIR",
        type=Path,
        default=Path(DIRECTORY),
        help=f"directory of the files (default: {DIRECTORY})",
    )
    parser.add_argument("--force", action="store_true", help="overwrite files that are there")
    parser.set_defaults(action=run)
    return parser


def _add_days(parser: ArgumentParser, default: int) -> None:
    parser.add_argument(
        "--days",
        type=number(int, 1, MAX_DAYS),
        default=default,
        help=f"days for which it is valid (default: {default})",
    )


def _run(args: Namespace) -> int:
    try:
        import cryptography  # noqa: F401 - an optional dependency, and only of this command
    except ModuleNotFoundError:
        print_error(
            "tls needs cryptography: pip install 'nodnod-agent[tls]', or cryptography alone"
        )
        return Status.USAGE
    try:
        status: int = args.action(args)
    except OSError as error:
        print_error(f"{error.filename}: {reason(error)}")
        return Status.USAGE
    except ValueError as error:
        print_error(f"{args.dir}/{error}")
        return Status.USAGE
    return status


def _init(args: Namespace) -> int:
    from nodnod_agent.console.authority import Authority, now

    # A name of its own: OpenSSL finds the issuer by name, also while one authority replaces another.
    name = f"NodNod CA {now():%Y-%m-%d} {secrets.token_hex(3)}"
    issued = Authority.create(name, args.days, now())
    args.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    cert, key = args.dir / "ca.pem", args.dir / "ca.key"
    if not _write({key: (issued.key, 0o600), cert: (issued.cert, 0o644)}, force=args.force):
        return Status.USAGE
    _print(
        f"The authority {name}, valid until {issued.expires:%Y-%m-%d}:",
        f"  {cert}  its certificate: for every server, and every machine that asks them",
        f"  {key}  its key: for no server. Who has it can make certificates that all agents trust.",
        "Now make a certificate for each server:",
        f"  nodnod tls node NAME ADDRESS...{_directory(args.dir)}",
        "ADDRESS: the IP addresses and DNS names under which others reach it.",
    )
    return Status.OK


def _node(args: Namespace) -> int:
    from nodnod_agent.console.authority import Authority, now

    try:
        ca, ca_key = ((args.dir / name).read_bytes() for name in ("ca.pem", "ca.key"))
    except FileNotFoundError as error:
        print_error(
            f"{error.filename}: no such file: `nodnod tls init{_directory(args.dir)}` makes it"
        )
        return Status.USAGE
    hosts = list(dict.fromkeys([*_dns_name(args.name), *args.addresses, *LOCAL]))
    issued = Authority.load(ca, ca_key).issue(args.name, hosts, args.days, now())
    cert, key = args.dir / f"{args.name}.pem", args.dir / f"{args.name}.key"
    if not _write({key: (issued.key, 0o600), cert: (issued.cert, 0o644)}, force=args.force):
        return Status.USAGE
    authority = args.dir / "ca.pem"
    _print(
        f"The certificate of {args.name}, valid until {issued.expires:%Y-%m-%d}, "
        f"for {', '.join(hosts)}:",
        f"  {cert}  the certificate",
        f"  {key}  its key: for this server only",
        "Copy both and ca.pem to that server, and there, as root:",
        f"  install -m 0644 {cert.name} /etc/nodnod/node.pem",
        f"  install -m 0640 -o root -g nodnod {key.name} /etc/nodnod/node.key",
        f"  install -m 0644 {authority.name} /etc/nodnod/ca.pem",
        "In the configuration of its agent (either all agents of a cluster use TLS, or none):",
        '  "tls": {"cert": "/etc/nodnod/node.pem", "key": "/etc/nodnod/node.key", '
        '"ca": "/etc/nodnod/ca.pem"}',
        "To ask it:",
        f"  nodnod stat --server {(args.addresses or hosts)[0]} --ca {authority}",
    )
    if not any(ip_literal(host) for host in args.addresses):
        print_error(
            "it names no IP address but those of loopback: agents dial each other at the address that "
            "each advertises, which is an IP address unless `advertise` says otherwise"
        )
    return Status.OK


def _write(files: Mapping[Path, tuple[bytes, int]], *, force: bool) -> bool:
    """Write files with these contents and modes; False, with an error, if one of them is there.

    Each has its mode from the first byte on, and is there whole or not at all. Raises OSError.
    """
    present = [path for path in files if os.path.lexists(path)]
    if present and not force:
        print_error(
            f"{present[0]}: file exists; --force overwrites it, which its cluster may notice"
        )
        return False
    for path, (content, mode) in files.items():
        new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if force:
                new.replace(path)
            else:
                os.link(new, path)  # fails where another run was faster
        finally:
            new.unlink(missing_ok=True)
    return True


def _print(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _directory(directory: Path) -> str:
    return "" if str(directory) == DIRECTORY else f" --dir {directory}"


def _name(text: str) -> str:
    if not _NAME.fullmatch(text) or text.lower() == "ca":
        raise ArgumentTypeError(
            f"expected 1 to 64 letters, digits, dots and dashes, and not ca, got {text[:80]!r}"
        )
    return text


def _host(text: str) -> str:
    """Read a host, also where it is written as the address of an agent."""
    try:
        return parse_address(text).host.partition("%")[0].rstrip(".")
    except AddressError as error:
        raise ArgumentTypeError(str(error)) from None


def _dns_name(name: str) -> Iterable[str]:
    """The name of a node, if others may find it under this name."""
    try:
        return (parse_address(name).host.rstrip("."),)
    except AddressError:
        return ()


COMMAND = Command("tls", "make the certificates of a cluster", _add_flags, _run)
