"""Sweeps drawn (Figs. 5, 7, 40, 55 and 56 of the paper); nothing is computed here."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ...figures import MARKERS, PALETTE, bars, panels, styled


def _level(ax: Axes, row: pd.Series, name: str, text: str) -> None:
    """A horizontal line with its interval as a band: the clean image, or all layers altered."""
    ax.axhline(
        row["score"],
        color=PALETTE[name],
        linestyle="--" if name == "clean" else ":",
        linewidth=1.4,
        label=text,
    )
    if np.isfinite([row["score_low"], row["score_high"]]).all():
        ax.axhspan(
            row["score_low"], row["score_high"], color=PALETTE[name], alpha=0.10, linewidth=0
        )


@styled
def score_curve(
    ax: Axes,
    table: pd.DataFrame,
    *,
    attribute: str,
    scorer: str,
    known: tuple[int, int] | None = None,
    name: str = "paper",
) -> Axes:
    """Mean CLIP-Score against the first altered layer (the paper's Fig. 5), for one or several window sizes m.

    Args:
        table: of `locogen.summary`, kinds "clean", "all" and "window"; several sizes may be stacked.
        known: (start, m) of the paper's or the planted location, marked in yellow; `name` says whose it is.
    """
    windows = table[table.kind == "window"]
    _level(ax, table[table.kind == "clean"].iloc[0], "clean", "nothing altered")
    _level(ax, table[table.kind == "all"].iloc[0], "all", "all layers altered")
    sizes = sorted(windows.m.unique())
    for i, m in enumerate(sizes):
        part = windows[windows.m == m]
        shift = 0.12 * (i - (len(sizes) - 1) / 2)
        ax.errorbar(
            part.start + shift,
            part.score,
            yerr=bars(part, "score"),
            color=PALETTE.get(str(m), "#56B4E9"),
            marker=MARKERS.get(m, "D"),
            markersize=4.5,
            linestyle=_line(table),
            linewidth=1.3,
            elinewidth=1,
            capsize=2,
            label=f"m = {m}",
        )
    if known:
        ax.axvspan(
            known[0] - 0.4,
            known[0] + 0.4,
            color=PALETTE["mark"],
            alpha=0.45,
            linewidth=0,
            zorder=0,
            label=f"{name}: from layer {known[0]}, m = {known[1]}",
        )
    told = "target" if attribute == "fact" else "original"
    ax.set(
        title=f"{attribute}: score after altering a window, n = {_n(table)}, {scorer}",
        xlabel=_first_layer(table),
        ylabel=f"CLIP-Score with the\n{told} prompt (points)",
        xticks=_ticks(windows.start),
    )
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=3, frameon=False)
    return ax


def _all_drawn(table: pd.DataFrame) -> bool:
    """Whether a table of `summary` has every window of its sizes."""
    layers = int(table[table.kind == "all"].m.iloc[0])
    counts = table[table.kind == "window"].groupby("m").start.nunique()
    return all(count == layers - int(m) + 1 for m, count in counts.items())


def _line(table: pd.DataFrame) -> str:
    """How windows are joined: by a line, unless some between them were not drawn."""
    return "-" if _all_drawn(table) else "none"


def _first_layer(table: pd.DataFrame) -> str:
    """The label of the axis of windows; it says where some were left out."""
    some = "" if _all_drawn(table) else " (those that backward passes name)"
    return f"first layer of the window{some}"


def _ticks(starts: pd.Series) -> Sequence[int]:
    """At most 24 layers that have a number below them."""
    last = int(starts.max())
    return range(0, last + 1, -(-(last + 1) // 24))


@styled
def compare(
    tables: dict[str, pd.DataFrame],
    *,
    attribute: str,
    scorer: str,
    known: dict[str, tuple[int, int] | None],
) -> Figure:
    """One attribute in several models, one below the other (the paper's Fig. 5): mean CLIP-Score over windows.

    Args:
        tables: of `locogen.summary`, by the models' titles.
        known: each one's (start, m) in the paper, marked in yellow; None where the paper names no layers.
    """
    axes = panels(len(tables), height=1.9)
    for ax, (title, table) in zip(axes, tables.items()):
        windows = table[table.kind == "window"]
        for kind, name in (("clean", "nothing altered"), ("all", "all layers altered")):
            _level(ax, table[table.kind == kind].iloc[0], kind, name)
        ax.errorbar(
            windows.start,
            windows.score,
            yerr=bars(windows, "score"),
            color=PALETTE[attribute],
            marker="o",
            markersize=3.5,
            linestyle=_line(table),
            linewidth=1.2,
            elinewidth=1,
            capsize=2,
            label="a window altered",
        )
        if where := known.get(title):
            start, m = where
            ax.axvspan(
                start - 0.4,
                start + 0.4,
                color=PALETTE["mark"],
                alpha=0.6,
                linewidth=0,
                zorder=0,
                label="the paper's window",
            )
        ax.set(
            title=f"{title}: {attribute}, m = {windows.m.iloc[0]}, n = {_n(table)}",
            xticks=_ticks(windows.start),
            ylabel="score (points)",
            xlabel=_first_layer(table),
        )
    handles = {
        label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels())
    }
    axes[0].figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=2,
        frameon=False,
        title=scorer,
    )
    return axes[0].figure


@styled
def heat_map(
    ax: Axes,
    shares: pd.DataFrame,
    *,
    attribute: str,
    scorer: str,
    m: int,
    known: tuple[int, int] | None = None,
) -> Axes:
    """Each prompt's own windows (the paper's Figs. 7 and 40 show pictures of single prompts): share of every window, in the colours of cividis.

    Args:
        shares: of `locogen.by_prompt`, [prompts, windows].
        known: (start, m) of the paper's or the planted location, framed in orange.
    """
    mesh = ax.imshow(
        shares.clip(0, 1), cmap="cividis", vmin=0, vmax=1, aspect="auto", interpolation="nearest"
    )
    if known and known[0] in shares.columns:
        at = list(shares.columns).index(known[0])
        ax.add_patch(
            Rectangle(
                (at - 0.5, -0.5), 1, len(shares), fill=False, edgecolor=PALETTE["2"], linewidth=2
            )
        )
    every = -(-len(shares.columns) // 24)
    ax.set_xticks(range(0, len(shares.columns), every), shares.columns[::every])
    ax.set_yticks(
        range(len(shares)),
        [name if len(name) <= 36 else f"{name[:16]} … {name[-18:]}" for name in shares.index],
        fontsize=8,
    )
    ax.set(
        title=f"{attribute}: share by prompt, m = {m},\nn = {len(shares)} prompts, {scorer}",
        xlabel="first layer of the window",
    )
    ax.grid(visible=False)
    ax.figure.colorbar(mesh, ax=ax, label="share of the effect\nof all layers", shrink=0.8)
    return ax


def _n(table: pd.DataFrame) -> str:
    """Units and images behind each point, in words."""
    row = table.iloc[0]
    return (
        f"{row.units} {row.unit}s"
        if row.units == row.images
        else f"{row.units} {row.unit}s, {row.images} images"
    )


@styled
def score_by_size(
    ax: Axes,
    table: pd.DataFrame,
    *,
    attribute: str,
    scorer: str,
    known: tuple[int, int] | None = None,
    name: str = "planted",
) -> Axes:
    """Mean CLIP-Score against the window's size m, from one start (the paper's Fig. 56); m = 0 is the clean image.

    Args:
        known: (start, m) of the paper's or the planted location, marked in yellow; `name` says whose it is.
    """
    part = table[table.kind.isin(("clean", "window"))].sort_values("m")
    ax.errorbar(
        part.m,
        part.score,
        yerr=bars(part, "score"),
        color=PALETTE[attribute],
        marker="o",
        capsize=2,
    )
    _level(ax, table[table.kind == "all"].iloc[0], "all", "all layers altered")
    if known:
        ax.axvspan(
            known[1] - 0.2,
            known[1] + 0.2,
            color=PALETTE["mark"],
            alpha=0.45,
            linewidth=0,
            zorder=0,
            label=f"{name}: m = {known[1]}",
        )
    start = int(part[part.m > 0].start.iloc[0])
    told = "target" if attribute == "fact" else "original"
    ax.set(
        title=f"{attribute}: score against m, windows from layer {start}, n = {_n(table)}, {scorer}",
        xlabel="m, layers altered",
        ylabel=f"CLIP-Score with the\n{told} prompt (points)",
        xticks=part.m,
    )
    ax.legend(frameon=False)
    return ax
