"""Access control: what is checked of a request, in which order, and the responses."""

from collections.abc import Set as AbstractSet

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.datastructures import Headers
from websockets.http11 import Request

from nodnod_agent.auth.authorization import Verified, WrongToken
from nodnod_agent.auth.hosts import HostPolicy
from nodnod_agent.auth.policy import Admission, AuthPolicy, Refusal, wants_websocket
from nodnod_agent.auth.tokens import Tokens
from nodnod_client.address import Address

LOCAL = Address("10.0.0.5", 7070)
ADVERTISED = Address("203.0.113.1", 7000)
PUBLIC = {"/healthz", "/", "/app.css"}

GRANTS = {
    "reader": Verified("read", holder="grafana"),
    "operator": Verified("operate", holder="kyle"),
    "agent": Verified("peer", "proof", "stan"),
}


class FakeTokens(Tokens):
    """Knows two tokens, and keeps the audiences of the last check."""

    def __init__(self) -> None:
        self.audiences: AbstractSet[str] = set()

    def verify(self, token: str, audiences: AbstractSet[str]) -> Verified:
        self.audiences = audiences
        if token not in GRANTS:
            raise WrongToken("not a token", "that is known")
        return GRANTS[token]


def make_policy(tokens: Tokens | None, advertised: Address = ADVERTISED) -> AuthPolicy:
    policy = AuthPolicy(advertised=advertised, is_public=PUBLIC.__contains__)
    policy.hosts = HostPolicy(["kyle"])
    policy.tokens = tokens
    return policy


@pytest.fixture
def tokens() -> FakeTokens:
    return FakeTokens()


@pytest.fixture
def policy(tokens: FakeTokens) -> AuthPolicy:
    return make_policy(tokens)


def request(path: str = "/", *headers: str, upgrade: bool = False) -> Request:
    found = Headers()
    for line in ("Host: kyle", *headers):
        name, _, value = line.partition(": ")
        found[name] = value
    if upgrade:
        found["Upgrade"] = "websocket"
    return Request(path, found)


def decide(policy: AuthPolicy, request: Request, local: Address | None = LOCAL) -> Admission | int:
    """The admission, or the status of the refusal."""
    found = policy(request, local, tls=False)
    return found.response.status_code if isinstance(found, Refusal) else found


def refusal(policy: AuthPolicy, request: Request) -> Refusal:
    found = policy(request, LOCAL, tls=False)
    assert isinstance(found, Refusal)
    return found


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
def test_any_request_is_decided(path: str, values: list[tuple[str, str]], secret: bool) -> None:
    headers = Headers()
    for name, value in values:
        headers[name] = value

    found = decide(make_policy(FakeTokens() if secret else None), Request(path, headers))

    assert isinstance(found, Admission) or found in {400, 401, 403, 421}
    if secret and isinstance(found, Admission) and found.agent:
        assert "agent" in str(values)


# Without a secret.


@pytest.mark.parametrize("upgrade", [False, True])
@pytest.mark.parametrize("token", [(), ("Authorization: Bearer nonsense",)])
def test_without_a_secret_every_request_is_admitted_even_as_a_peer_and_tokens_are_ignored(
    upgrade: bool, token: tuple[str, ...]
) -> None:
    found = decide(make_policy(None), request("/stat?token=x", *token, upgrade=upgrade))
    assert found == Admission(agent=True, operator="")


@pytest.mark.parametrize("secret", [FakeTokens(), None])
def test_host_and_origin_are_checked_with_or_without_a_secret(secret: Tokens | None) -> None:
    policy = make_policy(secret)
    assert decide(policy, Request("/healthz", Headers({"Host": "evil.example"}))) == 421
    assert decide(policy, request("/healthz", "Origin: https://evil.example")) == 403
    assert decide(policy, Request("/healthz", Headers())) == 400


@pytest.mark.parametrize("secret", [FakeTokens(), None])
@pytest.mark.parametrize(
    ("path", "protocol", "headers", "status"),
    [
        ("/healthz", "HTTP/1.0", {}, None),
        ("/healthz?from=proxy", "HTTP/1.0", {}, None),
        ("/healthz", "HTTP/1.1", {}, 400),
        ("/healthz", "HTTP/1.0", {"Host": "evil.example"}, 421),
        ("/healthz", "HTTP/1.0", {"Host": ""}, 400),
        ("/healthz", "HTTP/1.0", {"Origin": "https://evil.example"}, 403),
        ("/healthz", "HTTP/1.0", {"Upgrade": "websocket"}, 400),
        ("/", "HTTP/1.0", {}, 400),
        ("/stat", "HTTP/1.0", {}, 400),
    ],
)
def test_only_a_health_check_in_http_1_0_needs_no_host(
    secret: Tokens | None, path: str, protocol: str, headers: dict[str, str], status: int | None
) -> None:
    found = make_policy(secret)(
        Request(path, Headers(headers), protocol=protocol), LOCAL, tls=False
    )
    assert (found.response.status_code if isinstance(found, Refusal) else None) == status


