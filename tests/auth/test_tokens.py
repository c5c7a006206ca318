"""Tokens: which are accepted, which are refused, and what a dialed agent proves."""

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
from nodnod_agent.auth.tokens import MAX_TOKEN, MAX_USED, PEER_TTL, SKEW, Tokens

SECRET = b"a secret of this cluster, and no other"
OTHER = b"a secret of some other cluster, not ours"
HERE = "10.0.0.5:7070"
INVALID = "not a token of this cluster"
USED = "the token has been used before"
ELSEWHERE = "the token is for another agent"
EXPIRED = "the token has expired"


TOKENS = Tokens([SECRET])


@pytest.fixture
def tokens() -> Tokens:
    return Tokens([SECRET])


def error_of(token: str, tokens: Tokens = TOKENS, own: str = HERE) -> str:
    with pytest.raises(WrongToken) as caught:
        tokens.verify(token, {own})
    return str(caught.value)


def signed(secret: bytes = SECRET, /, **claims: Any) -> str:
    return jwt.encode({"exp": int(time.time()) + 60, **claims}, secret, "HS256")


def segment(content: object) -> str:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def encoded(claims: dict[str, Any]) -> str:
    """A signed token with claims that PyJWT does not encode."""
    return jwt.api_jws.encode(json.dumps(claims).encode(), SECRET, "HS256")


def peer_claims(**claims: Any) -> dict[str, Any]:
    return {"role": "peer", "aud": [HERE], "nonce": "n", "exp": int(time.time()) + 30, **claims}


# Tokens to read.


@pytest.mark.parametrize("role", ["read", "operate"])
def test_a_token_of_a_person_is_accepted_by_every_agent_repeatedly_without_a_proof(
    role: str,
) -> None:
    token = TOKENS.mint(role, 60, "grafana")
    for own in ({HERE}, {"elsewhere:1"}, set[str](), {HERE}):
        assert TOKENS.verify(token, own) == Verified(role, holder="grafana")


def test_a_token_to_read_does_not_operate_and_that_of_an_agent_does() -> None:
    assert not Verified("read").operates
    assert Verified("operate").operates
    assert Verified("peer").operates


def test_a_token_names_its_subject_and_its_end() -> None:
    before = int(time.time())
    claims = jwt.decode(TOKENS.mint("read", 3600, "grafana"), SECRET, ["HS256"])
    assert set(claims) == {"role", "sub", "iat", "exp"}
    assert claims["sub"] == "grafana"
    assert before <= claims["iat"] <= time.time()
    assert claims["exp"] == claims["iat"] + 3600


def test_an_expired_token_to_read_is_refused_without_leeway() -> None:
    assert error_of(signed(role="read", exp=int(time.time()))) == EXPIRED
    assert error_of(signed(role="read", exp=1)) == EXPIRED


def test_a_token_to_read_for_some_agents_is_refused_by_the_others() -> None:
    assert error_of(signed(role="read", aud=["elsewhere:1"])) == ELSEWHERE


# Secrets.


def test_all_secrets_verify_and_the_first_signs() -> None:
    old, both = Tokens([OTHER]), Tokens([SECRET, OTHER])
    assert both.verify(old.mint("read", 60, "x"), {HERE}).role == "read"
    assert TOKENS.verify(both.mint("read", 60, "x"), {HERE}).role == "read"
    assert error_of(both.mint("read", 60, "x"), old) == INVALID


def test_a_peer_that_signs_with_an_old_secret_gets_a_proof_from_the_old_one() -> None:
    token, proof = Tokens([OTHER]).for_dial("stan", [HERE])
    assert Tokens([SECRET, OTHER]).verify(token, {HERE}) == Verified("peer", proof, "stan")


# Forgeries.


def replaced(token: str, place: int, part: str) -> str:
    """A token with one of its three parts replaced."""
    parts = token.split(".")
    parts[place] = part
    return ".".join(parts)


