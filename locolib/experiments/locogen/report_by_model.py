"""What the page on LocoGen in five models says beside the paper."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...claims import FAILED, HELD, OPEN
from ...models import Spec
from ...scores import interval
from . import measuring
from .measuring import window_label
from .report import comparable, outcome, whose


def at_known(table: pd.DataFrame, spec: Spec, attribute: str) -> dict[str, str]:
    """The share of the known window in a table of `locogen.summary`, on all prompts; "not swept" where it is not there."""
    where, name = spec.paper.get(attribute), f"{whose(spec)}'s share"
    row = table[table.layers == window_label(*where)] if where else table.iloc[:0]
    return {name: str(interval(row.iloc[0])) if len(row) else "not swept" if where else "no window"}


def share_at_known(table: pd.DataFrame, spec: Spec, attribute: str) -> dict[str, float]:
    """The same as numbers: known, known_low, known_high; NaN where there is none."""
    row = (
        table[table.layers == window_label(*spec.paper[attribute])]
        if attribute in spec.paper
        else table.iloc[:0]
    )
    return {
        f"known{end}": float(row[f"share{end}"].iloc[0]) if len(row) else np.nan
        for end in ("", "_low", "_high")
    }


def comparison(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of `hit` that name their model, against the paper: how many agree, and in plain words where they do not."""
    compared = [row for row in rows if comparable(row)]
    lines = [
        f"Of the {len(compared)} places that the paper names for these models, in {sum(outcome(row) == HELD for row in compared)} the miniature has its window "
        "in the same place."
    ]
    words = {
        "not localised": "no window of this size comes near to the effect of all layers",
        "no effect": "altering all layers changes nothing",
        "inconclusive": "no window is confirmed",
    }
    for row in compared:
        told, best = (
            row["paper"],
            f"the best window is {row['found']} with a share of {row['share']}",
        )
        start = f"- {row['model']}, {row['attribute']} (m = {row['m']}): "
        if outcome(row) == FAILED and row["verdict"] == "localised":
            both = set(measuring.labelled(told)) & set(measuring.labelled(row["found"]))
            overlap = (
                f"they share {len(both)} of {row['m']} layers"
                if both
                else "they have no layer in common"
            )
            lines.append(
                f"{start}**disagreement**: the paper says layers {told}, the miniature {row['found']} (share {row['share']}); {overlap}."
            )
        elif outcome(row) != HELD:
            share = row["paper's share"]
            kind = "**disagreement**" if outcome(row) == FAILED else OPEN
            lines.append(
                f"{start}{kind}: {words[row['verdict']]}; {best}; the paper says layers {told}, whose share is {share}."
            )
    return "\n".join([lines[0], "", *lines[1:]])
