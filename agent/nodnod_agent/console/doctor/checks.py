"""Judges what was found: a pure function."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from statistics import median
from typing import Any

from msgspec.structs import replace

from nodnod_agent.auth.certificate import Certificate
from nodnod_agent.auth.expiry_watch import WARN_BEFORE, ending
from nodnod_agent.console.diff import compare
from nodnod_agent.console.diff_text import sentence
from nodnod_agent.console.doctor.findings import Finding, Level, fault, fine, merged, remark, some
from nodnod_agent.console.doctor.gathering import Found, Other
from nodnod_agent.console.doctor.local import Local
from nodnod_agent.console.doctor.remedies import because_of
from nodnod_agent.console.units import counted, human_span
from nodnod_agent.core.membership.member import NO_BACKPLANE
from nodnod_agent.net.ip import ip_literal, is_loopback
from nodnod_client.address import parse_address
from nodnod_client.errors import AddressError
from nodnod_client.messages import MemberInfo
from nodnod_client.sections import SECTIONS
from nodnod_client.tls import NOT_ACCEPTED

CHECKS = (
    *("agent", "listening", "backplane", "reachable", "clocks", "names", "versions"),
    *("secrets", "certificates", "files", "sections", "fail-over"),
)
"""The checks, in the order of their findings."""

CLOCK_REMARK = 5.0
CLOCK_FAULT = 30.0
"""Seconds between clocks: from the second on, agents with a secret refuse each other."""

FILES_RESERVED = 128
FEW_CLIENTS = 100
"""An agent that has room for fewer clients, beside its peers, is remarked on."""

_NO_CLOCK = "set it: timedatectl set-ntp true"

# What the machine lacks where a section is null.
_ABSENT = {
    "gpu": "no NVIDIA GPU, or no library for it (pip install 'nodnod-agent[gpu]')",
    "sensors": "the machine shows no sensors, as most virtual ones",
    "pressure": "the kernel does not account for it (boot with psi=1)",
    "services": "no systemd",
    "containers": "no container runs here, and no engine answers",
    "custom": "custom.directory is not set",
}

_SECTION_TODOS = (
    ("permission denied", "give the agent's user that right, or do without: docs/operations.md"),
    ("no socket of", "start the socket of the engine that runs here, or do without the names"),
    ("not answered yet", "ask again in some seconds"),
)


def judge(found: Found, local: Local | None) -> list[Finding]:
    """All findings, in the order of CHECKS."""
    if found.failure:
        first = because_of(found.failure, f"no answer from {found.server}")
        findings = [fault("agent", first.text, first.todo), *_listening(found, local)]
        if found.certificate is not None:
            findings += _certificate(
                found.server.host, str(found.server), found.certificate, found.now
            )
    else:
        findings = [one for check in _ALL for one in check(found, local)]
    return sorted(merged(findings), key=lambda one: CHECKS.index(one.check))


def _agent(found: Found, local: Local | None) -> Iterator[Finding]:
    own = found.members[0]
    since = f", up for {human_span(found.now - own.since)}" if own.since else ""
    release = _releases(found).get(own.name)
    text = f"{own.name} answers at {found.server}{since}{f', version {release}' if release else ''}"
    yield fine("agent", text)


def _listening(found: Found, local: Local | None) -> Iterator[Finding]:
    if local is None:
        if found.members and not found.here:
            yield fine(
                "listening", f"it answers at {found.members[0].address}, which it advertises"
            )
        elif found.members:
            text = f"it does not answer at {found.members[0].address}, which it advertises"
            yield _not_here(found, text)
        return
    places = ", ".join(
        f"{name} {' '.join(hosts)}" for name, hosts in sorted(local.interfaces.items())
    )
    listens = f"it listens on {', '.join(local.listens)}"
    if local.interfaces:
        yield fine("listening", f"{listens}: reachable on {places}")
    elif all(
        is_loopback(_host(row.address)) or _is_over_backplane(row, found)
        for row in found.members[1:]
    ):
        yield fine("listening", f"{listens}: reachable from this machine only")
    else:
        text = f"{listens}: no other machine reaches it"
        yield fault(
            "listening", text, "set `listen` to 0.0.0.0:7070, or to the address of an interface"
        )
    if found.members and found.here:
        text = f"it does not answer at {found.members[0].address}, which it advertises"
        yield _not_here(found, text)


def _not_here(found: Found, text: str) -> Finding:
    finding = because_of(found.here, text)
    others = [row for row in found.members[1:] if row.state == "up" or _is_cut_off(row)]
    if others and all(_is_over_backplane(row, found) for row in others):
        return fine("reachable", f"{text}: the others reach it over a backplane")
    return finding


def _is_over_backplane(row: MemberInfo, found: Found) -> bool:
    # A link that is up has a round trip time after two seconds.
    is_far = row.state == "up" and row.rtt is None
    return found.backplane is not None and (is_far or _is_cut_off(row))


def _is_cut_off(row: MemberInfo) -> bool:
    return row.error.startswith(f"down: {NO_BACKPLANE}")


def _backplane(found: Found, local: Local | None) -> Iterator[Finding]:
    to = found.backplane
    if to is None:
        return
    span = f"for {human_span(found.now - to.since)}"
    if to.server:
        yield fine("backplane", f"it is connected to {to.server}, {span}")
    else:
        todo = "look at the NATS servers, and at `backplane` and `nats` in its settings"
        yield fault("backplane", f"it has been without one {span}: {to.error}", todo)


def _reachable(found: Found, local: Local | None) -> Iterator[Finding]:
    """How this agent and the others see each other, and the others among themselves."""
    own = found.members[0]
    others = [row for row in found.members[1:] if row.state != "left"]
    if not others:
        yield fine("reachable", "it knows no other agent")
        return
    down = [row for row in others if row.state != "up"]
    shown = {other.row.address: other for other in found.others}
    for row in down:
        other = shown.get(row.address)
        if NOT_ACCEPTED in row.error and other is not None and _problems(other, found.now):
            continue  # the check of certificates says more
        yield because_of(row.error.removeprefix("down: "), "it does not reach {}", _label(row))
    see = 0
    for other in found.others:
        if not other.view:
            if other.row.state == "up" and not _is_over_backplane(other.row, found):
                what = "{} could not be asked from here"
                yield replace(
                    because_of(other.failure, what, _label(other.row)), level=Level.REMARK
                )
            continue
        seen = next((row for row in other.view[1:] if row.instance == own.instance), None)
        if seen is None:
            seen = next((row for row in other.view[1:] if row.address == own.address), None)
        if seen is None:
            todo = "they learn of each other in a minute; else mend `join`"
            yield fault("reachable", "it is not known to {}", todo, other.row.name)
        elif seen.state == "up":
            see += 1
        else:
            why = seen.error.removeprefix("down: ")
            yield because_of(why, f"it is not reached at {seen.address} by {{}}", other.row.name)
    if see:
        many, up = len(others), len(others) - len(down)
        yield fine("reachable", f"links: {see} of {many} others to it, {up} of {many} from it")
    far = [row for row in others if row.state == "up" and _is_over_backplane(row, found)]
    if far:
        text = f"{len(far)} of {len(others)} others are reached over a backplane"
        yield fine("reachable", f"{text}: not all can be asked from here")
    views = [found.members, *(other.view for other in found.others if other.view)]
    for difference in compare(views, {}).differences:
        told = {*difference.nodes, *difference.observers}
        if "up" not in difference.others:
            told.update(difference.others.get("down", ()))
        if own.name not in told and difference.kind != "unasked":
            yield remark(
                "reachable", sentence(difference), "run nodnod doctor --server for one of them"
            )


def _clocks(found: Found, local: Local | None) -> Iterator[Finding]:
    """Each node's clock against the median, by the time of its newest sample."""
    ends: dict[str, tuple[float, float]] = {}
    for name, node in found.cluster.nodes.items():
        history = node.history if isinstance(node.history, dict) else {}
        end, every = history.get("end"), history.get("every")
        if node.error or history.get("keptBy"):
            continue
        if isinstance(end, int | float) and isinstance(every, int | float):
            ends[name] = (end, every)
    if len(ends) < 2:
        yield fine("clocks", "there is no other clock to compare")
        return
    middle = median(end for end, _ in ends.values())
    found_one = False
    for name, (end, every) in sorted(ends.items()):
        off = end - middle
        if len(ends) == 2:  # which of the two is right?
            off *= 2
        if abs(off) <= CLOCK_REMARK + every:
            continue
        found_one = True
        side = "ahead of" if off > 0 else "behind"
        text = f"the clock of {name} is {human_span(abs(off))} {side} the others'"
        yield (fault if abs(off) > CLOCK_FAULT else remark)("clocks", text, _NO_CLOCK)
    if not found_one:
        text = f"those of {counted(len(ends), 'node')} differ by at most {_spread(ends.values()):.0f} s"
        yield fine("clocks", text)


