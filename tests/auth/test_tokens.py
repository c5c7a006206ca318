"""Tokens: who is known by one, who is not, and what a dialled agent proves."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodnod_agent.auth.authorization import Verified, WrongToken
from nodnod_agent.auth.tokens import MAX_TOKEN, PEER_TTL, SKEW, Tokens

SECRET = b"a secret of this cluster, and no other"
OTHER = b"a secret of some other cluster, not ours"
HERE = "10.0.0.5:7070"
NOBODY = "not a token of this cluster"


@pytest.fixture
def tokens() -> Tokens:
    return Tokens([SECRET])


def fault(tokens: Tokens, token: str, own: set[str] | None = None) -> str:
    with pytest.raises(WrongToken) as caught:
        tokens.verify(token, own or {HERE})
    return str(caught.value)


def signed(secret: bytes = SECRET, /, **claims: Any) -> str:
    return jwt.encode({"exp": int(time.time()) + 60, **claims}, secret, "HS256")


def segment(content: object) -> str:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


# Readers.


def test_a_token_to_read_is_good_for_every_agent_again_and_again(tokens: Tokens) -> None:
    token = tokens.mint("read", 60, "grafana")
    for own in ({HERE}, {"elsewhere:1"}, set[str](), {HERE}):
        assert tokens.verify(token, own) == Verified("read")


def test_a_token_says_whose_it_is_and_for_how_long(tokens: Tokens) -> None:
    before = int(time.time())
    claims = jwt.decode(tokens.mint("read", 3600, "grafana"), SECRET, ["HS256"])
    assert set(claims) == {"role", "sub", "iat", "exp"}
    assert claims["sub"] == "grafana"
    assert before <= claims["iat"] <= time.time()
    assert claims["exp"] == claims["iat"] + 3600


def test_an_expired_token_to_read_is_refused_without_grace(tokens: Tokens) -> None:
    assert fault(tokens, signed(role="read", exp=int(time.time()))) == "the token has expired"
    assert fault(tokens, signed(role="read", exp=1)) == "the token has expired"


def test_a_token_to_read_for_some_agents_is_good_for_no_other(tokens: Tokens) -> None:
    token = signed(role="read", aud=["elsewhere:1"])
    assert fault(tokens, token) == "the token is for another agent"


# Keys.


def test_all_secrets_verify_and_the_first_signs() -> None:
    old, new, both = Tokens([OTHER]), Tokens([SECRET]), Tokens([SECRET, OTHER])
    assert both.verify(old.mint("read", 60, "x"), {HERE}).role == "read"
    assert new.verify(both.mint("read", 60, "x"), {HERE}).role == "read"
    assert fault(old, both.mint("read", 60, "x")) == NOBODY


def test_a_peer_that_signs_with_the_old_secret_gets_a_proof_of_the_old_one() -> None:
    token, proof = Tokens([OTHER]).for_dial("stan", [HERE])
    assert Tokens([SECRET, OTHER]).verify(token, {HERE}) == Verified("peer", proof)


# Forgeries.


def no_algorithm(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, None, "none")  # type: ignore[arg-type]


def another_secret(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, OTHER, "HS256")


def another_algorithm(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, SECRET * 2, "HS512")


def other_claims(claims: dict[str, Any]) -> str:
    header, _, signature = signed(role="read").split(".")
    return f"{header}.{segment(claims)}.{signature}"


def no_signature(claims: dict[str, Any]) -> str:
    return signed(**claims).rpartition(".")[0] + "."


def algorithm_by_header_alone(claims: dict[str, Any]) -> str:
    _, body, signature = signed(**claims).split(".")
    return f"{segment({'alg': 'none'})}.{body}.{signature}"


@pytest.mark.parametrize(
    "forge",
    [
        no_algorithm,
        another_secret,
        another_algorithm,
        other_claims,
        no_signature,
        algorithm_by_header_alone,
    ],
)
def test_a_forged_token_is_refused(tokens: Tokens, forge: Callable[[dict[str, Any]], str]) -> None:
    claims = {"role": "peer", "aud": HERE, "nonce": "n", "exp": int(time.time()) + 30}
    assert fault(tokens, forge(claims)) == NOBODY


@pytest.mark.parametrize("place", range(3))
def test_a_token_with_one_character_changed_is_refused(tokens: Tokens, place: int) -> None:
    parts = tokens.mint("read", 60, "x").split(".")
    middle = len(parts[place]) // 2
    changed = "A" if parts[place][middle] != "A" else "B"
    parts[place] = parts[place][:middle] + changed + parts[place][middle + 1 :]
    assert fault(tokens, ".".join(parts)) == NOBODY


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "..",
        "a.b.c",
        "x" * (MAX_TOKEN + 1),
        f"{segment(b'[' * 2500)}.e30.e30",
        f"{segment(b'9' * 2500)}.e30.e30",
        f"{segment([])}.e30.e30",
        f"{segment({'alg': []})}.e30.e30",
        f"{segment({'alg': 'HS256', 'b64': False})}.e30.e30",
        f"{segment({'alg': 'HS256', 'crit': ['x']})}.e30.e30",
        f"{segment({'alg': 'HS256', 'kid': 5})}.e30.e30",
    ],
)
def test_what_is_no_token_is_refused_and_harms_nobody(tokens: Tokens, token: str) -> None:
    assert fault(tokens, token) == NOBODY


@given(st.text(max_size=200) | st.binary(max_size=300).map(lambda data: f"{segment(data)}.e30.e30"))
def test_any_text_is_refused_as_a_token(token: str) -> None:
    assert fault(Tokens([SECRET]), token) == NOBODY


@pytest.mark.parametrize(
    "claims",
    [
        {"role": "admin"},
        {"role": ""},
        {"role": ["read"]},
        {},
    ],
)
def test_a_token_without_a_role_of_ours_is_refused(tokens: Tokens, claims: dict[str, Any]) -> None:
    assert fault(tokens, signed(**claims)) == "the token has no role that this agent knows"


def test_a_token_without_an_end_is_refused(tokens: Tokens) -> None:
    assert fault(tokens, jwt.encode({"role": "read"}, SECRET, "HS256")) == NOBODY


@pytest.mark.parametrize("end", [float("inf"), float("nan"), "x", [], None])
def test_a_token_whose_end_is_no_moment_is_refused(tokens: Tokens, end: Any) -> None:
    content = json.dumps({"role": "read", "exp": end}).encode()
    assert fault(tokens, jwt.api_jws.encode(content, SECRET, "HS256")) == NOBODY


# Peers.


def test_a_peer_is_known_at_the_address_that_it_dials(tokens: Tokens) -> None:
    token, proof = tokens.for_dial("stan", [HERE])
    assert tokens.verify(token, {HERE, "127.0.0.1:7070"}) == Verified("peer", proof)


def test_a_token_of_a_dial_holds_what_it_must(tokens: Tokens) -> None:
    token, _ = tokens.for_dial("stan", [HERE, "db-1:7070"])
    claims = jwt.decode(token, SECRET, ["HS256"], audience=HERE)
    assert claims["role"] == "peer"
    assert claims["sub"] == "stan"
    assert claims["aud"] == [HERE, "db-1:7070"]
    assert claims["exp"] - claims["iat"] == PEER_TTL
    assert len(claims["nonce"]) >= 16


def test_a_peer_is_refused_where_it_has_not_dialled(tokens: Tokens) -> None:
    token, _ = tokens.for_dial("stan", [HERE])
    with pytest.raises(WrongToken) as caught:
        tokens.verify(token, {"10.0.0.6:7070"})
    assert str(caught.value) == "the token is for another agent"
    assert HERE in caught.value.detail
    assert "10.0.0.6:7070" in caught.value.detail


@pytest.mark.parametrize("aud", [None, [], "", 5, {"a": 1}, [None], [[HERE]]])
def test_a_peer_that_says_not_where_it_dials_is_refused(tokens: Tokens, aud: Any) -> None:
    more = {} if aud is None else {"aud": aud}
    token = jwt.api_jws.encode(
        json.dumps({"role": "peer", "nonce": "n", "exp": time.time() + 30, **more}).encode(),
        SECRET,
        "HS256",
    )
    assert fault(tokens, token) == "the token is for another agent"


def test_a_token_of_a_dial_is_good_once(tokens: Tokens) -> None:
    token, _ = tokens.for_dial("stan", [HERE])
    tokens.verify(token, {HERE})
    assert fault(tokens, token) == "the token has been used before"


def test_one_that_was_refused_elsewhere_is_not_used_up(tokens: Tokens) -> None:
    token, _ = tokens.for_dial("stan", [HERE])
    fault(tokens, token, {"elsewhere:1"})
    assert tokens.verify(token, {HERE}).role == "peer"


def test_what_is_used_stays_so_when_secrets_are_read_again(tokens: Tokens) -> None:
    token, _ = tokens.for_dial("stan", [HERE])
    tokens.verify(token, {HERE})
    assert fault(Tokens([SECRET], tokens.used), token) == "the token has been used before"


@pytest.mark.parametrize("nonce", [None, 5, [], {}])
def test_a_token_of_a_dial_without_a_nonce_is_refused(tokens: Tokens, nonce: Any) -> None:
    token = signed(role="peer", aud=[HERE], nonce=nonce)
    assert fault(tokens, token) == "the token has been used before"


def test_a_token_of_a_dial_that_would_have_to_be_remembered_for_long_is_refused(
    tokens: Tokens,
) -> None:
    token = signed(role="peer", aud=[HERE], nonce="n", exp=int(time.time()) + 3600)
    assert fault(tokens, token) == "the token is valid for longer than a dial takes"
    assert tokens.used == {}


def test_used_tokens_are_forgotten_when_they_have_expired_anyway(tokens: Tokens) -> None:
    tokens.used["old"] = time.time() - 1
    tokens.verify(tokens.for_dial("stan", [HERE])[0], {HERE})
    assert "old" not in tokens.used
    assert len(tokens.used) == 1


@pytest.mark.parametrize("skew", [-SKEW + 2, SKEW - 2])
def test_clocks_of_agents_may_differ_a_little(tokens: Tokens, skew: int) -> None:
    now = int(time.time()) + skew
    token = signed(role="peer", aud=[HERE], nonce="n", iat=now, exp=now + PEER_TTL)
    assert tokens.verify(token, {HERE}).role == "peer"


def test_a_clock_that_is_far_ahead_or_behind_is_named(tokens: Tokens) -> None:
    now = int(time.time())
    early = signed(role="peer", aud=[HERE], nonce="n", iat=now + 3600, exp=now + 3630)
    late = signed(role="peer", aud=[HERE], nonce="n", iat=now - 3600, exp=now - 3570)
    assert fault(tokens, early) == "the token is not valid yet: is a clock wrong?"
    assert fault(tokens, late) == "the token has expired"


# Proofs.


def test_a_proof_is_for_one_token_and_from_one_secret() -> None:
    ours, others = Tokens([SECRET]), Tokens([OTHER])
    token, proof = ours.for_dial("stan", [HERE])
    proofs = {proof, ours.for_dial("stan", [HERE])[1], others.for_dial("stan", [HERE])[1]}
    assert len(proofs) == 3
    assert proof not in token
    assert token.rpartition(".")[2] not in proof


def test_a_reader_gets_no_proof(tokens: Tokens) -> None:
    assert tokens.verify(tokens.mint("read", 60, "x"), {HERE}).proof == ""
