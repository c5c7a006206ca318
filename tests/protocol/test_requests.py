"""From keywords to requests."""

import math

import pytest

from nodnod_client.codec import encode
from nodnod_client.errors import StatFailedError
from nodnod_client.messages import Request, RequestType, StatType
from nodnod_client.requests import build_request, for_version_1


def test_a_plain_question_is_as_short_as_version_1_has_it() -> None:
    assert encode(build_request(RequestType.STAT_ALL)) == b'{"type":1}'


def test_the_deadline_goes_out_as_timeout() -> None:
    request = build_request(RequestType.STAT, deadline=0.5, stat_type=StatType.CPU)
    assert encode(request) == b'{"statType":1,"timeout":0.5}'


def test_a_single_text_stands_for_a_list_of_one() -> None:
    request = build_request(RequestType.STAT_ALL, nodes="db-*", detail=("cpu", "load"))
    assert request.nodes == ["db-*"]
    assert request.detail == ["cpu", "load"]


@pytest.mark.parametrize("field", ["history", "deadline", "every"])
@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf])
def test_seconds_that_json_cannot_say_are_refused(field: str, seconds: float) -> None:
    with pytest.raises(ValueError, match=f"`{field}`"):
        build_request(RequestType.STAT, **{field: seconds})  # type: ignore[arg-type]


def test_nodes_are_refused_for_a_single_node() -> None:
    with pytest.raises(ValueError, match="`nodes`"):
        build_request(RequestType.STAT, nodes="kyle")


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("nodes", Request(type=1, nodes=["a"])),
        ("detail", Request(detail=["cpu"])),
        ("history", Request(history=60.0)),
        ("every", Request(every=1.0)),
    ],
)
def test_what_version_1_would_ignore_is_refused(field: str, request_: Request) -> None:
    with pytest.raises(StatFailedError, match=f"`{field}` needs a version-2 agent"):
        for_version_1(request_, "ws://x/")


def test_version_1_is_asked_for_all_stats_and_without_a_deadline() -> None:
    request = build_request(RequestType.STAT_ALL, stat_type=StatType.DISK, deadline=3.0)
    assert for_version_1(request, "ws://x/") == Request(type=1)
