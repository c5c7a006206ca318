"""What ``nodnod doctor`` makes of what it has found."""

from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from doubles.members import row
from nodnod_agent.auth.certificate import Certificate
from nodnod_agent.console.doctor.checks import judge
from nodnod_agent.console.doctor.findings import Finding, Level, fine, worst
from nodnod_agent.console.doctor.gathering import Found, Other
from nodnod_agent.console.doctor.local import Local
from nodnod_client.address import Address
from nodnod_client.messages import Answer, BackplaneInfo, MemberInfo, NodeStats
from nodnod_client.sections import SECTIONS

NOW = 1_800_000_000.0
DAY = 86_400.0
WHOLE = {name: {} for name in SECTIONS}


def node(name: str, *, off: float = 0.0, version: str = "2.0.0", **fields: Any) -> NodeStats:
    """A node whose clock is ``off`` seconds wrong."""
    history = {"end": NOW + off, "every": 1.0}
    return NodeStats(name, detail={"system": {"agentVersion": version}}, history=history, **fields)


def found(*names: str, **fields: Any) -> Found:
    """A healthy cluster of nodes, the first of which is asked, each at 10.0.0.5:7070 and so on."""
    rows = [row(name, address=f"10.0.0.{number}:7070") for number, name in enumerate(names, 5)]
    others = [
        Other(one, [one, *(two for two in rows if two is not one)], refuses=[]) for one in rows[1:]
    ]
    defaults: dict[str, Any] = {
        "server": Address("10.0.0.5", 7070),
        "tls": False,
        "now": NOW,
        "members": rows,
        "own": NodeStats(names[0], detail=WHOLE),
        "cluster": Answer(host=names[0], nodes={name: node(name) for name in names}),
        "others": others,
        "is_open": False,
    }
    return Found(**(defaults | fields))


def of(check: str, findings: list[Finding]) -> list[Finding]:
    return [one for one in findings if one.check == check]


def bad(findings: list[Finding]) -> list[Finding]:
    return [one for one in findings if one.level is not Level.OK]


def seen_as(one: MemberInfo, **fields: Any) -> MemberInfo:
    return replace(one, **fields)


def test_a_healthy_cluster_is_fine_in_every_check() -> None:
    findings = judge(found("kyle", "stan", "kenny"), None)
    assert worst(findings) is Level.OK
    assert not any(one.todo for one in findings)
    assert {one.check for one in findings} == {
        *("agent", "listening", "reachable", "clocks", "names", "versions"),
        *("secrets", "certificates", "files", "sections", "fail-over"),
    }


def test_a_backplane_is_named_with_its_server_or_what_to_do() -> None:
    there = found("kyle", backplane=BackplaneInfo("nats://hub:4222", NOW - 120.0))
    (finding,) = of("backplane", judge(there, None))
    assert finding == fine("backplane", "it is connected to nats://hub:4222, for 2 min")
    why = "nats://hub:4222: connection refused"
    away = found("kyle", backplane=BackplaneInfo("", NOW - 120.0, why))
    (finding,) = of("backplane", judge(away, None))
    assert finding.level is Level.FAULT
    assert finding.text == f"it has been without one for 2 min: {why}"
    assert "look at the NATS servers" in finding.todo


def test_an_agent_alone_is_fine() -> None:
    assert worst(judge(found("kyle"), None)) is Level.OK


