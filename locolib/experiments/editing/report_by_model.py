"""What the page on edits in five models says it found."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ...claims import Claim, settled
from ...scores import interval
from ..locogen import Sweep, label
from . import specificity
from .locoedit import SPARES
from .report import does_most, specificity_claims
from .specificity import APART, OURS, PAPER
from .trials import Trial


def model_row(
    title: str, one: Trial, done: Sweep, tokens: str, table: pd.DataFrame
) -> dict[str, Any]:
    """A line of the page's table."""
    return {
        "model": title,
        "attribute": one.attribute,
        "edited layers": label(one.window),
        "LocoGen's verdict": done.verdict.verdict,
        "chosen tokens": tokens,
        "images": int(table.images.iloc[0]),
    }


def model_words(title: str, tables: Mapping[str, pd.DataFrame]) -> str:
    """What the edit does in one model."""
    parts = []
    for attribute, table in tables.items():
        at = table.set_index("name")
        parts.append(
            f"{attribute} {interval(at.loc[OURS], 'of all')} (the paper's {interval(at.loc[PAPER], 'of all')}, sparing {interval(at.loc[SPARES], 'of all')}, "
            f"random window {interval(at.loc[APART], 'of all')})"
        )
    return f"- **{title}**: {'; '.join(parts)}."


def model_claims(tables: Mapping[str, pd.DataFrame]) -> list[Claim]:
    """Fig. 8's claim in one model, for each attribute, and whether the place mattered."""
    found = []
    for attribute, table in tables.items():
        at = table.set_index("name")
        edited, apart = at.loc[OURS], at.loc[APART]
        more, less = (
            edited["of all_low"] > apart["of all_high"],
            edited["of all_high"] < apart["of all_low"],
        )
        found += [
            does_most(attribute, at.loc[PAPER], apart, ", by the paper's tokens,"),
            does_most(attribute, edited, apart),
            does_most(attribute, at.loc[SPARES], apart, ", sparing others,"),
            Claim(
                text=f"{attribute}: the edit does more at the located layers than at a random window",
                section="6.2",
                number=str(interval(edited, "of all")),
                control=f"random window {interval(apart, 'of all')}, of altering all layers",
                outcome=settled(more, less),
            ),
        ]
    return found


def spared(others: Mapping[str, pd.DataFrame]) -> list[Claim]:
    """Whether the paper's edit and the sparing one remove the value and keep others, in one model (tables of `others` by attribute)."""
    return [
        claim
        for attribute, table in others.items()
        for claim in specificity_claims(attribute, specificity.rates(table))
    ]
