"""What else an edit changed, drawn: which values are still seen."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ...figures import PALETTE, WIDTH, short, styled
from .specificity import NONE


@styled
def other_values(
    tables: Mapping[str, pd.DataFrame], values: Mapping[str, str], *, scorer: str
) -> Figure:
    """One edited value of each attribute, a panel each: a row for each method, a column for each asked value, percentage still seen.

    Args:
        tables: of `specificity.matrix` by attribute.
        values: the edited one of each, whose column should be 0 and all others 100.
    """
    grids = {
        attribute: _grid(table[table.edited.isin(["", values[attribute]])], values[attribute])
        for attribute, table in tables.items()
    }
    heights = [1.3 + 0.3 * len(grid) for grid in grids.values()]
    figure, axes = plt.subplots(
        len(grids),
        1,
        figsize=(WIDTH, sum(heights) + 0.6),
        layout="constrained",
        squeeze=False,
        height_ratios=heights,
    )
    for ax, (attribute, grid) in zip(axes[:, 0], grids.items()):
        _heat(ax, grid, marked=[(i, 0) for i in range(1, len(grid))])
        n = tables[attribute][tables[attribute].method == NONE].n.sum()
        ax.set_title(f"{attribute}: {values[attribute]}, n = {n} held-out images a row")
    figure.suptitle(
        f"One value edited away, which values are still seen (percent),\n{scorer}",
        x=0.01,
        ha="left",
        fontsize=11,
    )
    return figure


def _grid(table: pd.DataFrame, value: str) -> pd.DataFrame:
    """Rates of a `matrix`, methods down and asked values across, the edited `value` first."""
    asked = [value, *(name for name in dict.fromkeys(table.asked) if name != value)]
    return table.pivot(index="method", columns="asked", values="rate").loc[
        list(dict.fromkeys(table.method)), asked
    ]


@styled
def matrices(table: pd.DataFrame, *, attribute: str, scorer: str) -> Figure:
    """Edited value (down) x asked value (across), a panel for each method that edited every value of a `matrix`: percentage still seen."""
    values = list(dict.fromkeys(table.asked))
    whole = [
        name
        for name, part in table[table.method != NONE].groupby("method", sort=False)
        if part.edited.nunique() == len(values)
    ]
    lines = -(-len(whole) // 2)
    figure, axes = plt.subplots(
        lines,
        2,
        figsize=(WIDTH, 0.6 + lines * (1.0 + 0.3 * len(values))),
        layout="constrained",
        squeeze=False,
    )
    for ax, name in zip(axes.flat, whole):
        grid = (
            table[table.method == name]
            .pivot(index="edited", columns="asked", values="rate")
            .loc[values, values]
        )
        _heat(ax, grid, marked=[(i, i) for i in range(len(values))])
        ax.set_title(name)
    for ax in axes.flat[len(whole) :]:
        ax.set_axis_off()
    for ax in axes[:, 1]:
        ax.set_yticklabels([])
    for ax in axes[:-1].flat:
        ax.set_xticklabels([])
    n = table[table.method == NONE].n.sum()
    figure.suptitle(
        f"{attribute}: edited value (down), asked value (across), percent still seen;\nn = {n} held-out images a row, {scorer}",
        x=0.01,
        ha="left",
        fontsize=11,
    )
    return figure


@styled
def others_by_model(
    tables: Mapping[str, pd.DataFrame], *, attribute: str, value: str, scorer: str
) -> Figure:
    """`other_values` in several models, a panel each (tables of `specificity.matrix` by the models' titles)."""
    figure, axes = plt.subplots(
        len(tables),
        1,
        figsize=(WIDTH, 1.5 + 2.1 * len(tables)),
        layout="constrained",
        squeeze=False,
    )
    for ax, (title, table) in zip(axes[:, 0], tables.items()):
        grid = _grid(table, value)
        _heat(ax, grid, marked=[(i, 0) for i in range(1, len(grid))])
        ax.set_title(f"{title}, n = {table[table.method == NONE].n.sum()} images a row")
    for ax in axes[:-1, 0]:
        ax.set_xticklabels([])
    figure.suptitle(
        f"{attribute}: {value} edited away, which values are still seen (percent),\n{scorer}",
        x=0.01,
        ha="left",
        fontsize=11,
    )
    return figure


def _heat(ax: Axes, grid: pd.DataFrame, *, marked: Sequence[tuple[int, int]]) -> None:
    """Rates as colours and whole percentages; a dash where there was nothing to ask; `marked` cells (row, column) should be 0."""
    ax.imshow(grid.to_numpy(float), cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for i, row in enumerate(grid.to_numpy(float)):
        for j, rate in enumerate(row):
            ax.text(
                j,
                i,
                "–" if np.isnan(rate) else f"{100 * rate:.0f}",
                ha="center",
                va="center",
                fontsize=9,
                color="white" if rate < 0.6 else "black",
            )
    for i, j in marked:
        ax.add_patch(
            Rectangle(
                (j - 0.47, i - 0.44), 0.94, 0.88, fill=False, edgecolor=PALETTE["2"], linewidth=2
            )
        )
    ax.set_xticks(
        range(grid.shape[1]), [short(str(name)) for name in grid.columns], rotation=35, ha="right"
    )
    ax.set_yticks(
        range(len(grid)), [short(str(name)) if len(grid) <= 6 else str(name) for name in grid.index]
    )
    ax.grid(False)
