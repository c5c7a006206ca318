"""Who may in: each question that the gate asks, and what its answers say."""

from collections.abc import Set as AbstractSet

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.datastructures import Headers
from websockets.http11 import Request

from nodnod_agent.auth.authorization import Verified, WrongToken
from nodnod_agent.auth.hosts import HostPolicy
from nodnod_agent.auth.policy import Admission, AuthPolicy, Refusal, wants_websocket
from nodnod_client.address import Address

LOCAL = Address("10.0.0.5", 7070)
ADVERTISED = Address("203.0.113.1", 7000)
PUBLIC = {"/healthz", "/", "/app.css"}

TOKENS = {"reader": Verified("read"), "agent": Verified("peer", "proof")}


class FakeTokens:
    """Knows two tokens, and notes where they were said to be shown."""

    def __init__(self) -> None:
        self.own: AbstractSet[str] = set()

    def verify(self, token: str, own: AbstractSet[str]) -> Verified:
        self.own = own
        if token not in TOKENS:
            raise WrongToken("not a token", "of all things")
        return TOKENS[token]


@pytest.fixture
def tokens() -> FakeTokens:
    return FakeTokens()


@pytest.fixture
def open_gate() -> AuthPolicy:
    gate = AuthPolicy(advertised=ADVERTISED, public=PUBLIC.__contains__)
    gate.names = HostPolicy(["kyle"], lambda address: False)
    return gate


@pytest.fixture
def gate(open_gate: AuthPolicy, tokens: FakeTokens) -> AuthPolicy:
    open_gate.tokens = tokens
    return open_gate


def request(path: str = "/", *headers: str, upgrade: bool = False) -> Request:
    found = Headers()
    for line in ("Host: kyle", *headers):
        name, _, value = line.partition(": ")
        found[name] = value
    if upgrade:
        found["Upgrade"] = "websocket"
    return Request(path, found)


def judge(gate: AuthPolicy, asked: Request, local: Address | None = LOCAL) -> Admission | int:
    """What the gate says: an entry, or the status of a refusal."""
    found = gate(asked, local, tls=False)
    return found.response.status_code if isinstance(found, Refusal) else found


def refusal(gate: AuthPolicy, asked: Request) -> Refusal:
    found = gate(asked, LOCAL, tls=False)
    assert isinstance(found, Refusal)
    return found


# Whatever comes.


@given(
    path=st.text(st.characters(codec="latin-1"), max_size=60),
    values=st.lists(
        st.tuples(
            st.sampled_from(
                ["Host", "Origin", "Authorization", "Sec-WebSocket-Protocol", "Upgrade"]
            ),
            st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=40)
            | st.sampled_from(["kyle", "http://kyle", "Bearer agent", "nodnod.bearer.agent"]),
        ),
        max_size=6,
    ),
    secret=st.booleans(),
)
def test_every_request_is_let_in_or_answered(
    path: str, values: list[tuple[str, str]], secret: bool
) -> None:
    gate = AuthPolicy(advertised=ADVERTISED, public=PUBLIC.__contains__)
    gate.names = HostPolicy(["kyle"], lambda address: False)
    gate.tokens = FakeTokens() if secret else None
    headers = Headers()
    for name, value in values:
        headers[name] = value

    found = judge(gate, Request(path, headers))

    assert isinstance(found, Admission) or found in {400, 401, 403, 421}
    if secret and isinstance(found, Admission) and found.agent:
        assert "agent" in str(values)


# Without a secret.


@pytest.mark.parametrize("upgrade", [False, True])
def test_without_a_secret_all_may_in_even_as_agents(open_gate: AuthPolicy, upgrade: bool) -> None:
    assert judge(open_gate, request("/stat", upgrade=upgrade)) == Admission(agent=True)


def test_without_a_secret_a_token_is_not_looked_at(open_gate: AuthPolicy) -> None:
    asked = request("/stat?token=x", "Authorization: Bearer nonsense")
    assert judge(open_gate, asked) == Admission(agent=True)


def test_host_and_origin_are_looked_at_with_or_without_a_secret(
    open_gate: AuthPolicy, tokens: FakeTokens
) -> None:
    foreign_host = Request("/healthz", Headers({"Host": "evil.example"}))
    foreign_page = request("/healthz", "Origin: https://evil.example")
    no_host = Request("/healthz", Headers())
    for secret in (None, tokens):
        open_gate.tokens = secret
        assert judge(open_gate, foreign_host) == 421
        assert judge(open_gate, foreign_page) == 403
        assert judge(open_gate, no_host) == 400


# Tokens.


@pytest.mark.parametrize(
    "header",
    [
        "Authorization: Bearer reader",
        "Authorization: bearer  reader",
        "Sec-WebSocket-Protocol: nodnod.2, nodnod.bearer.reader",
        "Sec-WebSocket-Protocol: nodnod.bearer.reader,nodnod.2",
    ],
)
def test_a_token_comes_in_a_header(gate: AuthPolicy, header: str) -> None:
    assert judge(gate, request("/", header, upgrade=True)) == Admission(agent=False)