FORGERIES: dict[str, Callable[[dict[str, Any]], str]] = {
    "no algorithm": lambda claims: jwt.encode(claims, None, "none"),  # type: ignore[arg-type]
    "another secret": lambda claims: jwt.encode(claims, OTHER, "HS256"),
    "another algorithm": lambda claims: jwt.encode(claims, SECRET * 2, "HS512"),
    "other claims": lambda claims: replaced(signed(role="read"), 1, segment(claims)),
    "no signature": lambda claims: replaced(signed(**claims), 2, ""),
    "another header": lambda claims: replaced(signed(**claims), 0, segment({"alg": "none"})),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_token_is_refused(forge: Callable[[dict[str, Any]], str]) -> None:
    assert error_of(forge(peer_claims())) == INVALID


@pytest.mark.parametrize("place", range(3))
def test_a_token_with_one_changed_character_is_refused(place: int) -> None:
    token = TOKENS.mint("read", 60, "x")
    part = token.split(".")[place]
    middle = len(part) // 2
    changed = "A" if part[middle] != "A" else "B"
    part = part[:middle] + changed + part[middle + 1 :]
    assert error_of(replaced(token, place, part)) == INVALID


HEADERS = ([], {"alg": []}, b"[" * 2500, b"9" * 2500)
UNSUPPORTED = ({"b64": False}, {"crit": ["x"]}, {"kid": 5})


@pytest.mark.parametrize("header", [*HEADERS, *({"alg": "HS256", **more} for more in UNSUPPORTED)])
def test_a_token_with_an_invalid_or_unsupported_header_is_refused(header: object) -> None:
    assert error_of(f"{segment(header)}.e30.e30") == INVALID


@pytest.mark.parametrize("token", ["", "x", "..", "a.b.c", "x" * (MAX_TOKEN + 1)])
def test_an_invalid_token_is_refused(token: str) -> None:
    assert error_of(token) == INVALID


@given(st.text(max_size=200) | st.binary(max_size=300).map(lambda data: f"{segment(data)}.e30.e30"))
def test_any_text_is_refused_as_a_token(token: str) -> None:
    assert error_of(token) == INVALID


@pytest.mark.parametrize("claims", [{"role": "admin"}, {"role": ""}, {"role": ["read"]}, {}])
def test_a_token_without_a_known_role_is_refused(claims: dict[str, Any]) -> None:
    assert error_of(signed(**claims)) == "the token has no role that this agent knows"


@pytest.mark.parametrize(
    "end", [{}, *({"exp": end} for end in (float("inf"), float("nan"), "x", [], None))]
)
def test_a_token_without_a_valid_end_is_refused(end: dict[str, Any]) -> None:
    assert error_of(encoded({"role": "read", **end})) == INVALID


# Peers.


def test_the_token_of_a_dial_has_its_claims() -> None:
    token, _ = TOKENS.for_dial("stan", [HERE, "db-1:7070"])
    claims = jwt.decode(token, SECRET, ["HS256"], audience=HERE)
    assert claims["role"] == "peer"
    assert claims["sub"] == "stan"
    assert claims["aud"] == [HERE, "db-1:7070"]
    assert claims["exp"] - claims["iat"] == PEER_TTL
    assert len(claims["nonce"]) >= 16


def test_the_error_at_another_address_names_both_addresses_in_its_detail() -> None:
    token, _ = TOKENS.for_dial("stan", [HERE])
    with pytest.raises(WrongToken) as caught:
        TOKENS.verify(token, {"10.0.0.6:7070"})
    assert str(caught.value) == ELSEWHERE
    assert HERE in caught.value.detail
    assert "10.0.0.6:7070" in caught.value.detail


@pytest.mark.parametrize("aud", [None, [], "", 5, {"a": 1}, [None], [[HERE]]])
def test_a_peer_without_a_valid_audience_is_refused(aud: Any) -> None:
    assert error_of(encoded(peer_claims(aud=aud))) == ELSEWHERE


def test_a_peer_is_accepted_once_at_the_address_that_it_dials_also_after_a_refusal(
    tokens: Tokens,
) -> None:
    token, proof = tokens.for_dial("stan", [HERE])
    assert error_of(token, tokens, "elsewhere:1") == ELSEWHERE
    assert tokens.verify(token, {HERE, "127.0.0.1:7070"}) == Verified("peer", proof, "stan")
    assert error_of(token, tokens) == USED
    # Also when the secrets are read again.
    assert error_of(token, Tokens([SECRET], tokens.used)) == USED


@pytest.mark.parametrize("nonce", [None, 5, [], {}])
def test_the_token_of_a_dial_without_a_nonce_is_refused(nonce: Any) -> None:
    assert error_of(signed(**peer_claims(nonce=nonce))) == USED


def test_a_token_that_would_have_to_be_remembered_for_long_is_refused(tokens: Tokens) -> None:
    token = signed(**peer_claims(exp=int(time.time()) + 3600))
    assert error_of(token, tokens) == "the token is valid for longer than a dial takes"
    assert tokens.used == {}


def test_used_tokens_are_forgotten_when_they_have_expired(tokens: Tokens) -> None:
    tokens.used["old"] = time.time() - 1
    tokens.verify(tokens.for_dial("stan", [HERE])[0], {HERE})
    assert "old" not in tokens.used
    assert len(tokens.used) == 1


def test_used_tokens_are_bounded(tokens: Tokens) -> None:
    tokens.used.update((str(number), float("inf")) for number in range(MAX_USED))
    token, _ = tokens.for_dial("stan", [HERE])
    assert error_of(token, tokens) == "too many agents have dialed this one within a minute"


@pytest.mark.parametrize("skew", [-SKEW + 2, SKEW - 2])
def test_the_clocks_of_agents_may_differ_a_little(tokens: Tokens, skew: int) -> None:
    now = int(time.time()) + skew
    token = signed(**peer_claims(iat=now, exp=now + PEER_TTL))
    assert tokens.verify(token, {HERE}).role == "peer"


@pytest.mark.parametrize(
    ("skew", "error"), [(3600, "the token is not valid yet: is a clock wrong?"), (-3600, EXPIRED)]
)
def test_a_clock_that_is_far_ahead_or_behind_is_an_error(skew: int, error: str) -> None:
    now = int(time.time()) + skew
    assert error_of(signed(**peer_claims(iat=now, exp=now + PEER_TTL))) == error


# Proofs.


def test_a_proof_is_for_one_token_and_from_one_secret() -> None:
    token, proof = TOKENS.for_dial("stan", [HERE])
    other_token = TOKENS.for_dial("stan", [HERE])[1]
    other_secret = Tokens([OTHER]).for_dial("stan", [HERE])[1]
    assert len({proof, other_token, other_secret}) == 3
    assert proof not in token
    assert token.rpartition(".")[2] not in proof
