"""Draws the measurements of bench/mesh.py and bench/backplane.py."""

from collections.abc import Callable, Mapping, Sequence
from math import nan
from typing import Any

import matplotlib as mpl

mpl.use("agg")  # draws into files and needs no screen

from matplotlib import pyplot


def _scaled(field: str, scale: float = 1.0) -> Callable[[Any], float]:
    return lambda one: getattr(one, field) * scale


PANELS: tuple[tuple[str, dict[str, Callable[[Any], float]]], ...] = (
    (
        "cluster answer, ms",
        {
            "p99": _scaled("p99_ms"),
            "CPU of all agents": _scaled("cpu_per_answer_ms"),
            "p50": _scaled("p50_ms"),
        },
    ),
    ("whole after the last has started, s", {"": _scaled("whole")}),
    (
        "memory of an agent, MB",
        {"RSS": _scaled("rss_bytes", 1e-6), "PSS": _scaled("pss_bytes", 1e-6)},
    ),
    ("idle CPU of an agent, % of a core", {"": _scaled("idle_cpu_percent")}),
)
"""The title of each panel -> its lines."""


def draw(all_figures: Sequence[Any], path: str) -> None:
    """Draw one panel for each figure, over the number of agents, into a PNG file.

    ``all_figures`` are the figures of each size of cluster: ``bench.mesh.ClusterFigures``.
    """
    figure, axes = pyplot.subplots(2, 2, figsize=(9, 6), layout="constrained")
    sizes = [one.agents for one in all_figures]
    for axis, (title, lines) in zip(axes.flat, PANELS, strict=True):
        for label, value in lines.items():
            axis.plot(sizes, [value(one) for one in all_figures], marker="o", label=label)
        axis.set_title(title, fontsize=10)
        axis.set_xticks(sizes)
        axis.set_xlim(left=0)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        if any(lines):
            axis.legend(frameon=False, fontsize=9)
    figure.supxlabel("agents", fontsize=10)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


BACKPLANE_PANELS: tuple[tuple[str, dict[str, str]], ...] = (
    (
        "cluster answer, ms",
        {
            "p50, one after the other": "answer, one after the other: p50, ms",
            "p50, one a second": "answer, one a second: p50, ms",
            "CPU of all, one after the other": "… CPU of all, ms",
        },
    ),
    (
        "seconds until it is shown",
        {
            "that an agent is killed": "one that is killed is down, s",
            "all, by a new agent": "a new agent shows all, s",
        },
    ),
    (
        "CPU while one client watches, % of a core",
        {
            "viewer": "CPU of the viewer, 1 viewer, %",
            "registrar": "CPU of a registrar, 1 viewer, %",
            "each other": "CPU of each other, 1 viewer, %",
        },
    ),
    (
        "bytes/s of each other agent",
        {
            "1 viewer": "bytes/s of each other, 1 viewer",
            "unwatched": "bytes/s of each other, unwatched",
        },
    ),
)
"""The title of each panel -> the label of each line, and its row in the table."""


def draw_backplane(columns: Mapping[str, Mapping[str, float]], path: str) -> None:
    """Draw the columns of the table of bench/backplane.py: NATS, and dashed the mesh, on logarithmic axes."""
    figure, axes = pyplot.subplots(2, 2, figsize=(9, 6.5), layout="constrained")
    for axis, (title, lines) in zip(axes.flat, BACKPLANE_PANELS, strict=True):
        for number, (label, row) in enumerate(lines.items()):
            for kind, style in (("NATS", "-"), ("mesh", "--")):
                sizes = [name for name in columns if name.endswith(f" {kind}")]
                numbers = [columns[name].get(row, nan) for name in sizes]
                if any(one == one for one in numbers):
                    x = [int(name.split()[0]) for name in sizes]
                    text = label if kind == "NATS" else f"{label}, mesh"
                    axis.plot(x, numbers, style, marker="o", label=text, color=f"C{number}")
        axis.set_title(title, fontsize=10)
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.grid(alpha=0.3)
        axis.legend(frameon=False, fontsize=8)
    figure.supxlabel("nodes", fontsize=10)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
