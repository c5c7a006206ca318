"""Differences between views, and the result of a comparison, as sentences."""

from collections.abc import Iterable, Sequence

from nodnod_agent.console.diff import Difference, Report
from nodnod_agent.console.units import counted

MAX_NAMES = 6
"""Names that a list gives in full; a longer one ends with the number of the rest."""

MAX_REASONS = 3

_FORMS = {
    "one_way": "one-way: {nodes} {see} {observers} up, but {be} down for {observers}",
    "down": "{nodes} {be} down for {observers}",
    "unheard": "{nodes} {be} not known to {observers}",
    "left": "{nodes} {have} left for {observers}",
    "other_run": "{nodes} {be} another process for {observers} than the one that answered",
    "unasked": "{nodes} {be} up for {observers}, but could not be asked",
}

_VERBS = {"see": ("sees", "see"), "be": ("is", "are"), "have": ("has", "have")}


def sentences(differences: Sequence[Difference]) -> list[str]:
    """Return a sentence per difference; two directions of one broken link are one sentence."""
    result = []
    down = {(d.nodes, d.observers): d for d in differences if d.kind == "down" and not d.others}
    for one in differences:
        other = down.get((one.observers, one.nodes))
        if other is None or down.get((one.nodes, one.observers)) is not one:
            result.append(sentence(one))
        elif one.nodes < other.nodes:
            result.append(_mutual(one, other))
    return result


def _mutual(one: Difference, other: Difference) -> str:
    sides = _listed(one.nodes), _listed(other.nodes)
    if len(one.nodes) == len(other.nodes) == 1:
        text = "{} and {} are down for each other".format(*sides)
    else:
        text = "{} on one side and {} on the other are down for each other".format(*sides)
    return _with_reasons(text, sorted({*one.reasons, *other.reasons}))


def sentence(difference: Difference) -> str:
    """Describe one difference: nodes, observers, reasons, and how other nodes list them."""
    plural = len(difference.nodes) > 1
    text = _FORMS[difference.kind].format(
        nodes=_listed(difference.nodes),
        observers=_listed(difference.observers),
        **{verb: forms[plural] for verb, forms in _VERBS.items()},
    )
    text = _with_reasons(text, difference.reasons)
    for state, names in difference.others.items():
        text += f" · {state} for {_listed(names)}"
    return text


def _with_reasons(text: str, reasons: Sequence[str]) -> str:
    return f"{text}: {'; '.join(reasons[:MAX_REASONS])}" if reasons else text


def conclusion(report: Report) -> str:
    """Return the last line: how many agents were asked, and the result."""
    asked, up = counted(len(report.asked), "agent"), counted(len(report.up), "node")
    if report.differences:
        text = f"asked {asked}: their views differ"
    elif len(report.asked) < 2:
        text = f"asked {asked}, there is no other: {up} up"
    else:
        text = f"{asked} agree: {up} up"
    if report.down and not report.differences:
        text += f", {len(report.down)} down ({_listed(report.down)})"
    if report.old:
        text += f" · not asked, as version 1 has no view: {_listed(report.old)}"
    return text


def _listed(names: Iterable[str]) -> str:
    """Return ``a, b and c``; of a long list the first names and the number of the rest."""
    shown = list(names)
    if len(shown) > MAX_NAMES:
        rest = len(shown) - MAX_NAMES + 1
        shown[MAX_NAMES - 1 :] = [f"{rest} more"]
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)
