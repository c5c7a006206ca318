"""The report of a load: percentiles, summary, tables."""

from collections.abc import Iterable, Iterator, Sequence

from bench.harness.load import Outcome


def percentile(ascending: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` percent of the values do not exceed; 0.0 without values."""
    if not ascending:
        return 0.0
    rank = -(-len(ascending) * share // 100)  # rounded up
    return ascending[max(int(rank), 1) - 1]


def milliseconds(outcome: Outcome, *shares: float) -> list[float]:
    """The latencies at these percentiles."""
    ascending = sorted(outcome.latencies)
    return [1000 * percentile(ascending, share) for share in shares]


def summary(outcome: Outcome) -> Iterator[str]:
    """The lines that end a run of concurrent.py."""
    p50, p90, p99 = milliseconds(outcome, 50, 90, 99)
    yield "====SUMMARY===="
    yield f"Total Duration: {duration(outcome.duration)}"
    yield f"Total number of requests: {outcome.requests}"
    yield f"Total number of responses: {outcome.responses}"
    yield f"Total number of missing responses: {outcome.missing}"
    yield f"Total number of failed responses: {outcome.failed}"
    yield f"Total number of invalid responses: {outcome.invalid}"
    yield f"Requests per second: {outcome.rate:,.0f}"
    yield f"Latency: p50 {p50:.3f} ms, p90 {p90:.3f} ms, p99 {p99:.3f} ms"
    yield "========"


def duration(seconds: float) -> str:
    """In the format of Go, with four digits."""
    if seconds >= 1:
        return f"{seconds:.4g}s"
    return f"{seconds * 1000:.4g}ms"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines with aligned columns: the first to the left, the others to the right."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        yield "  ".join(cells)


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print such a table."""
    print("\n".join(table(head, rows)))


def print_records(records: Sequence[dict[str, str]]) -> None:
    """Print a table of records, whose keys are its head."""
    print_table(list(records[0]), [list(record.values()) for record in records])