# Tokens.


READER, OPERATOR = Admission(agent=False), Admission(agent=False, operator="kyle")
PEER = Admission(agent=True, proof="proof", operator="stan")


@pytest.mark.parametrize(
    ("header", "admission"),
    [
        ("Authorization: Bearer reader", READER),
        ("Authorization: bearer  reader", READER),
        ("Sec-WebSocket-Protocol: nodnod.2, nodnod.bearer.reader", READER),
        ("Sec-WebSocket-Protocol: nodnod.bearer.reader,nodnod.2", READER),
        ("Authorization: Bearer operator", OPERATOR),
        ("Sec-WebSocket-Protocol: nodnod.2, nodnod.bearer.operator", OPERATOR),
        ("Authorization: Bearer agent", PEER),
    ],
)
def test_a_token_comes_in_a_header_and_that_of_a_peer_admits_it_as_an_agent_with_a_proof(
    policy: AuthPolicy, header: str, admission: Admission
) -> None:
    assert decide(policy, request("/", header, upgrade=True)) == admission


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
def test_a_request_without_exactly_one_token_is_refused(
    policy: AuthPolicy, headers: list[str], upgrade: bool
) -> None:
    found = refusal(policy, request("/stat", *headers, upgrade=upgrade))
    assert found.response.status_code == 401
    assert found.response.headers["WWW-Authenticate"] == 'Bearer realm="nodnod"'


def test_a_wrong_token_is_refused_and_the_log_gets_more_detail(policy: AuthPolicy) -> None:
    found = refusal(policy, request("/stat", "Authorization: Bearer forged"))
    challenge = 'Bearer realm="nodnod", error="invalid_token"'
    assert found.response.status_code == 401
    assert found.response.headers["WWW-Authenticate"] == challenge
    assert found.response.body == b"not a token\n"
    assert found.reason == "not a token that is known"


@pytest.mark.parametrize(
    "path",
    ["/?token=reader", "/stat?a=1&token=reader", "/stat?access_token=x", "/?token=", "http://["],
)
@pytest.mark.parametrize("upgrade", [False, True])
def test_a_token_in_a_url_and_an_invalid_path_are_refused_unlogged(
    policy: AuthPolicy, path: str, upgrade: bool
) -> None:
    found = refusal(policy, request(path, "Authorization: Bearer reader", upgrade=upgrade))
    assert found.response.status_code == 400
    assert "reader" not in found.reason


# Public pages.


@pytest.mark.parametrize("path", ["/healthz", "/", "/app.css", "/healthz?x=1"])
@pytest.mark.parametrize("offered", [None, "h2c", "TLS/1.2, h2c", "websockets", ""])
def test_public_pages_need_no_token_unless_an_upgrade_to_websocket_is_offered(
    policy: AuthPolicy, path: str, offered: str | None
) -> None:
    headers = [] if offered is None else [f"Upgrade: {offered}"]
    assert decide(policy, request(path, *headers)) == Admission(agent=False)
    assert decide(policy, request(path, upgrade=True)) == 401


@pytest.mark.parametrize("offered", ["websocket", "WebSocket", "h2c, websocket"])
def test_an_upgrade_to_websocket_may_be_one_of_several(offered: str) -> None:
    assert wants_websocket(request("/", f"Upgrade: {offered}").headers)


@pytest.mark.parametrize(
    "path", ["/stat", "/stat/all", "/members", "/sd", "/metrics", "/nowhere", "//healthz/stat", ""]
)
def test_all_other_pages_need_a_token(policy: AuthPolicy, path: str) -> None:
    assert decide(policy, request(path)) == 401


# Where a peer may have dialed.


DIAL = request("/", "Authorization: Bearer agent", upgrade=True)


@pytest.mark.parametrize(
    ("local", "audience"),
    [
        (LOCAL, "10.0.0.5:7070"),
        (Address("::ffff:10.0.0.5", 7070), "10.0.0.5:7070"),
        (Address("fe80::1%eth0", 7070), "[fe80::1]:7070"),
        (Address("127.0.0.1", 7070), "127.0.0.1:7070"),
    ],
)
def test_a_peer_dials_the_local_address_of_its_connection_or_the_advertised_one(
    policy: AuthPolicy, tokens: FakeTokens, local: Address, audience: str
) -> None:
    decide(policy, DIAL, local)
    assert tokens.audiences == {audience, "203.0.113.1:7000"}


@pytest.mark.parametrize(("local", "audiences"), [(LOCAL, {"10.0.0.5:7070"}), (None, set())])
@pytest.mark.parametrize("loopback", ["127.0.0.1", "localhost"])
def test_an_advertised_loopback_address_does_not_count_since_every_machine_has_it(
    tokens: FakeTokens, loopback: str, local: Address | None, audiences: set[str]
) -> None:
    decide(make_policy(tokens, Address(loopback, 7070)), DIAL, local)
    assert tokens.audiences == audiences
