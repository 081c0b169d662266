"""What the pages on LocoGen say they found: rows of tables, claims, and sentences in which every number is computed."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ... import scores
from ...claims import IN_WORDS
from ...models import NOWHERE, Spec, find
from ...scores import NOTHING, Interval, columns, proportion
from . import report_outcomes, searching
from .comparing import Answer
from .layer_sets import label, window_label
from .searching import Sweep
from .units import NOUNS, about_whom, effects, groups_of, unit_of

_UNKNOWN = "not said"
NUMBERS = {
    "share": "share of the effect of all layers",
    "lead": "lead on the best window elsewhere, in shares",
    "picked": "scorer picks the target, share of images",
    "full": "effect of all layers, points",
    "known": "share of the known window",
}
LIMITS = {
    "share": (-0.25, 1.5),
    "lead": (-0.5, 1.5),
    "picked": (0, 1),
    "known": (-0.25, 1.5),
}  # of their axes: an interval of little n would leave no room for others
INTERVALS = [
    "share",
    "lead",
    "target picked",
    "all layers, points",
    "its share",
]  # of a row of `hit`, which `NUMBERS` tells as well


def whose(spec: Spec) -> str:
    """Whose answer `spec.paper` is, for titles and tables."""
    return "planted" if spec.planted else "paper"


def known(spec: Spec, attribute: str) -> str:
    """The paper's or the planted layers of an attribute, in words."""
    if attribute in spec.paper:
        return window_label(*spec.paper[attribute])
    return spec.instead.get(attribute, _UNKNOWN)


def claim(spec: Spec, attribute: str) -> str:
    """What is known of an attribute of this model before LocoGen looks, as a sentence."""
    told, layers = known(spec, attribute), spec.paper.get(attribute)
    if spec.planted:
        return {
            _UNKNOWN: "Nothing was planted for it.",
            "all layers": "In this model it was planted in all layers at once.",
            "3 and 12": "In this model it was planted in layers 3 and 12, either of which restores it.",
            "depends on the artist": "In this model each of three artists was planted in layers of his own, all others in another window.",
        }.get(told, f"In this model it was planted in layers {told}.")
    if told == _UNKNOWN:
        return "The paper has no sweep for it: places only occur in the prompts of its Fig. 11 and App. L. The answer is ours alone."
    where = (
        f"from layer {layers[0]} with m = {layers[1]}"
        if layers
        else "in layers that depend on the prompt"
    )
    original = find(spec.original) if spec.original else spec
    return (
        f"The paper finds it {where} ({original.title}). {spec.remarks.get(attribute, '')}".strip()
    )


def _confirming(done: Sweep) -> pd.DataFrame:
    """The rows of the held-out prompts' images with the found window altered."""
    held = [prompt.original for prompt in searching.split(done.asked.prompts)[1]]
    return done.table[(done.table.layers == label(done.found)) & done.table.prompt.isin(held)]


def _picked(done: Sweep) -> Interval:
    """How often the scorer picks the target's value in those."""
    altered, unit = _confirming(done), unit_of(done.table)
    return proportion(altered.picks_target.to_numpy(), groups_of(altered, unit))


def counted(done: Sweep) -> tuple[int, str]:
    """(how many units the held-out half has, what they are): (6, "objects"), (8, "prompts"), (5, "images")."""
    held = done.held_out([done.found])
    unit = unit_of(done.table)
    if unit != "image" and held.strata is not None:
        unit = "image"
    return len(held.full), f"{NOUNS[done.attribute] if unit == 'value' else unit}s"


def hit(found: Answer, spec: Spec, told: tuple[int, int] | None = None) -> dict[str, Any]:
    """One row of a page's table of answers: the smallest m and its window, how surely, and the known window beside it.

    Args:
        told: the known window (start, m), where it is not the model's own.
    """
    done, verdict, beside = found.done, found.done.verdict, found.beside
    units, of = counted(done)
    row = {
        "attribute": done.attribute,
        "about": about_whom(done.asked.prompts),
        "sizes searched": ", ".join(str(one.m) for one in found.sweeps),
        "smallest m": str(done.m) if done.localised else "none",
        "found": label(done.found),
        "verdict": verdict.verdict,
        "share": str(verdict.share),
        "lead": str(verdict.margin),
        "target picked": str(_picked(done)),
        "all layers, points": str(verdict.full),
        "plain rule": window_label(done.argbest, done.m),
        whose(spec): window_label(*told) if told else known(spec, done.attribute),
        "its share": str(beside.share) if beside else "",
        "overlap": f"{beside.overlap} of {len(beside.window)} layers" if beside else "",
        "tie": bool(beside and beside.controls and not beside.nested),
        "by chance": f"{beside.chance:.2f}" if beside and beside.chance == beside.chance else "",
        "held out": f"{units} {of}",
        "images": len(_confirming(done)),
    }
    return row | {"outcome": _outcome(found, spec, row)}


def numbers(found: Answer, spec: Spec, name: str = "") -> dict[str, Any]:
    """The numbers of a row of `hit`, each of `NUMBERS` with _low and _high, and what they are of in words; `known` is the known window's share."""
    done, verdict = found.done, found.done.verdict
    units, of = counted(done)
    parts = {
        "share": verdict.share,
        "lead": verdict.margin,
        "picked": _picked(done),
        "full": verdict.full,
        "known": found.beside.share if found.beside else NOTHING,
    }
    where = label(found.beside.window) if found.beside else known(spec, done.attribute)
    return {
        "name": name or done.attribute,
        "attribute": done.attribute,
        "said": f"layers {label(done.found)}; {whose(spec)}: {where}; {units} {of}, {about_whom(done.asked.prompts)}",
        "verdict": verdict.verdict,
        "n": units,
        "unit": of,
        "images": len(_confirming(done)),
    } | columns(parts)