@pytest.mark.parametrize(
    ("failure", "todo"),
    [
        ("cannot connect to ws://a:7070/: connection refused", "start the agent there"),
        ("in the site us, which this agent cannot reach: it has no backplane", "set backplane"),
        ("no backplane since 05:18:04 UTC", "look at the NATS servers"),
        ("cannot connect to ws://a:7070/: no handshake within 5 s", "look at its agent"),
        (
            "cannot connect to ws://a:7070/: it refuses us: this port speaks TLS (HTTP 400)",
            "pass --ca",
        ),
        (
            "cannot connect to ws://a:7070/: it refuses us: one token is needed (HTTP 401)",
            "pass --token",
        ),
        ("something new", "see the logs"),
    ],
)
def test_an_agent_that_does_not_answer_is_a_fault_with_what_to_do(failure: str, todo: str) -> None:
    (fault,) = judge(Found(server=Address("a", 7070), tls=False, now=NOW, failure=failure), None)
    assert (fault.check, fault.level) == ("agent", Level.FAULT)
    assert fault.text.startswith("no answer from a:7070: ")
    assert "ws://" not in fault.text
    assert fault.todo.startswith(todo)


# Where it listens.

EVERYWHERE = Local(["0.0.0.0:7070"], {"eth0": ["10.0.0.5"]}, 16384, 30)
LOOPBACK = Local(["127.0.0.1:7070"], {}, 16384, 30)


def test_the_interfaces_at_which_it_is_reachable_are_named() -> None:
    (one,) = of("listening", judge(found("kyle", "stan"), EVERYWHERE))
    assert one.text == "it listens on 0.0.0.0:7070: reachable on eth0 10.0.0.5"


def test_to_listen_on_loopback_is_a_fault_where_others_are_on_other_machines() -> None:
    (one,) = of("listening", judge(found("kyle", "stan"), LOOPBACK))
    assert one.level is Level.FAULT
    assert "set `listen`" in one.todo
    assert worst(of("listening", judge(found("kyle"), LOOPBACK))) is Level.OK


def test_an_advertised_address_where_it_does_not_answer_is_a_fault() -> None:
    here = "cannot connect to ws://10.0.0.5:7070/: connection refused"
    (one,) = bad(judge(found("kyle", here=here), None))
    assert "does not answer at 10.0.0.5:7070, which it advertises" in one.text


# Links.


def test_a_node_that_is_down_is_a_fault_with_its_reason() -> None:
    healthy = found("kyle", "stan", "kenny")
    down = seen_as(healthy.members[2], state="down", error="down: no sign of life for 5 s")
    cluster = replace(healthy, members=[*healthy.members[:2], down], others=healthy.others[:1])
    one, *_ = bad(judge(cluster, None))
    assert (one.check, one.level) == ("reachable", Level.FAULT)
    assert one.text == "it does not reach kenny (10.0.0.7:7070): no sign of life for 5 s"
    assert "look at that machine" in one.todo


def test_one_that_is_down_and_unknown_to_others_is_one_fault() -> None:
    cluster = found("kyle", "stan")
    down = row("10.0.0.9:7070", "down", address="10.0.0.9:7070", instance="")
    findings = judge(replace(cluster, members=[*cluster.members, down]), None)
    assert [one.text for one in bad(findings)] == [
        "it does not reach 10.0.0.9:7070: connection refused"
    ]


def test_many_nodes_with_one_fault_are_one_finding() -> None:
    cluster = found("kyle", *(f"db-{number}" for number in range(1, 21)))
    error = "down: connection refused"
    down = [seen_as(one, state="down", error=error) for one in cluster.members[1:]]
    one, *_ = bad(judge(replace(cluster, members=[cluster.members[0], *down], others=[]), None))
    assert one.text == (
        "it does not reach db-1 (10.0.0.6:7070), db-2 (10.0.0.7:7070), db-3 (10.0.0.8:7070), "
        "db-4 (10.0.0.9:7070), db-5 (10.0.0.10:7070), db-6 (10.0.0.11:7070) and 14 more: "
        "connection refused"
    )
    assert len(one.nodes) == 20


def test_many_certificates_that_end_on_one_day_are_one_finding() -> None:
    cluster = found("kyle", "stan", tls=True, certificate=certificate(-2, "10.0.0.5"))
    cluster.others[0].certificate = certificate(-2, "10.0.0.6")
    (one,) = bad(judge(cluster, None))
    assert one.text == "that of kyle, stan has expired on 2027-01-13"
    assert one.todo.startswith("make a new one: `nodnod tls node kyle 10.0.0.5`")
    assert one.todo.endswith("; and so on the others")