def _spread(ends: Iterable[tuple[float, float]]) -> float:
    times = [end for end, _ in ends]
    return max(times) - min(times)


def _names(found: Found, local: Local | None) -> Iterator[Finding]:
    """Where an agent lists ``name@address``, another node of that name is up."""
    views = (found.members, *(other.view for other in found.others))
    rows = [row for view in views for row in view if row.state != "left"]
    twice = {_name(row) for row in rows if _name(row) != row.name}
    for name in sorted(twice):
        addresses = sorted({row.address for row in rows if _name(row) == name})
        text = f"{len(addresses)} nodes have the name {name}: at {some(addresses)}"
        yield remark("names", text, "give all but one another `name`, and restart them")
    if not twice:
        yield fine("names", "no two nodes have one name")


def _name(row: MemberInfo) -> str:
    return row.name.removesuffix(f"@{row.address}")


def _versions(found: Found, local: Local | None) -> Iterator[Finding]:
    by_version: dict[str, list[str]] = defaultdict(list)
    for name, release in sorted(_releases(found).items()):
        by_version[release].append(name)
    for row in found.members:
        if row.version == 1 and row.state != "left":
            by_version["1"].append(row.name)
    parts = [f"{release} ({some(names)})" for release, names in sorted(by_version.items())]
    if len(by_version) > 1:
        todo = "upgrade the older ones, one after the other"
        yield remark("versions", f"they differ: {'; '.join(parts)}", todo)
    else:
        yield fine("versions", "; ".join(parts) or "unknown")


