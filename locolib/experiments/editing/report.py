"""What the pages on editing say they found: rows of tables, claims, and sentences in which every number is computed."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ...claims import OPEN, Claim, above, settled
from ...drawing.text import TOKENS, Tokens
from ...scores import Interval, interval
from ..locogen import Sweep, label
from . import trials
from .judging import GONE, KEPT, MOVED
from .locoedit import SPARES
from .specificity import APART, EVERY, OURS, PAPER
from .trials import Trial

# Table 1 of the paper: CLIP-Score of 320 generic prompts; App. L does not name the model.
TABLE_1 = {
    "no edit": {"style": 30.04, "object": 30.04},
    "DiffQuickFix": {"style": 29.61, "object": 29.32},
    PAPER: {"style": 29.99, "object": 29.40},
}


def located(sweeps: Mapping[str, Sweep], trials: Mapping[str, Trial]) -> pd.DataFrame:
    """What is edited, where, and with how many prompts."""
    return pd.DataFrame(
        {
            name: {
                "value": one.train[0].value,
                "edited layers": label(one.window),
                "LocoGen's verdict": sweeps[name].verdict.verdict,
                "share on held-out prompts": str(sweeps[name].verdict.share),
                "prompts that make the edit": len(one.train),
                "prompts that judge it": len(one.held.prompts),
                "images": len(one.held.prompts) * len(one.held.seeds),
            }
            for name, one in trials.items()
        }
    )


def _number(value: float, form: str) -> str:
    """A number as text; nothing where there is none."""
    return "" if np.isnan(value) else f"{value:{form}}"


def costs(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Time, size and condition number of each method's edit, by attribute, and what `Edit.warning` says of it."""
    rows = {}
    for attribute, table in tables.items():
        for row in table.dropna(subset=["size"]).to_dict("records"):
            rows[attribute, row["name"]] = {
                "seconds": f"{row['seconds']:.2f}",
                "relative size": f"{row['size']:.2f}",
                "condition number": _number(row["condition"], ".0e"),
                "solved well": "no: " + row["warning"].split(": ")[-1] if row["warning"] else "yes",
            }
    return pd.DataFrame(rows).T


def token_words(tables: Mapping[str, pd.DataFrame], chosen: Mapping[str, Tokens]) -> str:
    """What each choice of tokens does on the training prompts, and which is taken."""
    lines = []
    for attribute, table in tables.items():
        rows = table.set_index("name").loc[list(TOKENS)]
        each = "; ".join(f"{name} {interval(row)}" for name, row in rows.iterrows())
        lines.append(
            f"- **{attribute}** (n = {int(rows.images.iloc[0])} images): {each}. Taken for the rest of this page: "
            f"**{chosen[attribute]}**, {TOKENS[chosen[attribute]]}."
        )
    return "\n".join(lines)


def edit_words(tables: Mapping[str, pd.DataFrame], chosen: Mapping[str, Tokens]) -> str:
    """What LocoEdit does on held-out prompts, and the controls."""
    lines = []
    for attribute, table in tables.items():
        at = table.set_index("name")
        paper, located, spares, apart, whole = (
            interval(at.loc[name]) for name in (PAPER, OURS, SPARES, APART, EVERY)
        )
        lines.append(
            f"- **{attribute}**: at the located layers the paper's edit does {paper} of what altering them does, the edit by the tokens "
            f"{chosen[attribute]} {located}, the one that spares {spares}; at the random window {apart}, at all layers {whole} "
            f"(n = {int(table.images.iloc[0])} images; intervals over {int(table.units.iloc[0])} {table.unit.iloc[0]}s)."
        )
    return "\n".join(lines)


def hase_words(correlations: Mapping[str, Interval], compared: Mapping[str, pd.DataFrame]) -> str:
    """Whether editing works where LocoGen finds the attribute."""
    lines = []
    for attribute, found in correlations.items():
        table = compared[attribute]
        if table["of all"].isna().all():
            lines.append(
                f"- **{attribute}**: altering all layers does nothing here, so there are no shares to compare."
            )
            continue
        best = table.loc[table["of all"].idxmax()]
        says = (
            "rises with the share"
            if found.low > 0
            else "falls with the share"
            if found.high < 0
            else "says nothing sure"
        )
        lines.append(
            f"- **{attribute}**: Spearman's rank correlation {found} over {len(table)} windows: the edit's effect {says}. The best window to edit is "
            f"{best['name']} ({interval(best, 'of all')}); LocoGen's share of it is {best.located:.2f}."
        )
    return "\n".join(lines)


def again_words(again: Mapping[str, Sweep]) -> str:
    """LocoGen's answers on the edited model."""
    lines = []
    for name, done in again.items():
        v = done.verdict
        share = "" if v.verdict == "no effect" else f" (share {v.share} on held-out prompts)"
        lines.append(
            f"- **{name}**: altering all layers moves the score by {v.full} points; {v.verdict}"
            + (
                "."
                if v.verdict == "no effect"
                else f", best window {label(tuple(range(v.start, v.start + v.m)))}{share}."
            )
        )
    return "\n".join(lines)