def test_one_that_does_not_reach_this_one_is_a_fault() -> None:
    cluster = found("kyle", "stan", "kenny")
    stan = cluster.others[0]
    down = seen_as(cluster.members[0], state="down", error="down: no handshake within 5 s")
    stan.view = [stan.row, down, cluster.members[2]]
    (one,) = bad(judge(cluster, None))
    assert one.text == "it is not reached at 10.0.0.5:7070 by stan: no handshake within 5 s"
    assert "firewalls" in one.todo
    assert "links: 1 of 2 others to it" in of("reachable", judge(cluster, None))[-1].text


def test_one_that_does_not_know_of_this_one_is_a_fault() -> None:
    cluster = found("kyle", "stan")
    cluster.others[0].view = [cluster.others[0].row]
    (one,) = bad(judge(cluster, None))
    assert one.text == "it is not known to stan"


def test_two_others_that_do_not_see_each_other_are_a_remark() -> None:
    cluster = found("kyle", "stan", "kenny")
    stan = cluster.others[0]
    down = seen_as(cluster.members[2], state="down", error="down: no handshake within 5 s")
    stan.view = [stan.row, cluster.members[0], down]
    (one,) = bad(judge(cluster, None))
    assert one.level is Level.REMARK
    assert "stan" in one.text
    assert "kenny" in one.text


def test_one_that_only_this_machine_does_not_reach_is_a_remark() -> None:
    cluster = found("kyle", "stan")
    cluster.others[0].view = []
    cluster.others[0].failure = "cannot connect to ws://10.0.0.6:7070/: no handshake within 5 s"
    cluster.others[0].refuses = None
    (one,) = bad(judge(cluster, None))
    assert one.level is Level.REMARK
    assert one.text.startswith("stan (10.0.0.6:7070) could not be asked from here: no handshake")


def test_a_backplane_that_is_away_is_no_fault_of_the_address() -> None:
    why = "down: no backplane since 05:18:04 UTC"
    rows = [
        row("kyle", address="kyle:7070"),
        row("stan", address="stan:7070", state="down", error=why),
    ]
    cluster = found(
        *("kyle", "stan"),
        backplane=BackplaneInfo("", NOW - 120.0, "nats://hub:4222: connection refused"),
        members=rows,
        here="name or service not known",
        others=[Other(rows[1], failure="name or service not known")],
    )
    findings = judge(cluster, LOOPBACK)
    assert [one.text for one in bad(findings) if one.check == "listening"] == []
    assert [one.text for one in bad(of("reachable", findings))] == [
        "it does not reach stan (stan:7070): no backplane since 05:18:04 UTC"
    ]
    assert len(bad(of("backplane", findings))) == 1


def test_over_a_backplane_nobody_need_answer_at_the_address_that_it_advertises() -> None:
    cluster = found("kyle", "stan", backplane=BackplaneInfo("nats://hub:4222", NOW - 120.0))
    cluster.here = "cannot connect to ws://kyle:7070/: name or service not known"
    cluster.members[1] = seen_as(cluster.members[1], rtt=None)
    unasked = "cannot connect to ws://stan:7070/: name or service not known"
    cluster.others = [Other(cluster.members[1], failure=unasked)]
    findings = judge(cluster, LOOPBACK)
    assert bad(findings) == []
    assert "1 of 1 others are reached over a backplane" in of("reachable", findings)[-1].text


