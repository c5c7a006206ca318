"""The panels of what runs on a machine: processes, services and containers."""

from collections.abc import Callable

from msgspec import UNSET
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nodnod_agent.console.table import panel_table
from nodnod_agent.console.units import counted, human_bytes, human_span, percent, plain, rate
from nodnod_client.sections import (
    Container,
    Containers,
    Process,
    Processes,
    ProcessSums,
    ServiceProblem,
    Services,
)

_MAX_CONTAINERS = 20
"""Containers shown, those that use most CPU first."""

_MAX_PROCESSES = 8
"""Processes shown of each list."""

_WIDE_PROCESSES = 110
"""Characters from which a process is shown with all its numbers."""

_WIDE_CONTAINERS = 190
"""Characters from which a container is shown with all its numbers."""

_PROCESS_COLUMNS: dict[str, Callable[[Process, float], str]] = {
    "PID": lambda row, _: str(row.pid),
    "CPU": lambda row, _: f"{row.cpu:.0f}%",
    "Memory": lambda row, _: human_bytes(row.rss),
    "Read": lambda row, _: rate(row.read_bytes),
    "Written": lambda row, _: rate(row.write_bytes),
    "Threads": lambda row, _: "-" if row.threads is None else str(row.threads),
    "State": lambda row, _: plain(row.state, 10) or "-",
    "Age": lambda row, now: "-" if row.started is None else human_span(now - row.started),
}
"""The numbers of a process by their titles; the last argument is the time in Unix seconds."""


_CONTAINER_COLUMNS: dict[str, Callable[[Container, float], str]] = {
    "CPU": lambda row, _: "-" if row.cpu is None else percent(row.cpu),
    "Of limit": lambda row, _: "-" if row.cpu_of_limit is None else percent(row.cpu_of_limit),
    "Memory": lambda row, _: "-" if row.memory_used is None else human_bytes(row.memory_used),
    "Limit": lambda row, _: "-" if row.memory_limit is None else human_bytes(row.memory_limit),
    "Received": lambda row, _: rate(row.recv_bytes),
    "Sent": lambda row, _: rate(row.sent_bytes),
    "Read": lambda row, _: rate(row.read_bytes),
    "Written": lambda row, _: rate(row.write_bytes),
    "Processes": lambda row, _: "-" if row.processes is None else str(row.processes),
    "Restarts": lambda row, _: "-" if row.restarts is None else str(row.restarts),
    "Age": lambda row, now: "-" if row.since is None else human_span(now - row.since),
}
"""The numbers of a container by their titles; the last argument is the time in Unix seconds."""


def processes_panel(processes: Processes, width: int, now: float) -> RenderableType:
    """Return the top processes, or those that match and their sums."""
    sums = processes.sums
    if sums is not UNSET:
        matching = processes.matching or []
        parts: list[RenderableType] = [Text(_sums(sums, processes.count), "dim")]
        if matching:
            columns = ("PID", "CPU", "Memory")
            parts.append(_process_table("Matching", matching, columns, width, now))
        if (more := sums.count - len(matching)) > 0:
            parts.append(Text(f"and {more} more", "dim"))
        return Group(*parts)
    lists = (
        ("CPU", processes.by_cpu, ("PID", "CPU", "Memory")),
        ("memory", processes.by_memory, ("PID", "CPU", "Memory")),
        ("disk I/O", processes.by_io, ("PID", "Read", "Written")),
    )
    tables: list[RenderableType] = [Text(f"{processes.count} processes", "dim")]
    for what, rows, narrow in lists:
        if not rows and rows is processes.by_io:
            continue
        tables.append(_process_table(f"Most {what}", rows[:_MAX_PROCESSES], narrow, width, now))
    return Group(*tables)


def _process_table(
    title: str, rows: list[Process], narrow: tuple[str, ...], width: int, now: float
) -> Table:
    """A table of processes; where there is little room, only of the columns ``narrow``."""
    titles = tuple(_PROCESS_COLUMNS) if width >= _WIDE_PROCESSES else narrow
    table = panel_table(title, "User", right=titles)
    table.columns[0].width = max(10, min(28, width - 16 - 8 * len(titles)))
    for row in rows:
        cells = [Text(_PROCESS_COLUMNS[title](row, now)) for title in titles]
        table.add_row(Text(plain(row.name)), Text(plain(row.user)), *cells)
    return table


def _sums(sums: ProcessSums, count: int) -> str:
    threads = [] if sums.threads is None else [counted(sums.threads, "thread")]
    parts = [
        f"{sums.count} of {count} processes match",
        f"CPU {sums.cpu:.0f}%",
        f"memory {human_bytes(sums.rss)}",
        *threads,
        f"read {rate(sums.read_bytes)}",
        f"written {rate(sums.write_bytes)}",
    ]
    return "   ".join(parts)


def services_panel(services: Services, width: int, now: float) -> RenderableType:
    """Return the services in trouble, and the top ones."""
    parts: list[RenderableType] = []
    if services.error is not UNSET:
        parts.append(Text(plain(services.error), "red"))
    if services.count is not None:
        parts.append(Text(f"{services.count} services, {services.failed or 0} failed", "dim"))
    if services.problems:
        table = panel_table("In trouble", "State", "Last end", right=("For", "Restarts"))
        table.columns[0].width = max(10, min(28, width - 50))
        for row in services.problems:
            since = "-" if row.since is None else human_span(now - row.since)
            restarts = "-" if row.restarts is None else str(row.restarts)
            cells = (plain(row.name), plain(row.state, 14), _last_end(row), since, restarts)
            table.add_row(*(Text(cell, "red") for cell in cells))
        parts.append(table)
    table = panel_table("Top services", right=("CPU", "Memory"))
    table.columns[0].width = max(10, min(40, width - 24))
    for use in services.by_cpu[:_MAX_PROCESSES]:
        cpu = "-" if use.cpu is None else f"{use.cpu:.0f}%"
        memory = "-" if use.memory is None else human_bytes(use.memory)
        table.add_row(Text(plain(use.name)), cpu, memory)
    return Group(*parts, *([table] if services.by_cpu else []))


def _last_end(problem: ServiceProblem) -> str:
    """How the main process of a service ended last."""
    if problem.error is not UNSET:
        return plain(problem.error, 40)
    if problem.signal is not None:
        return f"{plain(problem.result, 20)} (signal {problem.signal})"
    status = "" if problem.exit_status is None else f" ({problem.exit_status})"
    return plain(problem.result, 20) + status


def containers_panel(section: Containers, width: int, now: float) -> RenderableType:
    """Return the containers that use most CPU, and why not all is known of them."""
    lines: list[RenderableType] = [Text(f"{section.count} containers", "dim")]
    if section.note is not UNSET:
        lines.append(Text(plain(section.note), "yellow"))
    wide = width >= _WIDE_CONTAINERS
    titles = tuple(_CONTAINER_COLUMNS) if wide else ("CPU", "Memory", "Received", "Sent")
    table = panel_table("Container", "State", *(("Image",) if wide else ()), right=titles)
    table.columns[0].width = max(10, min(28, width - 58))
    for row in section.containers[:_MAX_CONTAINERS]:
        bad = row.health == "unhealthy" or row.state in ("restarting", "dead")
        state = " ".join(plain(word) for word in (row.state, row.health) if word)
        table.add_row(
            Text(plain(row.name or row.id[:12])),
            Text(state, "red" if bad else ""),
            *([Text(plain(row.image or "", 24), "dim")] if wide else []),
            *(_CONTAINER_COLUMNS[title](row, now) for title in titles),
        )
    return Group(*lines, table) if section.containers else Group(*lines)