def claims(
    tried: Mapping[str, pd.DataFrame],
    correlations: Mapping[str, Interval],
    generic: Mapping[str, pd.DataFrame],
    by_tokens: Mapping[str, pd.DataFrame],
) -> list[Claim]:
    """What the paper claims of LocoEdit, each judged by an interval."""
    told = []
    for attribute, table in tried.items():
        at, seen = table.set_index("name"), by_tokens[attribute].set_index("name")
        edited, apart, whole = (at.loc[name] for name in (OURS, APART, EVERY))
        best = trials.best_tokens(by_tokens[attribute])
        told += [
            Claim(
                text=f"{attribute}: editing the located layers moves the score the way it should",
                section="6.2, Fig. 8",
                number=f"{interval(edited, 'points')} points",
                control=f"random window {interval(apart, 'points')}",
                outcome=above(interval(edited, "points")),
            ),
            does_most(attribute, at.loc[PAPER], apart, ", by the paper's tokens,"),
            does_most(attribute, edited, apart),
            does_most(attribute, at.loc[SPARES], apart, ", sparing others,"),
            Claim(
                text=f"{attribute}: editing the located layers is better than editing all",
                section="6.2" if attribute == "style" else "App. F",
                number=str(interval(edited, "target")),
                control=f"all layers {interval(whole, 'target')}, in how many images the target is picked",
                outcome=settled(
                    edited.target_low > whole.target_high, edited.target_high < whole.target_low
                ),
            ),
            Claim(
                text=f"{attribute}: the subject's last token is the one to edit",
                section="6.1",
                number=f"share {interval(seen.loc['subject'])}",
                control=f"best: {best} {interval(seen.loc[best])}",
                outcome=settled(
                    best == "subject" or seen.share_low["subject"] > 0.8,
                    seen.share_high["subject"] < 0.8,
                ),
            ),
            Claim(
                text=f"{attribute}: editing works where LocoGen localises",
                section="6.2 (asked as Hase et al. did)",
                number=f"rank correlation {correlations[attribute]}",
                outcome=above(correlations[attribute]),
            ),
        ]
    return told + [_harmless(attribute, table) for attribute, table in generic.items()]


def _harmless(attribute: str, generic: pd.DataFrame) -> Claim:
    """App. L's claim of the paper's edit (of a table of `trials.generic`)."""
    row, paper = generic.set_index("name").loc[PAPER], TABLE_1[PAPER].get(attribute)
    return Claim(
        text=f"{attribute}: LocoEdit does not harm generic prompts (by more than half a point)",
        section="App. L, Table 1",
        number=f"difference {interval(row, 'difference')} points",
        control="" if paper is None else f"the paper's {paper - 30.04:.2f}",
        outcome=above(interval(row, "difference"), -0.5),
    )


def does_most(attribute: str, edited: pd.Series, apart: pd.Series, how: str = "") -> Claim:
    """Fig. 8's claim of an edit at the located layers, beside the same edit at a random window (rows of `trials.Trial.tried`)."""
    return Claim(
        text=f"{attribute}: editing the located layers{how} does most of what altering them does",
        section="6.2, Fig. 8 (the half is ours)",
        number=str(interval(edited)),
        control=f"random window {interval(apart)}",
        outcome=above(interval(edited), 0.5),
    )


def specificity_words(attribute: str, summed: pd.DataFrame) -> str:
    """The three numbers of each method, as a list."""
    lines = [
        f"- **{attribute}, {row['name']}**: gone {_told(row, 'gone', '.2f')} (n = {row['n gone']} pictures), other values kept {_told(row, 'kept', '.2f')} "
        f"(n = {row['n kept']})"
        + (
            ""
            if np.isnan(row["moved"])
            else f", generic pictures moved by {_told(row, 'moved', '.1f')} of 255 levels"
        )
        for _, row in summed.iterrows()
    ]
    return "\n".join(lines)


def _told(row: pd.Series, column: str, form: str) -> str:
    value, low, high = (row[name] for name in (column, f"{column}_low", f"{column}_high"))
    return "nothing to ask" if np.isnan(value) else f"{value:{form}} [{low:{form}}, {high:{form}}]"


def specificity_claims(attribute: str, summed: pd.DataFrame) -> list[Claim]:
    """Whether LocoEdit, as the paper has it and sparing, removes what it should and leaves the rest alone: bars of `judging`."""
    at, told = (
        summed.set_index("name"),
        [],
    )  # `rates` alone, without generic pictures, lack the last number
    bars = (
        ("gone", f"removes the edited value (from at least {GONE} of the pictures)", GONE, 1),
        ("kept", f"keeps the other values (in at least {KEPT} of the pictures)", KEPT, 1),
        (
            "moved",
            f"leaves generic pictures alone (moved by at most {MOVED:g} of 255 levels)",
            MOVED,
            -1,
        ),
    )
    for name, section, control in (
        (PAPER, "6.2; asked of other values by us", OURS),
        (SPARES, "ours", PAPER),
    ):
        for column, what, bar, sign in bars if "moved" in summed else bars[:2]:
            row, other = at.loc[name], at.loc[control]
            ends = sorted(sign * row[f"{column}_{end}"] for end in ("low", "high"))
            told.append(
                Claim(
                    text=f"{attribute}: {name} {what}",
                    section=section,
                    number=_told(row, column, ".2f"),
                    control=f"{control} {_told(other, column, '.2f')}",
                    outcome=settled(ends[0] >= sign * bar, ends[1] < sign * bar)
                    if np.isfinite(ends).all()
                    else OPEN,
                )
            )
    return told
