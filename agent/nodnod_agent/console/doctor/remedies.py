"""Why a link or a connection fails: which check that belongs to, and what to do about it."""

import re

from nodnod_agent.console.doctor.findings import Finding, fault
from nodnod_client.tls import NOT_ACCEPTED

_ALIKE = "copy the file of auth.secrets from one server to all (or make one: `nodnod secret`), then SIGHUP"
_BETWEEN = "or, between agents, set `tls` on all of them or on none, then SIGHUP"
_CLOCK = "set the clocks of both: timedatectl set-ntp true"

# The first row that matches the text counts: a pattern, the check, and what to do.
_REMEDIES = (
    (
        "no authority that is trusted|self-signed",
        "certificates",
        "make one with the cluster's own authority, `nodnod tls node`, copy it there, then SIGHUP",
    ),
    (NOT_ACCEPTED, "certificates", "make one as it says, copy it there, then SIGHUP"),
    ("not speak TLS", "certificates", f"leave out --ca, --cert and wss://; {_BETWEEN}"),
    ("speaks TLS|did not use TLS", "certificates", f"pass --ca; {_BETWEEN}"),
    ("set auth.secrets", "secrets", _ALIKE),
    ("not a token of this cluster|does not prove that it knows", "secrets", _ALIKE),
    ("one token is needed", "secrets", "pass --token, made by `nodnod token` on a server"),
    ("is not valid yet|token has expired", "clocks", _CLOCK),
    (
        "token is for another agent",
        "reachable",
        "set `advertise` there to the address that is dialed",
    ),
    ("HTTP 421", "reachable", "add the name to allowedHosts there"),
    ("HTTP 40[0-9]", "reachable", "see the log of that agent"),
    ("requires? a certificate", "certificates", "pass --cert and --key, or set tls.cert"),
    ("certificate|TLS", "certificates", "see the log of that agent"),
    ("is version 1", "versions", "upgrade it, or ask a newer agent of its cluster"),
    (
        "connected to itself|connection refused",
        "reachable",
        "start the agent there; or mend its `listen`",
    ),
    (
        "closed during the handshake|no room",
        "reachable",
        "raise LimitNOFILE= or limits.connections",
    ),
    (
        "not a NodNod agent|no WebSocket",
        "reachable",
        "another program is there: mend --server; or, between agents, `join` or `nodes`",
    ),
    (
        "not known|resolution|name does not|no address",
        "reachable",
        "mend the name, or the name server",
    ),
    (
        "has no backplane",
        "reachable",
        "set backplane there, or ask an agent that has it",
    ),
    (
        "no backplane since",
        "reachable",
        "look at the NATS servers, and at the agent's log",
    ),
    (
        "no sign of life",
        "reachable",
        "look at that machine: it is frozen or off, or the network is cut",
    ),
    (
        "no handshake|no answer",
        "reachable",
        "look at its agent, which may hang; else open its TCP port in the firewalls, both ways",
    ),
    (
        "unreachable|no route|timed out",
        "reachable",
        "open its TCP port in the firewalls, both ways; is the machine on?",
    ),
)


def because_of(error: str, what: str, *nodes: str) -> Finding:
    """A fault: ``what`` does not work with ``nodes``, because of an error."""
    error = re.sub(r"^cannot connect to \S+: ", "", error)
    for pattern, check, todo in _REMEDIES:
        if re.search(pattern, error):
            return fault(check, f"{what}: {error}", todo, *nodes)
    return fault("reachable", f"{what}: {error}", "see the logs of both", *nodes)
