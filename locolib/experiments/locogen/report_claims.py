"""LocoGen's claims: where an attribute is, how few layers hold it, whether the place depends on the prompt, whether two models share it."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...claims import FAILED, HELD, OPEN, Claim, listing
from ...models import NOWHERE, Spec
from . import report_outcomes
from .comparing import Answer
from .dependence import Dependence
from .layer_sets import label
from .report import _known, comparable, counted
from .report import outcome as outcome_of
from .units import NOUNS, about_whom

OTHERWISE = {HELD: FAILED, FAILED: HELD, OPEN: OPEN}
DEPENDS = "5.2, Figs. 7 and 40"


def claims(hits: Mapping[str, Mapping[str, Any]], section: str) -> list[Claim]:
    """LocoGen's answers (rows of `hit` by name) as claims; those that have nothing to be compared with are left out."""
    told = []
    for name, row in hits.items():
        if comparable(row):
            whose_answer, where = _known(row)
            source = f"{'planted in' if whose_answer == 'planted' else 'in'} {where if where in NOWHERE else f'layers {where}'}"
            beside = (
                f"; share there {row['its share']}, {row['overlap']} in common"
                if row["its share"]
                else ""
            )
            chance = (
                f"; a window drawn at random would agree in {row['by chance']}"
                if row["by chance"]
                else ""
            )
            told.append(
                Claim(
                    text=f"{name}: {source}, and LocoGen says so ({row['about']})",
                    section=section,
                    number=f"{row['verdict']}, layers {row['found']}, share {row['share']}{beside} ({row['held out']})",
                    control=f"lead on the best disjoint window {row['lead']}{chance}",
                    outcome=outcome_of(row),
                )
            )
    return told


def conclusion(hits: Mapping[str, Mapping[str, Any]], said: Sequence[Claim] | None = None) -> str:
    """Claims (by default those of the rows of `hit`) as an HTML list, and below them the rows that have no answer to be compared with."""
    open_ = "; ".join(
        f"{name} ({row['verdict']}; best window {row['found']}, share {row['share']})"
        for name, row in hits.items()
        if not comparable(row)
    )
    return listing(claims(hits, "") if said is None else said) + (
        f"<p>No answer to compare with: {open_}.</p>" if open_ else ""
    )


def fewest(answers: Mapping[str, Answer], spec: Spec) -> list[Claim]:
    """App. G's m of a model, as claims about each attribute that was searched: is it the smallest that controls?"""
    told = []
    for name, found in answers.items():
        m, searched = spec.m[name], [one.m for one in found.sweeps]
        if name not in ("style", "object", "fact") or (
            len(searched) < 2 and not found.done.localised
        ):
            continue  # one size alone says nothing of the smallest
        told.append(
            Claim(
                text=f"{name}: m = {m} layers are the fewest that control it ({about_whom(found.done.asked.prompts)})",
                section="App. G",
                number=(
                    f"m = {found.done.m} is the first of {', '.join(map(str, searched))} that is confirmed, share {found.done.verdict.share}"
                    if found.done.localised
                    else f"none of m = {', '.join(map(str, searched))} is confirmed"
                ),
                control="; ".join(
                    f"m = {one.m}: at most {one.effects.windows.mean(0).max() / one.effects.full.mean():.2f}"
                    for one in found.sweeps
                    if one.effects.full.mean() > 0
                ),
                outcome=report_outcomes.smallest(found, m),
            )
        )
    return told


def dependent(found: Mapping[str, Dependence], whom: Mapping[str, str], spec: Spec) -> list[Claim]:
    """Whether each attribute's place depends on its value, as claims: the paper says that in DeepFloyd it does, elsewhere not."""
    told = []
    for name, one in found.items():
        noun = NOUNS[name]
        outcome = report_outcomes.dependence(one)
        does = spec.instead.get(name, "").startswith("depends")
        told.append(
            Claim(
                text=f"{name}: its place {'depends' if does else 'does not depend'} on the {noun} ({whom[name]})",
                section=DEPENDS if name != "place" else "ours",
                number=str(one),
                control=f"{one.prompts} prompts of {one.values} {noun}s; the same prompts with their {noun}s dealt out at random",
                outcome=outcome if does else OTHERWISE[outcome],
            )
        )
    return told


def same_places(
    one: Mapping[str, Answer], other: Mapping[str, Answer], names: tuple[str, str]
) -> list[Claim]:
    """Section 5.2: OpenJourney keeps each attribute where SD-v1-5 does, for it is a fine-tune of that architecture."""
    return [
        Claim(
            text=f"{name}: {names[0]} keeps it where {names[1]} does",
            section="5.2",
            number=" and ".join(
                f"layers {label(found.done.found)} ({found.done.verdict.verdict}, share {found.done.verdict.share}, {counted(found.done)[0]} {counted(found.done)[1]})"
                for found in (one[name], other[name])
            ),
            outcome=report_outcomes.same_place(one[name], other[name]),
        )
        for name in one
        if name in other
    ]