def _secrets(found: Found, local: Local | None) -> Iterator[Finding]:
    exposed = not is_loopback(_host(found.members[0].address))
    if found.is_open is None:
        return
    if not found.is_open:
        yield fine("secrets", "the agent wants a token, and agents a proof")
    elif exposed:
        text = f"there is none: anyone who reaches {found.members[0].address} can read and join"
        yield remark(
            "secrets", text, "make one with `nodnod secret`, and set auth.secrets on every agent"
        )
    else:
        yield fine("secrets", "there is none, and only this machine reaches the agent")


def _certificates(found: Found, local: Local | None) -> Iterator[Finding]:
    if not found.tls:
        yield fine("certificates", "TLS is off")
        return
    own = found.members[0]
    shown = [(own.name, own.address, found.certificate)]
    shown += [(other.row.name, other.row.address, other.certificate) for other in found.others]
    ends = [one.not_after for _, _, one in shown if one is not None]
    problems = [
        problem
        for name, address, one in shown
        if one is not None
        for problem in _certificate(_host(address), name, one, found.now)
    ]
    yield from problems
    if ends and not problems:
        text = f"those of {counted(len(ends), 'agent')} name their addresses; the first"
        yield fine("certificates", f"{text} {ending(min(ends), found.now)}")


def _certificate(host: str, name: str, one: Certificate, now: float) -> Iterator[Finding]:
    """What is wrong with the certificate of an agent that others dial at ``host``."""
    remake = f"nodnod tls node {name if ':' not in name else 'NAME'} {host}"
    todo = f"make a new one: `{remake}`, copy it there, then SIGHUP"
    left = one.not_after - now
    if left <= 0:
        yield fault("certificates", f"that of {{}} {ending(one.not_after, now)}", todo, name)
    elif left < WARN_BEFORE:
        yield remark("certificates", f"that of {{}} {ending(one.not_after, now)}", todo, name)
    if one.not_before > now:
        yield fault("certificates", "that of {} is not valid yet", "is a clock wrong?", name)
    if not _named(host, one.hosts):
        names = some(one.hosts) or "nothing"
        text = f"that of {{}} does not name {host}, where it is dialed, but {names}"
        yield fault("certificates", text, todo, name)


def _problems(other: Other, now: float) -> list[Finding]:
    if other.certificate is None:
        return []
    return [*_certificate(_host(other.row.address), other.row.name, other.certificate, now)]


def _named(host: str, hosts: Iterable[str]) -> bool:
    ip = ip_literal(host)
    if ip is not None:
        return any(ip_literal(one) == ip for one in hosts)
    wanted = {host.lower(), f"*.{host.lower().partition('.')[2]}"}
    return any(one.lower() in wanted for one in hosts)


