"""Checks of a planting and of an answer's stability, drawn."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from ...figures import PALETTE, bars, styled
from .figures import _n


@styled
def verdict_rates(ax: Axes, rates: dict[str, pd.DataFrame], *, scorer: str) -> Axes:
    """How often each verdict came over random splits of the same images, with Wilson's 95% intervals.

    Args:
        rates: of `locogen.rates`, by the models' titles.
    """
    verdicts = ["localised", "not localised", "inconclusive", "no effect"]
    for i, (title, table) in enumerate(rates.items()):
        part = table.set_index("verdict").loc[verdicts]
        ax.barh(
            np.arange(4) + 0.27 * (i - 1),
            part.rate,
            height=0.25,
            color=PALETTE[str(i + 1)],
            label=title,
            xerr=np.clip([part.rate - part.low, part.high - part.rate], 0, None),
            error_kw={"elinewidth": 1, "capsize": 2},
        )
    ax.set_yticks(range(4), verdicts)
    ax.invert_yaxis()
    ax.set(
        title=f"style: the answer, n = {int(part.splits.iloc[0])} random splits of the images, {scorer}",
        xlabel="share of the splits",
        xlim=(0, 1.02),
    )
    ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.2), ncols=3, frameon=False)
    return ax


@styled
def share_bars(
    ax: Axes, table: pd.DataFrame, *, attribute: str, scorer: str, threshold: float = 0.8
) -> Axes:
    """Share of each layer set with its 95% interval: the check of a planting, which needs no LocoGen.

    Args:
        table: of `locogen.check_planting`; its kinds choose the colours.
    """
    colours = {
        "window": PALETTE["2"],
        "all but the window": PALETTE["1"],
        "part of the window": PALETTE["place"],
        "single layer": "#999999",
        "all but another layer": "#999999",
        "all but one of the two": PALETTE["1"],
        "one of the two": PALETTE["place"],
        "the two": PALETTE["2"],
    }
    table = table[table.kind.isin(colours)]
    at = np.arange(len(table))
    ax.bar(
        at,
        table.share,
        yerr=bars(table, "share"),
        color=[colours[kind] for kind in table.kind],
        capsize=2,
        width=0.75,
        error_kw={"elinewidth": 1},
    )
    ax.axhline(threshold, color="black", linestyle="--", linewidth=1)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(
        title=f"{attribute}: share of the effect, n = {_n(table)}, {scorer}",
        ylabel="share of the effect of\naltering all layers",
        xlabel="layers that receive the target prompt",
    )
    ax.set_xticks(
        at, [_short(row) for row in table.itertuples()], rotation=90 if len(table) > 12 else 0
    )
    ax.legend(
        handles=[Patch(color=c, label=k) for k, c in colours.items() if k in set(table.kind)],
        loc="lower center",
        bbox_to_anchor=(0.5, 1.1),
        ncols=2,
        frameon=False,
    )
    return ax


def _short(row: Any) -> str:
    if row.kind.startswith("all but") and row.kind != "all but the window":
        return f"but {row.but}"
    return "all others" if row.kind == "all but the window" else row.layers
