"""What differs between views, and what a comparison of them comes to, in words."""

from collections.abc import Iterable, Sequence

from nodnod_agent.console.agree import Difference, Report

__all__ = ["conclusion", "sentence"]

MOST_NAMES = 6
"""Names that a list gives in full; of more it says how many."""

MOST_REASONS = 3

_FORMS = {
    "one_way": "one-way: {nodes} {see} {observers} up, but {be} down for {observers}",
    "down": "{nodes} {be} down for {observers}",
    "unheard": "{nodes} {be} not known to {observers}",
    "left": "{nodes} {have} left for {observers}",
    "other_run": "{nodes} {be} another process for {observers} than the one that was asked",
    "unasked": "{nodes} {be} up for {observers}, but could not be asked",
}

_VERBS = {"see": ("sees", "see"), "be": ("is", "are"), "have": ("has", "have")}


def sentence(difference: Difference) -> str:
    """One difference in one line: who, for whom, why, and how others see it."""
    many = len(difference.nodes) > 1
    text = _FORMS[difference.kind].format(
        nodes=_listed(difference.nodes),
        observers=_listed(difference.observers),
        **{verb: forms[many] for verb, forms in _VERBS.items()},
    )
    if difference.reasons:
        text += f": {'; '.join(difference.reasons[:MOST_REASONS])}"
    for state, names in difference.others.items():
        text += f" · {state} for {_listed(names)}"
    return text


def conclusion(report: Report) -> str:
    """The last line, or the only one: who was asked, and what came of it."""
    asked = _counted(report.asked, "agent")
    if report.differences:
        text = f"asked {asked}: their views differ"
    elif len(report.asked) < 2:
        text = f"asked {asked}, there is no other: {_counted(report.up, 'node')} up"
    else:
        text = f"{asked} agree: {_counted(report.up, 'node')} up"
    if report.down and not report.differences:
        text += f", {len(report.down)} down ({_listed(report.down)})"
    if report.old:
        text += f" · version 1, with no view to ask for: {_listed(report.old)}"
    return text


def _counted(names: Sequence[str], what: str) -> str:
    return f"1 {what}" if len(names) == 1 else f"{len(names)} {what}s"


def _listed(names: Iterable[str]) -> str:
    """``a, b and c``; of many the first few, and how many more."""
    shown = list(names)
    if len(shown) > MOST_NAMES:
        rest = len(shown) - MOST_NAMES + 1
        shown[MOST_NAMES - 1 :] = [f"{rest} more"]
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)
