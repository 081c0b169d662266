"""What the pages on editing say they found: rows of tables, and sentences in which every number is computed."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ...drawing.text import TOKENS, Tokens
from ...models import Model
from ...scores import Interval, interval
from ..locogen import Sweep, label
from . import fine_tuning, report_rules
from .informing import Informed, Lead
from .locoedit import LAMBDA, SPARES
from .specificity import APART, EVERY, OURS, PAPER
from .trials import ALTERED, Trial


def located(sweeps: Mapping[str, Sweep], trials: Mapping[str, Trial]) -> pd.DataFrame:
    """What is edited, where, in whose words, and with how many prompts."""
    return pd.DataFrame(
        {
            name: {
                "value": one.value,
                "an original": one.train[0].original,
                "the edit's target": one.train[0].edit_target,
                "edited layers": label(one.window),
                "LocoGen's verdict": sweeps[name].verdict.verdict,
                "share on held-out prompts": str(sweeps[name].verdict.share),
                "prompts that make the edit": len(one.train),
                "prompts that judge it": len(one.held.prompts),
                "images": len(one.held.prompts) * len(one.held.seeds),
                "smallest effect that matters": f"{points(one.matters)} points",
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
    """What each choice of tokens does on the training prompts in our wording, and which is taken."""
    lines = []
    for attribute, table in tables.items():
        rows = table.set_index("name").loc[list(TOKENS)]
        each = "; ".join(f"{name} {interval(row)}" for name, row in rows.iterrows())
        lines.append(
            f"- **{attribute}** (n = {int(rows.images.iloc[0])} images): {each}. Taken as ours for the rest of this page: "
            f"**{chosen[attribute]}**, {TOKENS[chosen[attribute]]}."
        )
    return "\n".join(lines)


def edit_words(tables: Mapping[str, pd.DataFrame]) -> str:
    """What LocoEdit does on held-out prompts, and the controls."""
    lines = []
    for attribute, table in tables.items():
        at = table.set_index("name")
        paper, altered = at.loc[PAPER], at.loc[ALTERED]
        shares = {name: interval(at.loc[name]) for name in (OURS, SPARES, APART, EVERY)}
        target = {name: interval(at.loc[name], "target") for name in (PAPER, ALTERED, OURS)}
        lines.append(
            f"- **{attribute}**: against the unedited model the paper's edit moves the score by {interval(paper, 'points')} points "
            f"({points(paper.matters)} matter), {interval(paper)} of what altering the same layers does, and shows the target in a "
            f"proportion of {target[PAPER]} (altering {target[ALTERED]}); {difference_words(paper, altered)}. At random windows it has a "
            f"share of {shares[APART]}, at all layers {shares[EVERY]}. Ours has {shares[OURS]} (target {target[OURS]}), the one that "
            f"spares {shares[SPARES]} (n = {int(paper.images)} images; intervals over {int(paper.units)} {paper.unit}s)."
        )
    return "\n".join(lines)


def difference_words(edited: pd.Series, altered: pd.Series) -> str:
    """By how much an edit does more or less than altering the same layers."""
    return f"the difference from altering is {report_rules.difference(edited, altered)} points"


def lambda_words(table: pd.DataFrame, altered: pd.Series) -> str:
    """How much nearer lambda = 0.01 comes to altering the layers than each other one."""
    losses = report_rules.losses_of(table, altered, LAMBDA)
    each = "; ".join(f"λ = {value:g}: {found}" for value, found in losses.items())
    return (
        f"By how many points λ = {LAMBDA:g} comes nearer to altering the same layers than another λ does, unit by unit: {each} "
        f"(what matters: {points(table.matters.iloc[0])} points; n = {int(table.units.iloc[0])} {table.unit.iloc[0]}s)."
    )


def informed_words(
    found: Mapping[str, Informed], leads: Mapping[str, Lead], together: Informed | None
) -> str:
    """Whether editing works where LocoGen finds the attribute."""
    lines = []
    for attribute, one in found.items():
        lead = leads[attribute]
        where = (
            "which is the located one"
            if lead.best == lead.located
            else f"which {'shares a layer' if lead.overlaps else 'has no layer in common'} with the located {lead.located}"
        )
        lines.append(
            f"- **{attribute}**: LocoGen's effect of a window explains R² = {one} of the variance of the edit's. The best window to "
            f"edit is {lead.best}, {where}; the located one leads the best without a layer in common by {lead.lead} ({lead.rival})."
        )
    if together:
        lines.append(f"- **Together**: R² = {together}.")
    return (
        "\n".join(lines)
        or "- Altering all layers does nothing here, so there are no shares to compare."
    )


def training_words(model: Model, losses: Mapping[str, pd.DataFrame]) -> str:
    """How the fine-tuned methods were trained, and what became of their losses; nothing where none was."""
    if not losses:
        return "Here nothing was fine-tuned."
    found = [f"{name}: {fine_tuning.words(table)}" for name, table in losses.items()]
    return (
        f"Trained so: {fine_tuning.plan_words(model)}. What became of the loss: {'. '.join(found)}."
    )


def again_words(value: str, done: Sweep) -> str:
    """LocoGen's answer on the edited model."""
    v = done.verdict
    where = f", best window {label(done.found)} (share {v.share} on held-out prompts)"
    return (
        f"LocoGen once more, on the model with our edit of {value}: altering all layers moves the score by {v.full} points; "
        f"{v.verdict}{where if np.isfinite(v.share.value) else ''}."
    )


def specificity_words(attribute: str, summed: pd.DataFrame) -> str:
    """The three numbers of each method, as a list."""
    lines = []
    for _, row in summed.iterrows():
        unmoved = "moved" not in row or np.isnan(row["moved"])
        moved = (
            ""
            if unmoved
            else f", generic pictures moved by {told(row, 'moved', '.1f')} of 255 levels"
        )
        lines.append(
            f"- **{attribute}, {row['name']}**: gone {told(row, 'gone', '.2f')} (n = {row['n gone']} pictures), other values kept "
            f"{told(row, 'kept', '.2f')} (n = {row['n kept']}){moved}"
        )
    return "\n".join(lines)


def told(row: pd.Series, column: str, form: str) -> str:
    """A value with its interval in a number format; "nothing to ask" where there is none."""
    value, low, high = (row[name] for name in (column, f"{column}_low", f"{column}_high"))
    if np.isnan(value):
        return "nothing to ask"
    ends = "(n too small)" if np.isnan(low) else f"[{low:{form}}, {high:{form}}]"
    return f"{value:{form}} {ends}"


def points(matters: float) -> str:
    """The smallest effect that matters, as a number of points."""
    return "an unknown number of" if np.isnan(matters) else f"{matters:.1f}"


def percent(found: Interval) -> str:
    """A share in percent."""
    return str(Interval(value=100 * found.value, low=100 * found.low, high=100 * found.high))
