"""Figures of edits: outcomes as bars, success against LocoGen's share, generic prompts before and after."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .figures import PALETTE, bars, styled


@styled
def outcome_bars(ax: Axes, tables: Mapping[str, pd.DataFrame], *, column: str, title: str, what: str, scorer: str,
                 order: Sequence[str] = ()) -> Axes:
    """A value of each edit with its 95% interval, horizontally, one colour for each attribute (Figs. 8 and 57 of the paper).

    Args:
        tables: of `outcomes.Trial.tried` by attribute; `column` and its _low and _high are drawn.
        title, what: what is drawn, and the axis's label.
        order: names to draw, from above; default: those of the first table.
    """
    names = list(order or next(iter(tables.values())).name)
    height = 0.8 / len(tables)
    for i, (attribute, table) in enumerate(tables.items()):
        part = table.set_index("name").reindex(names).reset_index()
        at = np.arange(len(names)) + height * (i - (len(tables) - 1) / 2)
        ax.barh(at, part[column], height=0.92 * height, color=PALETTE[attribute], label=f"{attribute}, n = {int(table.images.iloc[0])} images",
                xerr=bars(part, column), error_kw={"elinewidth": 1, "capsize": 2})
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set(xlabel=what, title=f"{title}, {scorer}")
    ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.16), ncols=3, frameon=False)
    return ax


@styled
def against_share(ax: Axes, table: pd.DataFrame, *, attribute: str, scorer: str, correlation: str) -> Axes:
    """For every window, what an edit there achieves against LocoGen's share of the window.

    Args:
        table: columns located (LocoGen's share), of all (the edit's, of altering all layers, with _low and _high), name, units.
        correlation: the rank correlation, in words.
    """
    ax.errorbar(table.located, table["of all"], yerr=bars(table, "of all"), fmt="o", color=PALETTE[attribute], markersize=4.5, elinewidth=1, capsize=2)
    for row in table.nlargest(2, "located").itertuples():
        ax.annotate(row.name, (row.located, table.loc[row.Index, "of all"]), textcoords="offset points", xytext=(-6, 6), ha="right", fontsize=9)
    ax.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":")
    ax.set(title=f"{attribute}: editing against locating, n = {len(table)} windows,\n{scorer}; {correlation}",
           xlabel="LocoGen's share of the window", ylabel="effect of the edit, as share\nof altering all layers")
    return ax


@styled
def lambda_curve(ax: Axes, table: pd.DataFrame, *, attribute: str, scorer: str) -> Axes:
    """Effect of the edit against lambda: at the located layers and at a random window of the same size.

    Args:
        table: lambda, where, share with _low and _high, images.
    """
    for colour, marker, (where, part) in zip((PALETTE["2"], PALETTE["1"]), "os", table.groupby("where", sort=False)):
        ax.errorbar(part["lambda"], part.share, yerr=bars(part, "share"), color=colour, marker=marker, markersize=4.5, capsize=2, label=where)
    ax.set(xscale="log", xlabel="lambda (no unit)", ylabel="effect of the edit, as share of\naltering the located layers",
           title=f"{attribute}: LocoEdit against lambda, n = {int(table.images.iloc[0])} images,\n{scorer}")
    ax.legend(frameon=False)
    return ax
