"""What the pages on LocoGen say they found: rows of tables, claims, and sentences in which every number is computed."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ... import scores
from ...claims import IN_WORDS, Claim, listing, settled
from ...models import NOWHERE, Spec, find
from ...scores import columns, wilson
from . import checks, measuring, searching
from .measuring import Request, window_label
from .searching import Sweep

_UNKNOWN = "not said"
NUMBERS = {
    "share": "share of the effect of all layers",
    "lead": "lead on the best window elsewhere, in shares",
    "picked": "scorer picks the target, share of images",
    "full": "effect of all layers, points",
}
LIMITS = {
    "share": (-0.25, 1.5),
    "lead": (-0.5, 1.5),
    "picked": (0, 1),
}  # of their axes: an interval of little n would leave no room for others
INTERVALS = [
    "share",
    "lead",
    "target picked",
    "all layers, points",
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


def _confirming(done: Sweep, asked: Request) -> tuple[int, pd.DataFrame]:
    """(held-out prompts, the rows of their images with the best window altered)."""
    held = [prompt.original for prompt in searching.split(asked.prompts)[1]]
    altered = done.table.layers == window_label(done.verdict.start, done.verdict.m)
    return len(held), done.table[altered & done.table.prompt.isin(held)]


def hit(done: Sweep, asked: Request, spec: Spec) -> dict[str, Any]:
    """One row of a page's table of answers: where it was, where LocoGen found it, how surely, and the paper's own rule."""
    verdict, (held, altered) = done.verdict, _confirming(done, asked)
    picked = wilson(int(altered.picks_target.sum()), len(altered))
    return {
        "attribute": done.attribute,
        "m": done.m,
        whose(spec): known(spec, done.attribute),
        "found": window_label(verdict.start, verdict.m),
        "verdict": verdict.verdict,
        "share": str(verdict.share),
        "lead": str(verdict.margin),
        "target picked": str(picked),
        "all layers, points": str(verdict.full),
        "plain rule": window_label(done.argbest, done.m),
        "held-out prompts": held,
        "images": len(altered),
    }


def numbers(done: Sweep, asked: Request, spec: Spec, name: str = "") -> dict[str, Any]:
    """The numbers of a row of `hit`, each of `NUMBERS` with _low and _high, and what they are of in words."""
    verdict, (held, altered) = done.verdict, _confirming(done, asked)
    found, told = window_label(verdict.start, verdict.m), known(spec, done.attribute)
    parts = {
        "share": verdict.share,
        "lead": verdict.margin,
        "picked": wilson(int(altered.picks_target.sum()), len(altered)),
        "full": verdict.full,
    }
    return {
        "name": name or done.attribute,
        "attribute": done.attribute,
        "said": f"layers {found}; {whose(spec)}: {told}",
        "verdict": verdict.verdict,
        "n": held,
        "images": len(altered),
    } | columns(parts)


def _known(row: Mapping[str, Any]) -> tuple[str, str]:
    """("planted" or "paper", what it says) of a row of `hit`."""
    return next((name, row[name]) for name in ("planted", "paper") if name in row)


def comparable(row: Mapping[str, Any]) -> bool:
    """Whether anything is known with which a row of `hit` can be compared."""
    told = _known(row)[1]
    return told != _UNKNOWN and not told.startswith("depends")


def outcome(row: Mapping[str, Any]) -> str:
    """Whether a row of `hit` is right: localised exactly where it should be, or nowhere where no window has it."""
    told, verdict = _known(row)[1], row["verdict"]
    right = (
        verdict == "not localised"
        if told in NOWHERE
        else verdict == "localised" and row["found"] == told
    )
    return settled(right, verdict in ("localised", "not localised"))


def answer(row: Mapping[str, Any]) -> str:
    """A row of `hit` as a sentence, in Markdown."""
    whose_answer, told = _known(row)
    says = {
        "localised": f"localised in layers {row['found']}",
        "no effect": "no effect, altering all layers changes nothing",
        "not localised": "not localised, no window comes near to the effect of all layers",
        "inconclusive": f"inconclusive, the best window is {row['found']}",
    }[row["verdict"]]
    layers = told if told.startswith("depends") or told == "all layers" else f"layers {told}"
    where = {"planted": f"it was planted in {layers}", "paper": f"the paper's answer is {layers}"}[
        whose_answer
    ]
    where = f"the {whose_answer} answer {told}" if told.startswith("depends") else where
    where = "the paper says nothing about it" if told == _UNKNOWN else where
    end = IN_WORDS[outcome(row)] if comparable(row) else ""
    share = (
        ""
        if row["verdict"] == "no effect"
        else (
            f"On {row['held-out prompts']} held-out prompts ({row['images']} images) that window has a share of {row['share']} of the effect "
            f"of altering all layers, and leads the best window without a layer in common by {row['lead']}; the scorer picks the "
            f"target's value in a proportion of {row['target picked']}. "
        )
    )
    rule = "argmax" if row["attribute"] == "fact" else "argmin"
    return (
        f"**{row['attribute']}**: {says}; {where}. {end} {share}Altering all layers moves the score by {row['all layers, points']} "
        f"points. The paper's own rule (plain {rule} of the mean score) says layers {row['plain rule']}."
    )


def null(done: Sweep, where: tuple[int, int]) -> str:
    """What a window of this size drawn at random would show, as a sentence; `where` is the right (start, m)."""
    apart = (done.curve.start + done.m <= where[0]) | (done.curve.start >= sum(where))
    others = done.curve.share[apart]
    return (
        f"The null: a window of m = {done.m} drawn at random touches layers {window_label(*where)} with a chance of {(~apart).sum()} "
        f"in {len(apart)}; the {len(others)} that do not have a share of {others.mean():.2f} on average, {others.max():.2f} at most."
    )


def gaps(done: Sweep) -> str:
    """What a sweep with a stride did not look at, as a sentence; empty where it looked at every window."""
    if done.stride == 1:
        return ""
    return (
        f"Only one window in {done.stride} was altered ({len(done.windows)} of {done.layers - done.m + 1}): a best window that "
        "begins in between is not seen, and the named one may be off by as much."
    )


def unanimity(done: Sweep) -> str:
    """Whether the prompts of a sweep agree on its windows, as a sentence."""
    found, prompts = checks.prompts_agree(done), done.table.prompt.nunique()
    if done.verdict.verdict == "no effect":
        return f"**{done.attribute}**: altering all layers changes nothing, so there is nothing to agree on."
    says = (
        "they agree more than chance" if found.p <= 0.05 else "they agree no more than chance would"
    )
    return f"**{done.attribute}**: {found}; over {prompts} prompts and {len(done.windows)} windows {says}."


def bypass(plain: pd.DataFrame, told: pd.DataFrame, layers: int, attribute: str) -> dict[str, Any]:
    """How far altering all layers goes while the text that bypasses them keeps the original prompt.

    Args:
        plain, told: tables of `locogen.measure` with the clean image and all layers altered; in `told` the bypass as well.

    Returns:
        A row: alone, whole (effects of both, points) and share (the first of the second), each with _low and _high.
    """
    every = [tuple(range(layers))]
    alone, whole = (
        measuring.effects(table, every, layers, attribute).full for table in (plain, told)
    )
    parts = {
        "share": scores.ratio(alone, whole),
        "alone": scores.mean(alone),
        "whole": scores.mean(whole),
    }
    return {"name": attribute, "n": told.prompt.nunique()} | columns(parts)


def claims(hits: Mapping[str, Mapping[str, Any]], section: str) -> list[Claim]:
    """LocoGen's answers (rows of `hit` by name) as claims; those that have nothing to be compared with are left out."""
    told = []
    for name, row in hits.items():
        if comparable(row):
            whose_answer, where = _known(row)
            source = f"{'planted in' if whose_answer == 'planted' else 'in'} {where if where in NOWHERE else f'layers {where}'}"
            told.append(
                Claim(
                    text=f"{name}: {source}, and LocoGen says so",
                    section=section,
                    number=f"{row['verdict']}, {row['found']}, share {row['share']}",
                    control=f"lead on the best disjoint window {row['lead']}",
                    outcome=outcome(row),
                )
            )
    return told


def conclusion(hits: Mapping[str, Mapping[str, Any]]) -> str:
    """The `claims` of some rows of `hit` as an HTML list, and below them the rows that have no answer to be compared with."""
    open_ = "; ".join(
        f"{name} ({row['verdict']}; best window {row['found']}, share {row['share']})"
        for name, row in hits.items()
        if not comparable(row)
    )
    return listing(claims(hits, "")) + (
        f"<p>No answer to compare with: {open_}.</p>" if open_ else ""
    )
