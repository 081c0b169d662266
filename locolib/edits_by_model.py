"""LocoEdit in several models: what the edit does at the layers that LocoGen names in each, beside a random window (Fig. 8)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from . import editing, outcomes, specificity
from .answers import ratio
from .figures import PALETTE, bars, styled
from .ledger import Claim, settled
from .locoedit import SPARES
from .locogen import Sweep, label
from .outcomes import Trial
from .specificity import APART, OURS, PAPER, Make, locoedits

CONDITIONS = {"located layers altered": PALETTE["all"], PAPER: "#56B4E9", OURS: PALETTE["1"], SPARES: PALETTE["3"], APART: PALETTE["2"]}


def tried(one: Trial, tokens: str, *, pictures: int) -> tuple[str, pd.DataFrame]:
    """(tokens, outcomes): LocoEdit at the located layers (the paper's, by the chosen tokens, sparing) and at a random window, on held-out prompts.

    Args:
        tokens: as `text.TOKENS`; "auto": the smallest edit that does it on so many of the training prompts.
        pictures: how many those are.
    """
    if tokens == "auto":
        tokens = outcomes.best_tokens(outcomes.by_tokens(one, prompts=pictures))
    return tokens, one.tried({name: make(one) for name, make in makers(one, tokens).items()})


def makers(one: Trial, tokens: str) -> dict[str, Make]:
    """LocoEdit at the located layers and at a random window."""
    made = locoedits(tokens, outcomes.random_window(one.model.spec.layers, one.window, seed=0))
    return {name: made[name] for name in (PAPER, OURS, SPARES, APART)}


def others(one: Trial, tokens: str, *, count: int) -> pd.DataFrame:
    """How often other values are still seen when the page's own one is edited (see `specificity.matrix`)."""
    return specificity.matrix(one, {}, trained={name: make(one) for name, make in makers(one, tokens).items()}, count=count)


@styled
def bars_by_model(ax: Axes, tables: Mapping[str, pd.DataFrame], *, attribute: str, scorer: str) -> Axes:
    """Each condition of each model as share of altering all its layers, with 95% intervals.

    Args:
        tables: of `tried`, by the model's title.
    """
    height = 0.8 / len(CONDITIONS)
    for i, (name, colour) in enumerate(CONDITIONS.items()):
        rows = pd.DataFrame([table.set_index("name").loc[name] for table in tables.values()])
        at = np.arange(len(rows)) + height * (i - (len(CONDITIONS) - 1) / 2)
        ax.barh(at, rows["of all"], height=0.92 * height, color=colour, label=name, xerr=bars(rows, "of all"), error_kw={"elinewidth": 1, "capsize": 2})
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(tables)), [f"{title}\nn = {int(table.images.iloc[0])} images" for title, table in tables.items()])
    ax.invert_yaxis()
    ax.set(title=f"{attribute}: LocoEdit in each miniature,\n{scorer}", xlabel="effect on held-out prompts,\nas share of altering all layers")
    return ax


def strip(title: str, one: Trial, table: pd.DataFrame) -> tuple[str, list[tuple[str, np.ndarray]]]:
    """One held-out prompt for `pictures.image_rows`: as it is, altered, edited, edited elsewhere."""
    kept = {"as it is": one.measured().image.iloc[0]} | dict(zip(("altered", "the paper's", "edited", "sparing", "random window"), table.set_index("name").image[list(CONDITIONS)]))
    return f"{title}: {one.held.prompts[0].original}, layers {label(one.window)}", [(what, one.store.shown(image)) for what, image in kept.items()]


def row(title: str, one: Trial, done: Sweep, tokens: str, table: pd.DataFrame) -> dict[str, Any]:
    """A line of the page's table."""
    return {"model": title, "attribute": one.attribute, "edited layers": label(one.window), "LocoGen's verdict": done.verdict.verdict, "chosen tokens": tokens,
            "images": int(table.images.iloc[0])}


def words(title: str, tables: Mapping[str, pd.DataFrame]) -> str:
    """What the edit does in one model."""
    parts = []
    for attribute, table in tables.items():
        at = table.set_index("name")
        parts.append(f"{attribute} {ratio(at.loc[OURS], 'of all')} (the paper's {ratio(at.loc[PAPER], 'of all')}, sparing {ratio(at.loc[SPARES], 'of all')}, "
                     f"random window {ratio(at.loc[APART], 'of all')})")
    return f"- **{title}**: {'; '.join(parts)}."


def claims(tables: Mapping[str, pd.DataFrame]) -> list[Claim]:
    """Fig. 8's claim in one model, for each attribute, and whether the place mattered."""
    found = []
    for attribute, table in tables.items():
        at = table.set_index("name")
        edited, apart = at.loc[OURS], at.loc[APART]
        more, less = edited["of all_low"] > apart["of all_high"], edited["of all_high"] < apart["of all_low"]
        found += [editing.does_most(attribute, at.loc[PAPER], apart, ", by the paper's tokens,"), editing.does_most(attribute, edited, apart),
                  editing.does_most(attribute, at.loc[SPARES], apart, ", sparing others,"),
                  Claim(text=f"{attribute}: the edit does more at the located layers than at a random window", section="6.2", number=ratio(edited, "of all"),
                        control=f"random window {ratio(apart, 'of all')}, of altering all layers", held=settled(more, less))]
    return found


def spared(others: Mapping[str, pd.DataFrame]) -> list[Claim]:
    """Whether the paper's edit and the sparing one remove the value and keep others, in one model (tables of `others` by attribute)."""
    return [claim for attribute, table in others.items() for claim in specificity.claims(attribute, specificity.rates(table))]