def test_a_peer_may_in_as_an_agent_and_gets_a_proof(gate: AuthPolicy) -> None:
    asked = request("/", "Authorization: Bearer agent", upgrade=True)
    assert judge(gate, asked) == Admission(agent=True, proof="proof")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["Authorization: Basic cmVhZGVyOg=="],
        ["Authorization: reader"],
        ["Authorization: Bearer "],
        ["Sec-WebSocket-Protocol: nodnod.2"],
        ["Sec-WebSocket-Protocol: nodnod.2, reader"],
        ["Cookie: token=reader"],
        ["X-Token: reader"],
        ["Authorization: Bearer reader", "Authorization: Bearer reader"],
        ["Authorization: Bearer reader", "Sec-WebSocket-Protocol: nodnod.bearer.agent"],
        ["Sec-WebSocket-Protocol: nodnod.bearer.reader, nodnod.bearer.agent"],
    ],
)
@pytest.mark.parametrize("upgrade", [False, True])
def test_without_exactly_one_token_nobody_may_in(
    gate: AuthPolicy, headers: list[str], upgrade: bool
) -> None:
    found = refusal(gate, request("/stat", *headers, upgrade=upgrade))
    assert found.response.status_code == 401
    assert found.response.headers["WWW-Authenticate"] == 'Bearer realm="nodnod"'


def test_a_wrong_token_is_told_so_and_the_log_is_told_more(gate: AuthPolicy) -> None:
    found = refusal(gate, request("/stat", "Authorization: Bearer forged"))
    challenge = 'Bearer realm="nodnod", error="invalid_token"'
    assert found.response.status_code == 401
    assert found.response.headers["WWW-Authenticate"] == challenge
    assert found.response.body == b"not a token\n"
    assert found.reason == "not a token of all things"


@pytest.mark.parametrize(
    "path", ["/?token=reader", "/stat?a=1&token=reader", "/stat?access_token=x", "/?token="]
)
@pytest.mark.parametrize("upgrade", [False, True])
def test_a_token_in_a_url_is_refused_and_not_used(
    gate: AuthPolicy, path: str, upgrade: bool
) -> None:
    headers = ["Authorization: Bearer reader"]
    found = refusal(gate, request(path, *headers, upgrade=upgrade))
    assert found.response.status_code == 400
    assert "reader" not in found.reason


def test_what_is_no_path_is_a_bad_request(gate: AuthPolicy) -> None:
    assert judge(gate, request("http://[", "Authorization: Bearer reader")) == 400


# What everybody may see.


@pytest.mark.parametrize("path", ["/healthz", "/", "/app.css", "/healthz?x=1"])
def test_public_pages_need_no_token(gate: AuthPolicy, path: str) -> None:
    assert judge(gate, request(path)) == Admission(agent=False)


@pytest.mark.parametrize("rather", ["h2c", "TLS/1.2, h2c", "websockets", ""])
def test_who_would_rather_have_another_protocol_gets_the_page_all_the_same(
    gate: AuthPolicy, rather: str
) -> None:
    assert judge(gate, request("/healthz", f"Upgrade: {rather}")) == Admission(agent=False)


@pytest.mark.parametrize("offered", ["websocket", "WebSocket", "h2c, websocket"])
def test_a_websocket_is_wanted_where_it_is_among_what_is_offered(offered: str) -> None:
    assert wants_websocket(request("/", f"Upgrade: {offered}").headers)


@pytest.mark.parametrize(
    "path", ["/stat", "/stat/all", "/members", "/sd", "/metrics", "/nowhere", "//healthz/stat", ""]
)
def test_all_other_pages_need_one(gate: AuthPolicy, path: str) -> None:
    assert judge(gate, request(path)) == 401


def test_a_websocket_is_no_public_page_whatever_its_path(gate: AuthPolicy) -> None:
    assert judge(gate, request("/healthz", upgrade=True)) == 401


# Where a peer may have dialled.


def own(gate: AuthPolicy, tokens: FakeTokens, local: Address | None) -> AbstractSet[str]:
    judge(gate, request("/", "Authorization: Bearer agent", upgrade=True), local)
    return tokens.own


@pytest.mark.parametrize(
    ("local", "named"),
    [
        (LOCAL, "10.0.0.5:7070"),
        (Address("::ffff:10.0.0.5", 7070), "10.0.0.5:7070"),
        (Address("fe80::1%eth0", 7070), "[fe80::1]:7070"),
        (Address("127.0.0.1", 7070), "127.0.0.1:7070"),
    ],
)
def test_a_peer_dials_where_its_connection_came_to_or_what_we_advertise(
    gate: AuthPolicy, tokens: FakeTokens, local: Address, named: str
) -> None:
    assert own(gate, tokens, local) == {named, "203.0.113.1:7000"}


def test_every_machine_has_the_loopback_address_so_advertising_it_means_nothing(
    tokens: FakeTokens,
) -> None:
    gate = AuthPolicy(advertised=Address("127.0.0.1", 7070), public=PUBLIC.__contains__)
    gate.names = HostPolicy(["kyle"], lambda address: False)
    gate.tokens = tokens
    assert own(gate, tokens, LOCAL) == {"10.0.0.5:7070"}
    assert own(gate, tokens, None) == set()
