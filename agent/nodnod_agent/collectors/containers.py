"""The ``containers`` section: the containers of this machine, by their cgroups and engines."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import UNSET, structs

from nodnod_agent.collectors.container_files import ContainerFiles, Usage, parse_field
from nodnod_agent.collectors.container_groups import Group, Trees, read_file
from nodnod_agent.collectors.processes import MIN_INTERVAL, NotReady
from nodnod_agent.core.stats.rates import per_second, percent
from nodnod_client.sections import Container, Containers

if TYPE_CHECKING:
    from nodnod_agent.collectors.container_engines import Answers, Engines, Known

MAX_ROWS = 200
"""Containers of which the files are read: a reading of 200 takes 20 ms."""

LIMITS_EVERY = 5.0
"""Seconds between two readings of the limits, which are a third of the files."""

_RATES = ("read_bytes", "write_bytes", "recv_bytes", "sent_bytes")
"""Rates of the section, each of the counter of the same name."""


def open_engines() -> "Engines":
    """The engines of this machine. The library for HTTP is loaded with the first demand: 2 MB."""
    from nodnod_agent.collectors.container_engines import Engines

    return Engines()


class ContainersCollector:
    """Reads the cgroup files of containers; engines are asked beside it, for names."""

    def __init__(
        self,
        open_trees: Callable[[], Trees] = Trees,
        open_engines: Callable[[], "Engines"] = open_engines,
        cores: int | None = None,
    ) -> None:
        self._open_trees = open_trees
        self._open_engines = open_engines
        self._cores = cores
        self._engines: Engines | None = None
        self._trees: Trees | None = None
        self._files: dict[Group, ContainerFiles] = {}
        self._before: dict[Group, Usage] = {}
        self._when: float | None = None
        self._limits_at = -LIMITS_EVERY

    def read(self, now: float) -> Containers | NotReady | None:
        """The section since the previous reading; NotReady at the first.

        None on a machine without containers and engines.
        """
        when = self._when
        if when is not None and now - when < MIN_INTERVAL:
            return NotReady()
        if self._trees is None:
            self._trees = self._open_trees()
        if self._engines is None:
            self._engines = self._open_engines()
        self._engines.ask(now)
        groups = self._trees.find()
        before, self._when = self._before, now
        self._before = usage = self._read_groups(groups[:MAX_ROWS], self._trees, now)
        if when is None:
            return NotReady()
        return self._section(groups, before, usage, now - when)

    def reset(self) -> None:
        """Drop the previous reading, and what the engines said."""
        self._trees, self._files, self._before, self._when = None, {}, {}, None
        if self._engines is not None:
            self._engines.reset()

    def _read_groups(self, groups: Iterable[Group], trees: Trees, now: float) -> dict[Group, Usage]:
        hosts = trees.host_networks()
        files = {group: self._files.get(group) or ContainerFiles(group, trees) for group in groups}
        self._files = files
        if now - self._limits_at >= LIMITS_EVERY:
            self._limits_at = now
            for group, one in files.items():
                if one.is_complete:
                    one.read_limits()
                else:
                    files[group] = ContainerFiles(group, trees)
        readings = ((group, one.read(hosts)) for group, one in files.items())
        return {group: usage for group, usage in readings if usage is not None}

    def _section(
        self,
        groups: list[Group],
        before: Mapping[Group, Usage],
        usage: Mapping[Group, Usage],
        elapsed: float,
    ) -> Containers | None:
        answers = self._engines.answers if self._engines else None
        known = answers.containers if answers else {}
        boot = parse_field(read_file(f"{self._trees.proc}/stat"), b"btime") if self._trees else None
        rows = []
        for group, now in usage.items():
            told = known.get(group.id)
            if told is None or not told.infra:
                row = _row(group, told, now, boot)
                if row.state is None and now.processes:
                    state = "paused" if self._files[group].is_frozen() else "running"
                    row = structs.replace(row, state=state)
                cores = self._cores or os.cpu_count() or 1  # it may change
                rows.append(_with_rates(row, before.get(group), now, elapsed, cores))
        rows.sort(key=lambda row: (row.cpu or 0, row.memory_used or 0), reverse=True)
        unread = max(0, len(groups) - MAX_ROWS)
        notes = [_why_unknown(answers, sum(not row.name for row in rows))]
        if unread:
            notes.append(f"{unread} more are not read: at most {MAX_ROWS} are")
        note = "; ".join(filter(None, notes))
        running = {group.id for group in groups}
        rows += [
            Container(id_, told.name, told.engine, told.image, told.state, told.health)
            for id_, told in known.items()
            # Without a state it was known once, to an engine that fails now, and may be gone.
            if id_ not in running and told.state and not told.infra
        ]
        if not rows and not (answers and answers.engine):
            return None
        return Containers(len(rows) + unread, rows[:MAX_ROWS], note or UNSET)


def _row(group: Group, told: "Known | None", now: Usage, boot: float | None) -> Container:
    """The row of a container without its rates."""
    since = None if boot is None or now.started is None else round(boot + now.started, 2)
    return Container(
        id=group.id,
        name=(told and told.name) or group.name,
        engine=group.engine,
        image=told and told.image,
        state=told and told.state,
        health=told and told.health,
        since=since,
        cpu_limit=now.cpu_limit,
        memory_used=now.memory,
        memory_limit=now.memory_limit,
        processes=now.processes,
        restarts=told and told.restarts,
    )


def _with_rates(
    row: Container, before: Usage | None, now: Usage, elapsed: float, cores: int
) -> Container:
    if before is None:
        return row

    def rate(field: str) -> float | None:
        then, after = getattr(before, field), getattr(now, field)
        return None if then is None or after is None else per_second(then, after, elapsed)

    used, rates = rate("cpu"), {name: rate(name) for name in _RATES}
    limit = now.cpu_limit
    return structs.replace(
        row,
        cpu=None if used is None else round(percent(used, cores), 2),
        cpu_of_limit=None if used is None or limit is None else round(percent(used, limit), 2),
        **{name: None if value is None else round(value, 1) for name, value in rates.items()},
    )


def _why_unknown(answers: "Answers | None", unnamed: int) -> str:
    """Why not all is known; empty if all is."""
    if answers is None:
        return "the engines have not answered yet"
    if answers.errors:
        return "; ".join(answers.errors)
    if not unnamed:
        return ""
    if not answers.engine:
        return "no socket of Docker or Podman, which know the names"
    return f"{unnamed} of the containers are not known to an engine that can be asked"