@pytest.mark.parametrize(
    "error",
    [
        "it requires authentication: set auth.secrets (HTTP 401)",
        "it refuses us: not a token of this cluster (HTTP 401)",
        "it does not prove that it knows the cluster's secret",
    ],
)
def test_a_secret_that_differs_is_a_fault_of_the_secrets(error: str) -> None:
    cluster = found("kyle", "stan")
    cluster.members[1] = seen_as(cluster.members[1], state="down", error=f"down: {error}")
    cluster.others = []
    (one,) = bad(judge(cluster, None))
    assert (one.check, one.level) == ("secrets", Level.FAULT)
    assert "copy the file of auth.secrets" in one.todo


# Clocks, names, versions.


@pytest.mark.parametrize(
    ("off", "level"), [(3, Level.OK), (10, Level.REMARK), (-3600, Level.FAULT)]
)
def test_a_clock_is_judged_against_the_median(off: float, level: Level) -> None:
    cluster = found("kyle", "stan", "kenny")
    nodes = {**cluster.cluster.nodes, "stan": node("stan", off=off)}
    findings = of("clocks", judge(replace(cluster, cluster=Answer(nodes=nodes)), None))
    assert worst(findings) is level
    if level is not Level.OK:
        assert [one.text for one in findings] == [
            f"the clock of stan is {'10 s ahead of' if off > 0 else '1 h behind'} the others'"
        ]
        assert "set-ntp" in findings[0].todo


def test_of_two_clocks_both_are_named() -> None:
    nodes = {"kyle": node("kyle"), "stan": node("stan", off=60)}
    cluster = replace(found("kyle", "stan"), cluster=Answer(nodes=nodes))
    texts = [one.text for one in of("clocks", judge(cluster, None))]
    assert texts == [
        "the clock of kyle is 1 min behind the others'",
        "the clock of stan is 1 min ahead of the others'",
    ]


def test_the_kept_past_of_a_node_that_is_down_tells_no_clock() -> None:
    kept = replace(node("stan", off=-500), error="down: connection refused")
    cluster = found("kyle", "stan", "kenny")
    nodes = {**cluster.cluster.nodes, "stan": kept}
    cluster = replace(cluster, cluster=Answer(nodes=nodes))
    assert worst(of("clocks", judge(cluster, None))) is Level.OK


def test_a_name_that_two_nodes_have_is_a_remark() -> None:
    cluster = found("kyle", "stan")
    again = row("stan@10.0.0.9:7070", address="10.0.0.9:7070", instance="other")
    cluster.members.append(again)
    (one,) = of("names", judge(cluster, None))
    assert one.text == "2 nodes have the name stan: at 10.0.0.6:7070, 10.0.0.9:7070"
    assert one.level is Level.REMARK


def test_versions_that_differ_are_a_remark_with_who_has_which() -> None:
    nodes = {"kyle": node("kyle"), "stan": node("stan", version="2.1.0")}
    cluster = replace(found("kyle", "stan"), cluster=Answer(nodes=nodes))
    cluster.members.append(row("kenny", version=1, address="10.0.0.9:7070"))
    (one,) = of("versions", judge(cluster, None))
    assert one.text == "they differ: 1 (kenny); 2.0.0 (kyle); 2.1.0 (stan)"
    assert one.level is Level.REMARK


# Secrets and certificates.


def test_no_secret_is_a_remark_where_other_machines_reach_the_agent() -> None:
    (one,) = bad(judge(found("kyle", is_open=True), None))
    assert one.check == "secrets"
    local = row("kyle", address="127.0.0.1:7070")
    assert worst(judge(found("kyle", members=[local], is_open=True), None)) is Level.OK


def certificate(days: float, *hosts: str) -> Certificate:
    return Certificate(b"", b"", NOW - DAY, NOW + days * DAY, hosts)


