"""What the page on edits in five models says it found."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from ...claims import Claim, above
from ...scores import interval
from ..locogen import Sweep, label
from . import report_rules, specificity
from .locoedit import SPARES
from .report import points
from .report_claims import of_edits, of_specificity
from .specificity import APART, DIFFQUICKFIX, OURS, PAPER
from .trials import ALTERED, Trial

Tables = Mapping[str, pd.DataFrame]
MOST, LESS = ("mini-sd-v1-5", "mini-openjourney"), ("mini-sd-v2-1", "mini-sdxl")  # Section 6.2
EXTENDED = "mini-sd-v2-1"  # to which Fig. 57b extends DiffQuickFix


def model_row(
    title: str, one: Trial, done: Sweep, tokens: str, table: pd.DataFrame
) -> dict[str, Any]:
    """A line of the page's table."""
    at = table.set_index("name")
    return {
        "model": title,
        "attribute": one.attribute,
        "edited layers": label(one.window),
        "LocoGen's verdict": done.verdict.verdict,
        "our tokens": tokens,
        "the paper's edit: points": str(interval(at.loc[PAPER], "points")),
        "target seen": str(interval(at.loc[PAPER], "target")),
        "after altering": str(interval(at.loc[ALTERED], "target")),
        "size": f"{at.loc[PAPER, 'size']:.2f}",
        "images": int(table.images.iloc[0]),
    }


def model_words(title: str, tables: Tables) -> str:
    """What the edit does in one model."""
    parts = []
    for attribute, table in tables.items():
        at = table.set_index("name")
        others = {
            "ours": OURS,
            "sparing": SPARES,
            "DiffQuickFix": DIFFQUICKFIX,
            "random windows": APART,
        }
        told = ", ".join(
            f"{what} {interval(at.loc[name], 'of all')}"
            for what, name in others.items()
            if name in at.index
        )
        parts.append(
            f"{attribute}: the paper's {interval(at.loc[PAPER], 'of all')} (target seen in {interval(at.loc[PAPER], 'target')}; {told})"
        )
    return f"- **{title}**: {'; '.join(parts)}."


def claims(
    by_model: Mapping[str, Tables],
    whos: Mapping[str, str],
    others: Mapping[tuple[str, str], pd.DataFrame],
    titles: Mapping[str, str],
) -> dict[str, list[Claim]]:
    """Model -> its claims: Fig. 8's for each attribute, whether the place mattered, other values; what compares models, under the first.

    Args:
        by_model: model -> attribute -> table of `comparisons.tried`.
        whos: attribute -> of whom the claims are.
        others: of `comparisons.others`, by model and attribute, where they were asked for.
    """
    found: dict[str, list[Claim]] = {}
    for name, tables in by_model.items():
        found[name] = []
        for attribute, table in tables.items():
            found[name] += of_edits(whos[attribute], table)
            if (name, attribute) in others:
                rates = specificity.gone_and_kept(others[name, attribute])
                found[name] += of_specificity(whos[attribute], rates)
        if name == EXTENDED and "fact" in tables:
            found[name].append(extended(whos["fact"], tables["fact"]))
    if found:
        found[next(iter(found))] += across(by_model, titles)
    return found


def extended(who: str, table: pd.DataFrame) -> Claim:
    """Fig. 57b: in SD-v2-1 LocoEdit updates facts where DiffQuickFix fails."""
    at = table.set_index("name")
    gained = report_rules.difference(at.loc[PAPER], at.loc[DIFFQUICKFIX])
    return Claim(
        text=f"{who}: LocoEdit moves the score more than DiffQuickFix",
        section="App. I, Fig. 57b",
        number=f"{gained} points more",
        control=f"LocoEdit {interval(at.loc[PAPER], 'points')}, DiffQuickFix {interval(at.loc[DIFFQUICKFIX], 'points')} points",
        outcome=above(gained),
    )


def across(by_model: Mapping[str, Tables], titles: Mapping[str, str]) -> list[Claim]:
    """Section 6.2 on models: of styles most is removed in SD-v1-5 and OpenJourney, facts are updated alike; prompt by prompt.

    Args:
        by_model: model -> attribute -> table of `comparisons.tried`; all of the same prompts and seeds.
    """
    rows = {
        attribute: {
            name: tables[attribute].set_index("name").loc[PAPER]
            for name, tables in by_model.items()
            if name in (*MOST, *LESS) and attribute in tables
        }
        for attribute in ("style", "fact")
    }
    found = []
    style, fact = rows["style"], rows["fact"]
    pairs = [(one, other) for one in MOST for other in LESS if one in style and other in style]
    if pairs:
        told = _paired(style, pairs)
        found.append(
            Claim(
                text="style: LocoEdit lowers the score more in SD-v1-5 and OpenJourney than in SD-v2-1 and SDXL",
                section="6.2",
                number=_least(told, titles),
                control=_points(style, titles),
                outcome=report_rules.all_of([above(one) for one in told.values()]),
            )
        )
    pairs = list(combinations(fact, 2))
    if pairs:
        told = _paired(fact, pairs)
        matters = min(float(row.matters) for row in fact.values())
        found.append(
            Claim(
                text="fact: LocoEdit updates it alike in all four models",
                section="6.2",
                number=_widest(told, titles),
                control=f"{_points(fact, titles)}; {points(matters)} points matter",
                outcome=report_rules.all_of(
                    [report_rules.comparable(one, matters) for one in told.values()]
                ),
            )
        )
    return found


def _paired(
    rows: Mapping[str, pd.Series], pairs: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Any]:
    return {(a, b): report_rules.difference(rows[a], rows[b]) for a, b in pairs}


def _least(told: Mapping[tuple[str, str], Any], titles: Mapping[str, str]) -> str:
    (one, other), found = min(told.items(), key=lambda item: item[1].value)
    return f"{found} points more in {titles[one]} than in {titles[other]}, the least of the pairs"


def _widest(told: Mapping[tuple[str, str], Any], titles: Mapping[str, str]) -> str:
    (one, other), found = max(told.items(), key=lambda item: abs(item[1].value))
    return f"{found} points between {titles[one]} and {titles[other]}, the widest of the pairs"


def _points(rows: Mapping[str, pd.Series], titles: Mapping[str, str]) -> str:
    return "; ".join(f"{titles[name]} {interval(row, 'points')}" for name, row in rows.items())