def units_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """What n counts in some rows of `numbers`, for a figure's title."""
    return f"held-out {' or '.join(sorted({row['unit'] for row in rows}))}"


def _known(row: Mapping[str, Any]) -> tuple[str, str]:
    """("planted" or "paper", what it says) of a row of `hit`."""
    return next((name, row[name]) for name in ("planted", "paper") if name in row)


def comparable(row: Mapping[str, Any]) -> bool:
    """Whether anything is known with which a row of `hit` can be compared."""
    told = _known(row)[1]
    return told != _UNKNOWN and not told.startswith("depends")


def _outcome(found: Answer, spec: Spec, row: Mapping[str, Any]) -> str:
    """Whether the answer is right (`comparing`): where the paper says or a tie; exactly where it was planted; nowhere where no window has it."""
    done, verdict = found.done, found.done.verdict.verdict
    if not comparable(row):
        return "nothing to compare with"
    if _known(row)[1] in NOWHERE or found.beside is None:
        return report_outcomes.nowhere(verdict)
    if spec.planted:
        return report_outcomes.exact(done.localised, done.found, verdict, found.beside)
    return report_outcomes.agreement(done.localised, verdict, found.beside)


def outcome(row: Mapping[str, Any]) -> str:
    """Whether a row of `hit` is right: one of `claims.OUTCOMES`, or that there is nothing to compare with."""
    return str(row["outcome"])


def _says(row: Mapping[str, Any]) -> str:
    """What LocoGen answers."""
    searched = f"of those searched (m = {row['sizes searched']})"
    return {
        "localised": f"localised in layers {row['found']}, the smallest m {searched} being {row['smallest m']}",
        "no effect": "no effect: altering all layers changes nothing that matters",
        "not localised": f"not localised, no window of the sizes {searched.removeprefix('of those ')} comes near to the effect of all layers",
        "inconclusive": f"inconclusive; no size {searched} has a window that is confirmed, and the best window of the last is {row['found']}",
    }[row["verdict"]]


def place(row: Mapping[str, Any]) -> str:
    """The known window beside the found one in words: how far they overlap, and what it does itself."""
    whose_answer, told = _known(row)
    if told == _UNKNOWN:
        return "the paper says nothing about it"
    if told.startswith("depends"):
        return f"the {whose_answer} answer {told}"
    start = {"planted": "it was planted in", "paper": "the paper's answer is"}[whose_answer]
    if told in NOWHERE:
        return f"{start} {'layers ' if told != 'all layers' else ''}{told}"
    tie = " (it controls as well: a tie)" if row["tie"] else ""
    chance = (
        f"; {row['by chance']} of all windows of that size would agree by the same rule"
        if row["by chance"]
        else ""
    )
    return f"{start} layers {told}, which have {row['overlap']} in common with that window; their own share on the same held-out prompts is {row['its share']}{tie}{chance}"


def answer(row: Mapping[str, Any]) -> str:
    """A row of `hit` as a sentence, in Markdown."""
    end = IN_WORDS[outcome(row)] if comparable(row) else ""
    share = (
        ""
        if row["share"] == "not defined"
        else (
            f"On the held-out half ({row['held out']}, {row['images']} images) the window that LocoGen names has a share of {row['share']} of the effect "
            f"of altering all layers, and leads the best window without a layer in common by {row['lead']}; the scorer picks the "
            f"target's value in a proportion of {row['target picked']}. "
        )
    )
    rule = "argmax" if row["attribute"] == "fact" else "argmin"
    return (
        f"**{row['attribute']}** ({row['about']}): {_says(row)}; {place(row)}. {end} {share}Altering all layers moves the score by "
        f"{row['all layers, points']} points. The paper's own rule at the last size (plain {rule} of the mean score) says layers {row['plain rule']}."
    )


def null(done: Sweep, where: tuple[int, int]) -> str:
    """What a window of this size drawn at random would show, as a sentence, where all were drawn; `where` is the right (start, m)."""
    if done.proposed:
        return ""
    apart = (done.curve.start + done.m <= where[0]) | (done.curve.start >= sum(where))
    others = done.curve.share[apart]
    return (
        f"The null: a window of m = {done.m} drawn at random touches layers {window_label(*where)} with a chance of {(~apart).sum()} "
        f"in {len(apart)}; the {len(others)} that do not have a share of {others.mean():.2f} on average, {others.max():.2f} at most."
    )


def gaps(done: Sweep) -> str:
    """Which windows were not drawn, as a sentence; empty where all were."""
    if done.proposed is None:
        return ""
    return (
        f"{len(done.windows)} of {done.layers - done.m + 1} windows were drawn, those that backward passes on all layers name (largest "
        f"completeness gap {done.proposed.gap:.3f}): the best one is predicted to have {done.proposed.best(done.m):.2f} of the change."
    )


def bypass(plain: pd.DataFrame, told: pd.DataFrame, layers: int, attribute: str) -> dict[str, Any]:
    """How far altering all layers goes while the text that bypasses them keeps the original prompt.

    Args:
        plain, told: tables of `locogen.measure` with the clean image and all layers altered; in `told` the bypass as well.

    Returns:
        A row: alone, whole (effects of both, points) and share (the first of the second), each with _low and _high.
    """
    every = [tuple(range(layers))]
    alone, whole = (effects(table, every, layers, attribute) for table in (plain, told))
    parts = {
        "share": scores.ratio(alone.full, whole.full, whole.strata),
        "alone": scores.mean(alone.full, alone.strata),
        "whole": scores.mean(whole.full, whole.strata),
    }
    return {"name": attribute, "n": len(whole.full)} | columns(parts)
