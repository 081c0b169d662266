"""What the page on LocoGen in five models says beside the paper."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ...claims import FAILED, HELD, OPEN, OUTCOMES
from .report import comparable, outcome


def comparison(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of `hit` that name their model, against the paper: how many agree, and in plain words how."""
    compared = [row for row in rows if comparable(row)]
    count = Counter(outcome(row) for row in compared)
    lines = [
        f"Of the {len(compared)} places that the paper names for these models, {count[HELD]} held in the miniature, {count[FAILED]} did not hold, and "
        f"{count[OPEN]} are not settled."
    ]
    for said in OUTCOMES:
        lines += [_line(row) for row in compared if outcome(row) == said]
    return "\n".join([lines[0], "", *lines[1:]])


def _line(row: Mapping[str, Any]) -> str:
    """One row in plain words."""
    found = {
        "localised": f"LocoGen finds layers {row['found']} (m = {row['smallest m']}, share {row['share']})",
        "not localised": "no window of the sizes searched comes near to the effect of all layers",
        "no effect": "altering all layers changes nothing that matters",
        "inconclusive": f"no window is confirmed; the best of the last size is {row['found']} (share {row['share']})",
    }[row["verdict"]]
    tie = " and control as well: a tie" if row["tie"] else ""
    word = f"**{outcome(row)}**" if outcome(row) != OPEN else OPEN
    return (
        f"- {row['model']}, {row['attribute']} ({row['about']}; {row['held out']} held out): {word}. {found[0].upper()}{found[1:]}; the paper's layers "
        f"{row['paper']} have {row['overlap']} in common with it, a share of {row['its share']}{tie}. A window drawn at random would agree in {row['by chance']}."
    )