@pytest.mark.parametrize(
    ("days", "hosts", "level", "text"),
    [
        (300, ("10.0.0.5",), Level.OK, "the first expires in 300 days, on 2027-11-11"),
        (20, ("10.0.0.5",), Level.REMARK, "that of kyle expires in 20 days, on 2027-02-04"),
        (-2, ("10.0.0.5",), Level.FAULT, "that of kyle has expired on 2027-01-13"),
        (300, ("kyle",), Level.FAULT, "does not name 10.0.0.5, where it is dialed, but kyle"),
        (300, (), Level.FAULT, "does not name 10.0.0.5, where it is dialed, but nothing"),
    ],
)
def test_certificates_are_judged_by_their_end_and_names(
    days: float, hosts: tuple[str, ...], level: Level, text: str
) -> None:
    cluster = found("kyle", tls=True, certificate=certificate(days, *hosts))
    (one,) = of("certificates", judge(cluster, None))
    assert one.level is level
    assert text in one.text
    if level is not Level.OK:
        assert "`nodnod tls node kyle 10.0.0.5`" in one.todo


def test_a_link_that_a_certificate_keeps_down_is_one_fault() -> None:
    cluster = found("kyle", "stan", tls=True, certificate=certificate(300, "10.0.0.5"))
    error = "down: its certificate is not accepted: IP address mismatch"
    cluster.members[1] = seen_as(cluster.members[1], state="down", error=error)
    cluster.others = [
        Other(cluster.members[1], failure=error, certificate=certificate(300, "stan"))
    ]
    (one,) = bad(judge(cluster, None))
    assert one.text == "that of stan does not name 10.0.0.6, where it is dialed, but stan"


def test_a_name_with_a_wildcard_counts() -> None:
    named = row("kyle", address="kyle.example:7070")
    cluster = found("kyle", members=[named], tls=True, certificate=certificate(300, "*.example"))
    assert worst(of("certificates", judge(cluster, None))) is Level.OK


# Files, sections, fail-over.


@pytest.mark.parametrize(
    ("limit", "level"), [(4096, Level.OK), (200, Level.REMARK), (100, Level.FAULT)]
)
def test_a_low_limit_of_open_files_is_told(limit: int, level: Level) -> None:
    (one,) = of("files", judge(found("kyle", "stan"), replace(EVERYWHERE, max_files=limit)))
    assert one.level is level
    assert ("LimitNOFILE=" in one.todo) == (level is not Level.OK)


def test_a_section_says_why_it_is_null_or_not_whole() -> None:
    detail = {
        **WHOLE,
        "gpu": None,
        "cpu": {"error": "ValueError: x"},
        "containers": {"note": "/run/docker.sock: permission denied"},
        "services": {"note": "no socket of this kind"},
    }
    findings = of("sections", judge(found("kyle", own=NodeStats("kyle", detail=detail)), None))
    texts = {one.text.partition(":")[0]: one for one in findings}
    assert texts["gpu is null"].level is Level.OK
    assert texts["cpu"].level is Level.REMARK
    assert "that right" in texts["containers"].todo
    assert texts["services"].todo.startswith("start the socket")
    assert findings[-1].text == f"{len(SECTIONS) - 4} of {len(SECTIONS)} have numbers"


def test_sections_that_an_older_agent_does_not_know_are_one_remark() -> None:
    detail = {name: {} for name in SECTIONS - {"containers", "custom"}}
    old = found("kyle", own=NodeStats("kyle", detail=detail), unknown=["containers", "custom"])
    (one,) = bad(judge(old, None))
    assert one.text == "its version does not know containers, custom"
    assert one.todo == "upgrade it"


def test_an_answer_without_details_is_no_crash() -> None:
    findings = judge(found("kyle", own=NodeStats("kyle", detail=UNSET)), None)
    assert all("did not come in time" in one.text for one in bad(findings))


def test_an_agent_that_refuses_the_page_is_a_remark() -> None:
    cluster = found("kyle", "stan", "kenny")
    cluster.others[0].refuses = ["http://kyle.example:7070"]
    refused, taken = of("fail-over", judge(cluster, None))
    assert refused.text == "the page of http://kyle.example:7070 is refused by stan"
    assert "allowedOrigins" in refused.todo
    assert taken.text == "1 of 2 others would go on with its page"
