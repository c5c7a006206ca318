"""What is refused, what the client is told, and when its connection is closed."""

from typing import Any

import pytest

from core.harness import CoreHarness, FakeClient


@pytest.fixture
def client(harness: CoreHarness) -> FakeClient:
    return harness.client()


REFUSED: list[tuple[bytes, str, str]] = [
    (b"", "bad_json", "request is empty"),
    (b"null", "bad_request", "request must be a JSON object, got null"),
    (b"hello", "bad_json", "request is not JSON"),
    (b'{"type":0}x', "bad_json", "trailing characters"),
    (b"[" * 100_000, "bad_json", "request is nested too deeply"),
    (b'{"type":NaN}', "bad_json", "request is not JSON"),
    (b'{"type":99}', "unknown_type", "`type` must be one of 0, 1, 2, 3, 4, 5, 6, 7, got 99"),
    (b'{"type":-1}', "unknown_type", "got -1"),
    (b'{"type":' + b"9" * 4000 + b"}", "unknown_type", "got 999"),
    (b'{"statType":-1}', "bad_request", "`statType` must be 0, 1, 2 or 3, got -1"),
    (b'{"id":' + b"1" * 4000 + b"}", "bad_request", "`id` must be an integer of 53 bits or"),
    (b'{"id":"' + b"x" * 65 + b'"}', "bad_request", "or a string of at most 64 characters"),
    (b'{"timeout":"1"}', "bad_request", "`timeout` must be between 0.05 and 30"),
    (b'{"nodes":"kyle"}', "bad_request", "`nodes` must be a list of at most 256 node names"),
    (b'{"nodes":[1]}', "bad_request", "`nodes` must be a list"),
    (b'{"detail":"cpu"}', "bad_request", "`detail` must be a list"),
    (b'{"detail":["weather"]}', "unknown_section", "got 'weather'"),
    (b'{"history":604801}', "bad_request", "`history` must be seconds"),
    (b'{"match":["x"]}', "bad_request", "`match` must be a name or pattern of 1 to 128"),
    (b'{"every":1}', "bad_request", "`every` needs an `id`"),
    (b'{"type":2}', "bad_request", "`type` 2 needs the `id`"),
    (b'{"type":2,"id":1}', "no_such_stream", "1"),
    (b'{"type":4,"events":[' + b"1," * 2**17 + b"1]}", "bad_request", "more than 131072 commas"),
    (b'{"type":4}', "forbidden", "`type` 4 is for agents"),
]


@pytest.mark.parametrize(
    ("text", "code", "why"), REFUSED, ids=[text[:30].decode() for text, _, _ in REFUSED]
)
def test_a_refusal_says_what_is_wrong_and_the_next_request_is_answered(
    client: FakeClient, text: bytes, code: str, why: str
) -> None:
    client.say(text)
    answer = client.answer
    assert (answer["host"], answer["nodes"], answer["code"]) == ("own", {}, code)
    assert why in answer["error"]
    assert len(answer["error"]) < 300
    client.ask()
    assert client.answers[-1]["error"] == ""


@pytest.mark.parametrize("request_", [{"type": 99}, {"timeout": 0}, {"detail": ["weather"]}])
def test_a_refusal_has_the_id_of_its_request(client: FakeClient, request_: dict[str, Any]) -> None:
    client.ask(id="mine", **request_)
    assert list(client.answer) == ["host", "nodes", "error", "code", "id"]
    assert client.answer["id"] == "mine"


@pytest.mark.parametrize("bad", [{"type": "nonsense"}, {"type": 99}, {"type": 2, "id": 5}])
def test_ten_refusals_in_a_row_close_the_connection_with_1008(
    client: FakeClient, bad: dict[str, Any]
) -> None:
    for _ in range(10):
        for _ in range(9):
            client.ask(**bad)
        client.ask()
    assert client.wire.open
    for _ in range(10):
        assert client.wire.open
        client.ask(**bad)
    assert client.wire.closed == (1008, "10 bad requests in a row")
    client.ask(**bad)
    client.ask()
    assert len(client.answers) == 110
