import pytest

from bench.harness.load import Outcome
from bench.harness.report import duration, milliseconds, percentile, summary, table


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 50, 0.0),
        ([7.0], 1, 7.0),
        ([7.0], 100, 7.0),
        ([1.0, 2.0], 50, 1.0),
        ([1.0, 2.0], 51, 2.0),
        ([float(n) for n in range(1, 101)], 50, 50.0),
        ([float(n) for n in range(1, 101)], 99, 99.0),
        ([float(n) for n in range(1, 1001)], 99.9, 999.0),
    ],
)
def test_a_percentile_is_one_of_the_values(values, share, expected):
    assert percentile(values, share) == expected


def test_percentiles_of_latencies_are_in_milliseconds():
    outcome = Outcome(requests=3, latencies=[0.003, 0.001, 0.002])
    assert milliseconds(outcome, 50, 100) == [2.0, 3.0]


def test_the_summary_counts_missing_failed_and_invalid_responses():
    outcome = Outcome(
        requests=10, responses=8, failed=1, invalid=3, duration=0.5, latencies=[0.001] * 8
    )
    assert list(summary(outcome)) == [
        "====SUMMARY====",
        "Total Duration: 500ms",
        "Total number of requests: 10",
        "Total number of responses: 8",
        "Total number of missing responses: 2",
        "Total number of failed responses: 1",
        "Total number of invalid responses: 3",
        "Requests per second: 16",
        "Latency: p50 1.000 ms, p90 1.000 ms, p99 1.000 ms",
        "========",
    ]


def test_a_summary_without_answers_has_a_rate_of_zero():
    assert "Requests per second: 0" in list(summary(Outcome(requests=5)))


@pytest.mark.parametrize(
    ("fault", "good"),
    [({}, True), ({"responses": 1}, False), ({"failed": 1}, False), ({"invalid": 1}, False)],
)
def test_an_outcome_is_good_if_every_request_got_what_was_expected(fault, good):
    assert Outcome(**{"requests": 2, "responses": 2, **fault}).good is good


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0064371, "6.437ms"), (0.9, "900ms"), (1.5, "1.5s"), (83.333, "83.33s")]
)
def test_a_duration_reads_as_in_go(seconds, text):
    assert duration(seconds) == text


def test_the_columns_of_a_table_are_aligned():
    assert list(table(["load", "n"], [["a", "1"], ["longer", "1,000"]])) == [
        "load        n",
        "a           1",
        "longer  1,000",
    ]