def _files(found: Found, local: Local | None) -> Iterator[Finding]:
    if local is None or local.max_files is None:
        where = "from its own machine" if local is None else "as its user, or as root"
        yield fine("files", f"not known: only {where} its limit of open files can be seen")
        return
    links = 2 * sum(row.state != "left" for row in found.members[1:])
    room = local.max_files - FILES_RESERVED - links
    is_open = "" if local.open_files is None else f", {local.open_files} open"
    text = (
        f"the limit is {local.max_files}{is_open}; links need {links}, clients get {max(0, room)}"
    )
    if room < FEW_CLIENTS:
        many = 2 * links + 4096
        todo = f"raise LimitNOFILE= (ulimit -Hn) to {many} or more, and restart it"
        yield (fault if room <= 0 else remark)("files", text, todo)
    else:
        yield fine("files", text)


def _sections(found: Found, local: Local | None) -> Iterator[Finding]:
    for name, node in sorted(found.cluster.nodes.items()):
        if node.error and not node.error.startswith(("down:", "stale:", "no answer")):
            yield remark("sections", f"{{}}: {node.error}", "look at that machine", name)
        elif node.error.startswith("no answer"):
            todo = "look at that machine: it hangs or is busy"
            yield fault("reachable", f"{{}}: {node.error}", todo, name)
    detail = found.own.detail if found.own is not None else {}
    sections: dict[str, Any] = detail if isinstance(detail, dict) else {}
    if found.unknown:
        text = f"its version does not know {some(found.unknown)}"
        yield remark("sections", text, "upgrade it")
    whole = 0
    for name in sorted(SECTIONS.difference(found.unknown)):
        section = sections.get(name, {"error": "it did not come in time"})
        problem = _problem(section)
        if section is None:
            yield fine("sections", f"{name} is null: {_ABSENT.get(name, 'this machine has none')}")
        elif problem:
            yield remark("sections", f"{name}: {problem}", _section_todo(problem))
        else:
            whole += 1
    yield fine("sections", f"{whole} of {len(SECTIONS)} have numbers")


def _problem(section: Any) -> str:
    """Why a section is not whole; empty if it is."""
    if not isinstance(section, dict):
        return ""
    for field in ("error", "note"):
        if isinstance(section.get(field), str):
            return str(section[field])
    return ""


def _section_todo(problem: str) -> str:
    return next((todo for text, todo in _SECTION_TODOS if text in problem), "see the agent's log")


def _fail_over(found: Found, local: Local | None) -> Iterator[Finding]:
    for other in found.others:
        for origin in other.refuses or ():
            todo = "add it to allowedOrigins there, unless the agent is some seconds old"
            yield remark(
                "fail-over", f"the page of {origin} is refused by {{}}", todo, other.row.name
            )
    willing = sum(other.refuses == [] for other in found.others)
    if not found.others:
        yield fine("fail-over", "there is no other agent with which the page could go on")
    elif willing:
        text = f"{willing} of {len(found.others)} others would go on with its page"
        yield fine("fail-over", text)
    far = not is_loopback(found.server.host)
    hidden = [other.row.name for other in found.others if is_loopback(_host(other.row.address))]
    if far and hidden:
        text = f"browsers elsewhere do not reach the loopback addresses of {some(hidden)}"
        yield remark("fail-over", text, "set `advertise` or `listen` there")


_ALL: tuple[Callable[[Found, Local | None], Iterator[Finding]], ...] = (
    *(_agent, _listening, _backplane, _reachable, _clocks, _names, _versions),
    *(_secrets, _certificates, _files, _sections, _fail_over),
)


def _releases(found: Found) -> dict[str, str]:
    """The version of each node that tells it."""
    found_releases = {}
    for name, node in found.cluster.nodes.items():
        system = node.detail.get("system") if isinstance(node.detail, dict) else None
        release = system.get("agentVersion") if isinstance(system, dict) else None
        if isinstance(release, str):
            found_releases[name] = release
    return found_releases


def _label(row: MemberInfo) -> str:
    """A node and where it is dialed."""
    return row.name if row.name == row.address else f"{row.name} ({row.address})"


def _host(address: str) -> str:
    try:
        return parse_address(address).host
    except AddressError:
        return address
