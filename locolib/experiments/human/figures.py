"""Rates of ratings beside the paper's (App. J), drawn; nothing is computed here."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ...figures import PALETTE, panels, styled

_SHADES = ("1", "2", "3", "place")  # of PALETTE, for ratings of at least 2, 3, 4 and of 5


@styled
def rate_bars(rates: pd.DataFrame, *, titles: dict[str, str] | None = None) -> Figure:
    """Shares of ratings of at least 2, 3, 4 and 5 by attribute and model, with 95% intervals by pair and rater; crosses: the paper's.

    Args:
        rates: of `report.rates`.  Where they are simulated, the figure says so, and its bars are hatched.
        titles: what groups are called.
    """
    axes = panels(2, height=3.1)
    for ax, kinds, what in (
        (axes[0], ("all", "windows", "attribute", "placebo"), "attribute"),
        (axes[1], ("model",), "model"),
    ):
        _groups(ax, rates[rates.by.isin(kinds)], titles or {})
        kind = "SIMULATED ratings" if rates.simulated.any() else "ratings"
        ax.set(title=f"{kind} by {what}", ylabel="share of the ratings", ylim=(0, 1.04))
    names = ["at least 2", "at least 3", "at least 4", "5"]
    handles: list[Artist] = [
        Patch(color=PALETTE[shade], label=name) for shade, name in zip(_SHADES, names)
    ]
    handles.append(
        Line2D([], [], color="black", marker="x", linestyle="", label="the paper's raters")
    )
    axes[0].figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    return axes[0].figure


def _groups(ax: Axes, table: pd.DataFrame, titles: dict[str, str]) -> None:
    """Four bars for each group."""
    groups = list(dict.fromkeys(table.group))
    for i, threshold in enumerate(sorted(table.at_least.unique())):
        part = table[table.at_least == threshold].set_index("group").loc[groups]
        at = np.arange(len(groups)) + 0.2 * (i - 1.5)
        ax.bar(
            at,
            part.rate,
            width=0.18,
            color=PALETTE[_SHADES[i]],
            alpha=0.45 if part.simulated.any() else 1,
            hatch="///" if part.simulated.any() else None,
            edgecolor="white",
            yerr=np.clip([part.rate - part.low, part.high - part.rate], 0, None),
            error_kw={"elinewidth": 1, "capsize": 2},
        )
        ax.scatter(at, part.paper, marker="x", s=34, color="black", zorder=3)
    counts = table.drop_duplicates("group").set_index("group").n
    ax.set_xticks(
        range(len(groups)),
        [f"{titles.get(name) or textwrap.fill(name, 9)}\nn = {counts[name]}" for name in groups],
    )
    ax.grid(axis="x", visible=False)
