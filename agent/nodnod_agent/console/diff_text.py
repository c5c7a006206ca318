"""What differs between views, and what a comparison of them comes to, in words."""

from collections.abc import Iterable, Sequence

from nodnod_agent.console.diff import Difference, Report

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


def sentences(differences: Sequence[Difference]) -> list[str]:
    """All of them, those that are two sides of one thing in one line."""
    told = []
    sides = {(d.nodes, d.observers): d for d in differences if d.kind == "down" and not d.others}
    for one in differences:
        other = sides.get((one.observers, one.nodes))
        if other is None or sides.get((one.nodes, one.observers)) is not one:
            told.append(sentence(one))
        elif one.nodes < other.nodes:
            told.append(_mutual(one, other))
    return told


def _mutual(one: Difference, other: Difference) -> str:
    sides = _listed(one.nodes), _listed(other.nodes)
    if len(one.nodes) == len(other.nodes) == 1:
        text = "{} and {} are down for each other".format(*sides)
    else:
        text = "{} on one side and {} on the other are down for each other".format(*sides)
    return _because(text, sorted({*one.reasons, *other.reasons}))


def sentence(difference: Difference) -> str:
    """One difference in one line: who, for whom, why, and how others see it."""
    many = len(difference.nodes) > 1
    text = _FORMS[difference.kind].format(
        nodes=_listed(difference.nodes),
        observers=_listed(difference.observers),
        **{verb: forms[many] for verb, forms in _VERBS.items()},
    )
    text = _because(text, difference.reasons)
    for state, names in difference.others.items():
        text += f" · {state} for {_listed(names)}"
    return text


def _because(text: str, reasons: Sequence[str]) -> str:
    return f"{text}: {'; '.join(reasons[:MOST_REASONS])}" if reasons else text


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
