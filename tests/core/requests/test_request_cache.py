"""The request cache: the same question is decoded once, and never taken for another."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodnod_agent.core.requests import request_cache as request_cache_module
from nodnod_agent.core.requests.request_cache import MAX_REQUESTS, RequestCache
from nodnod_client.errors import RequestError


@pytest.fixture
def cache() -> RequestCache:
    return RequestCache()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The texts that were decoded."""
    texts: list[bytes] = []
    decode = request_cache_module.decode_request

    def note(text: bytes) -> object:
        texts.append(text)
        return decode(text)

    monkeypatch.setattr(request_cache_module, "decode_request", note)
    return texts


def request(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_a_question_is_decoded_once_whatever_its_ids(
    cache: RequestCache, decoded: list[bytes]
) -> None:
    first, *others = [
        cache.parse(request(type=1, timeout=3, id=number)) for number in (0, 7, 10**14)
    ]

    assert len(decoded) == 1
    assert [number for _, number in (first, *others)] == [0, 7, 10**14]
    assert all(parsed is first[0] for parsed, _ in others)
    assert (first[0].kind, first[0].question.local, first[0].timeout) == (1, False, 3.0)


def test_a_question_without_an_id_has_none_and_is_decoded_once(
    cache: RequestCache, decoded: list[bytes]
) -> None:
    for _ in range(3):
        assert cache.parse(request(type=1))[1] is None
    assert len(decoded) == 1


@pytest.mark.parametrize("number", ["x", -1, 2**53 - 1, None])
def test_another_id_is_decoded_each_time_and_kept(cache: RequestCache, number: object) -> None:
    cache.parse(request(type=1, id=5))
    assert cache.parse(request(type=1, id=number))[1] == number


@pytest.mark.parametrize("kind", [2, 3, 4, 9])
def test_only_questions_are_cached(cache: RequestCache, decoded: list[bytes], kind: int) -> None:
    for number in (1, 2):
        assert cache.parse(request(type=kind, id=number))[1] == number
    assert len(decoded) == 2


def test_a_bad_request_is_refused_each_time_with_its_own_id(cache: RequestCache) -> None:
    for number in (1, 2):
        with pytest.raises(RequestError) as refusal:
            cache.parse(request(type=1, timeout="soon", id=number))
        assert refusal.value.id == number


def test_the_cache_is_bounded(cache: RequestCache) -> None:
    for number in range(10 * MAX_REQUESTS):
        cache.parse(request(type=1, timeout=1 + number / 1000, id=1))
        assert len(cache._parsed) <= MAX_REQUESTS


@pytest.mark.parametrize(
    "text", [request(type=1, nodes=["x" * 60] * 10, id=1), b'{"id":' + b" " * 999 + b"1}"]
)
def test_a_long_request_is_not_kept(cache: RequestCache, text: bytes) -> None:
    cache.parse(text)
    assert not cache._parsed


def test_nothing_is_kept_but_what_stands_before_the_id(cache: RequestCache) -> None:
    cache.parse(b'{"type":1,"id":5}')
    ((beginning, parsed),) = cache._parsed.items()
    assert (beginning, parsed.text) == (b'{"type":1,', b"")


VALID = [
    b'{"type":1,"id":5}',
    b'{"type":1}',
    b'{"type":1,"id":5,"a\\"id":5}',
    b'{"id":5,"a":{"id":5}}',
    b'{"type":1,"a":"\\\\","id": 7}',
    b'{"id":1}',
    b"{}",
]


@given(st.lists(st.lists(st.tuples(st.sampled_from(VALID), st.slices(24)), max_size=3), max_size=8))
def test_a_text_is_read_the_same_whatever_was_read_before(
    texts: list[list[tuple[bytes, slice]]],
) -> None:
    cache = RequestCache()
    for text in (*VALID, *(b"".join(one[part] for one, part in parts) for parts in texts)):
        assert outcome(cache, text) == outcome(RequestCache(), text)


@pytest.mark.parametrize(
    "text", [b'{"type":1,', b'{"type":1}"id":5}', b'{"type":1,"id":5,"a\\"id":9}', b'"id":5}']
)
def test_what_is_no_request_is_refused_whatever_was_read_before(
    cache: RequestCache, text: bytes
) -> None:
    for valid in VALID:
        cache.parse(valid)
    assert outcome(cache, text) == outcome(RequestCache(), text)


def outcome(cache: RequestCache, text: bytes) -> object:
    try:
        parsed, number = cache.parse(text)
    except RequestError as error:
        return error.code, error.id
    return parsed.kind, parsed.question, parsed.timeout, number


IDS = st.one_of(st.integers(-9, 2**53 - 1), st.text(max_size=3), st.none())
FIELDS = {
    "type": st.integers(0, 1),
    "statType": st.integers(0, 3),
    "timeout": st.sampled_from([1, 2.5]),
    "nodes": st.lists(st.sampled_from(["a", 'b"', '","id":5}']), max_size=2),
    "id": IDS,
    "unknown": st.one_of(IDS, st.dictionaries(st.just("id"), st.integers(0, 9))),
}
ORDERS = st.permutations(list(FIELDS)).flatmap(
    lambda names: st.tuples(*(st.tuples(st.just(name), FIELDS[name]) for name in names))
)
TEXTS = st.tuples(ORDERS, st.integers(0, len(FIELDS)), st.sampled_from([(",", ":"), (", ", ": ")]))


@given(st.lists(TEXTS, max_size=6))
def test_what_is_parsed_is_what_is_decoded(
    requests: list[tuple[tuple[tuple[str, Any], ...], int, tuple[str, str]]],
) -> None:
    cache = RequestCache()
    for fields, size, separators in requests:
        text = json.dumps(dict(fields[:size]), separators=separators).encode()
        for _ in range(2):
            parsed, number = cache.parse(text)
            alone, expected = RequestCache().parse(text)
            assert number == expected == json.loads(text).get("id")
            assert (parsed.kind, parsed.question, parsed.timeout, parsed.request.every) == (
                alone.kind,
                alone.question,
                alone.timeout,
                alone.request.every,
            )
