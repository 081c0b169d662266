"""Shares of layers, paths and predictions drawn; nothing is computed here."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ...figures import PALETTE, bars, styled
from ...scores import interval

_MARKS = ("o", "s", "^", "D")


@styled
def layer_shares(
    ax: Axes, tables: Mapping[str, pd.DataFrame], *, attribute: str, known: tuple[int, int] | None
) -> Axes:
    """Each layer's share by backward passes, models side by side; `known` is the planted (start, m), marked in yellow."""
    if known:
        ax.axvspan(
            known[0] - 0.5,
            sum(known) - 0.5,
            color=PALETTE["mark"],
            alpha=0.45,
            linewidth=0,
            zorder=0,
            label="planted",
        )
    width = 0.8 / len(tables)
    for i, (name, table) in enumerate(tables.items()):
        ax.bar(
            table.layer + (i - (len(tables) - 1) / 2) * width,
            table.share,
            width,
            yerr=bars(table, "share"),
            color=PALETTE[str(i + 1)],
            error_kw={"elinewidth": 0.8},
            label=f"{name}, n = {int(table.n.iloc[0])} prompts",
        )
    layers = max(len(table) for table in tables.values())
    ax.set(
        title=f"{attribute}: share of each layer by backward passes",
        xlabel="layer, in the order in which an image passes",
        ylabel="share of the change\nof the prediction",
        xticks=range(0, layers, -(-layers // 24)),
    )
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28), ncols=1, frameon=False)
    return ax


@styled
def against(
    ax: Axes,
    tables: Mapping[str, pd.DataFrame],
    ranks: Mapping[str, float],
    *,
    title: str,
    scorer: str,
) -> Axes:
    """What backward passes predict for each window against what pictures measure; `ranks` are rank correlations by name."""
    ax.plot([0, 1], [0, 1], color=PALETTE["all"], linestyle=":", linewidth=1.2, label="equal")
    for i, (name, table) in enumerate(tables.items()):
        ax.scatter(
            table.predicted,
            table.measured,
            marker=_MARKS[i % len(_MARKS)],
            color=PALETTE[name],
            s=26,
            alpha=0.85,
            label=f"{name}: {len(table)} windows, rank correlation {ranks[name]:.2f}",
        )
    ax.set(
        title=f"{title}, {scorer}",
        xlabel="share predicted by backward passes",
        ylabel="share by pictures",
    )
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=1, frameon=False)
    return ax


@styled
def path(ax: Axes, table: pd.DataFrame, *, title: str) -> Axes:
    """How the prediction changes along the path from clean to altered text, a line for each prompt."""
    for prompt, part in table.groupby("prompt", sort=False):
        ax.plot(part.place, part.value, linewidth=1.3, alpha=0.9, label=str(prompt))
    ax.plot([0, 1], [0, 1], color=PALETTE["all"], linestyle=":", linewidth=1.2)
    ax.set(
        title=f"{title}, n = {table.prompt.nunique()} prompts",
        xlabel="place on the path: 0 clean, 1 all layers altered",
        ylabel="part of the change\nof the prediction",
        xticks=np.linspace(0, 1, 6),
    )
    return ax


@styled
def localisers(ax: Axes, summary: pd.DataFrame, *, title: str) -> Axes:
    """The AUROC of each localiser with its interval over models; a row of `benchmark.summary` each, best on top."""
    shown = summary.iloc[::-1].reset_index(drop=True)
    ends = [interval(one, "auroc") for _, one in shown.iterrows()]
    ax.axvline(0.5, color=PALETTE["all"], linestyle=":", linewidth=1.2)
    for y, end in enumerate(ends):
        ax.plot([end.low, min(1.0, end.high)], [y, y], color=PALETTE["1"], linewidth=1.6)
        ax.plot(end.value, y, "o", color=PALETTE["1"], markersize=6)
    ax.set(
        title=title,
        xlabel="AUROC of layers, mean over models (0.5: chance)",
        yticks=range(len(shown)),
        yticklabels=shown.localiser,
        xlim=(min(0.4, *(end.low for end in ends if end.low == end.low), 0.4) - 0.02, 1.02),
    )
    return ax


@styled
def by_model(ax: Axes, table: pd.DataFrame, *, title: str) -> Axes:
    """The part of the planted layers that each localiser puts on top, question by question, as a map with its numbers."""
    shown = table.dropna(subset=["overlap"])
    grid = shown.pivot_table(index="question", columns="localiser", values="overlap", sort=False)
    ax.imshow(grid, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for y, x in np.ndindex(grid.shape):
        value = grid.iloc[y, x]
        ax.text(
            x,
            y,
            f"{value:.1f}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if value < 0.6 else "black",
        )
    ax.set(
        title=title,
        xticks=range(grid.shape[1]),
        yticks=range(grid.shape[0]),
        yticklabels=[name.removeprefix("planted-") for name in grid.index],
    )
    ax.set_xticklabels(grid.columns, rotation=40, ha="right", fontsize=8)
    ax.tick_params(axis="y", labelsize=8)
    ax.grid(visible=False)
    return ax
