"""Draws the measurements of bench/mesh.py."""

from collections.abc import Callable, Sequence
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
