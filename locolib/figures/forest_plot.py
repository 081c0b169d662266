"""Tables about numbers with intervals as forest plots: a dot and a 95% bar for each row, and the table to keep."""

import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .forest_labels import _counted, _labels
from .style import PALETTE, WIDTH, styled

GREY = "#595959"  # dark enough to be read as text
MARKS = "osD^v"  # groups differ by more than their colour
_LARGE = {
    "font.size": 13,
    "axes.labelsize": 13,
    "xtick.labelsize": 12,
    "ytick.labelsize": 13,
    "legend.fontsize": 13,
}
_LINE = 0.235  # inches from one line of a name to the next


@styled
def forest(
    rows: pd.DataFrame,
    *,
    parts: Mapping[str, str],
    title: str,
    scorer: str,
    name: str = "name",
    group: str | None = None,
    n: str | None = "n",
    units: str = "images",
    controls: Collection[str] = (),
    lines: Mapping[str, float] | None = None,
    reference: str = "",
    limits: Mapping[str, tuple[float, float]] | None = None,
    note: str | None = None,
) -> Figure:
    """A line for each name, from above, with a dot and a 95% bar in each panel; two panels beside each other, further ones below.

    Args:
        rows: a row for each name (and group); a part without a value is said to be not defined, one without ends has no bar.
        parts: column -> the axis's label, with its unit; the column's ends are in columns _low and _high.
        title, scorer, units: what is plotted, who scored it, and what n counts.
        group: a column whose values share a line, each with its colour and mark (an attribute: that of the other figures).
        n: a column, said once where all rows have the same; None: the title says it.
        controls: names (or groups) whose dots are hollow; names stand on a grey ground as well.
        lines: a value of reference in a panel, dashed; `reference` says in the legend what it is.
        limits: ends of a panel's axis; an arrow stands for what lies outside, beside the number if it is the value.
        note: a column of words below each name, such as the paper's number.
    """
    with plt.rc_context(_LARGE):
        names = list(dict.fromkeys(rows[name]))
        groups = list(dict.fromkeys(rows[group])) if group else [None]
        told = _labels(rows, names, name=name, group=group, n=n, controls=controls, note=note)
        high = [max(_LINE * (text.count("\n") + 1), 0.2 * len(groups)) + 0.13 for text in told]
        at = dict(zip(names, np.cumsum([0.0, *high[:-1]]) + np.array(high) / 2))
        figure, axes = _axes(list(parts), sum(high))
        for ax, (column, label) in zip(axes, parts.items()):
            for one in (one for one in names if one in controls):
                ax.axhspan(
                    at[one] - high[names.index(one)] / 2,
                    at[one] + high[names.index(one)] / 2,
                    color="#EEEEEE",
                    linewidth=0,
                    zorder=0,
                )
            if lines and column in lines:
                ax.axvline(lines[column], color="black", linestyle="--", linewidth=1, zorder=1)
            ax.set_xlabel(textwrap.fill(label, 21 if len(parts) > 1 else 44))
            ax.set_ylim(sum(high), 0)
            ax.grid(visible=False, axis="y")
            for edge in np.cumsum(high[:-1]) if group else ():
                ax.axhline(edge, color="#E0E0E0", linewidth=0.8, zorder=0)
            ax.locator_params(axis="x", nbins=3 if len(parts) > 1 else 7)
            if limits and column in limits:
                ax.set_xlim(*limits[column])
            for i, one in enumerate(groups):
                part = rows if one is None else rows[rows[group] == one]
                shift = 0.2 * (i - (len(groups) - 1) / 2)
                for _, row in part.iterrows():
                    _draw(
                        ax,
                        row,
                        column,
                        at[row[name]] + shift,
                        colour=_colour(one, i),
                        mark=MARKS[i % len(MARKS)],
                        hollow=row[name] in controls or one in controls,
                        grouped=one is not None,
                    )
        for ax in axes:
            ax.set_yticks(list(at.values()), told)
            for tick, one in zip(ax.get_yticklabels(), names):
                tick.set_color(GREY if one in controls else "black")
        handles = _legend(
            rows,
            groups,
            name=name,
            group=group,
            n=n,
            controls=controls,
            reference=reference if lines else "",
        )
        if handles:
            figure.legend(
                handles=handles,
                loc="outside lower left",
                ncols=1 if max(len(str(h.get_label())) for h in handles) > 24 else 2,
                frameon=False,
            )
        figure.suptitle(
            textwrap.fill(f"{title}; {_counted(rows, group, n, units)}95% intervals, {scorer}", 58),
            x=0.01,
            ha="left",
            fontsize=13,
        )
    return figure


def _axes(parts: Sequence[str], height: float) -> tuple[Figure, list[Axes]]:
    """Panels in one or two columns; only the left ones have names."""
    across = min(2, len(parts))
    down = -(-len(parts) // across)
    figure, axes = plt.subplots(
        down,
        across,
        figsize=(WIDTH, 1.3 + down * (height + 0.95)),
        layout="constrained",
        squeeze=False,
        sharey=True,
    )
    for ax in axes.flat[len(parts) :]:
        ax.set_visible(False)
    return figure, list(axes.flat[: len(parts)])


def _colour(group: object, i: int) -> str:
    return PALETTE["1"] if group is None else PALETTE.get(str(group), PALETTE[str(1 + i % 3)])


def _draw(
    ax: Axes,
    row: pd.Series,
    column: str,
    y: float,
    *,
    colour: str,
    mark: str,
    hollow: bool,
    grouped: bool,
) -> None:
    """One row's dot and bar."""
    value, low, high = (float(row[f"{column}{end}"]) for end in ("", "_low", "_high"))
    colour = GREY if hollow and not grouped else colour
    if not np.isfinite(value):
        ax.text(
            0.02,
            y,
            "not defined",
            transform=ax.get_yaxis_transform(),
            va="center",
            fontsize=11,
            color=GREY,
            style="italic",
        )
        return
    ends = ax.get_xlim() if not ax.get_autoscalex_on() else (-np.inf, np.inf)
    if not ends[0] <= value <= ends[1]:
        left = value < ends[0]
        ax.text(
            0.02 if left else 0.98,
            y,
            f"◂ {value:.3g}" if left else f"{value:.3g} ▸",
            transform=ax.get_yaxis_transform(),
            va="center",
            ha="left" if left else "right",
            fontsize=11,
            color=colour,
        )
        return
    if np.isfinite([low, high]).all():
        ax.plot([low, high], [y, y], color=colour, linewidth=2, solid_capstyle="butt", zorder=2)
        for at, beyond, arrow in zip(ends, (low < ends[0], high > ends[1]), "<>"):
            if beyond:
                ax.scatter([at], [y], marker=arrow, color=colour, s=45, clip_on=False, zorder=3)
    else:
        ax.annotate(
            "no interval",
            (value, y),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=11,
            color=GREY,
        )
    ax.plot(
        [value],
        [y],
        mark,
        color=colour,
        markerfacecolor="white" if hollow else colour,
        markeredgewidth=1.6,
        markersize=7,
        zorder=3,
        clip_on=False,
    )


def _legend(
    rows: pd.DataFrame,
    groups: Sequence[Any],
    *,
    name: str,
    group: str | None,
    n: str | None,
    controls: Collection[str],
    reference: str,
) -> list[Line2D]:
    """What colours, hollow dots and the dashed line mean."""
    handles = []
    if group:
        for i, one in enumerate(groups):
            counts = rows.loc[rows[group] == one, n].unique() if n else ()
            many = (
                f", n = {next(iter(counts)):g}"
                if len(counts) == 1 and rows[n].nunique() > 1
                else ""
            )
            face, told = (
                ("white", f"{one} (control)") if one in controls else (_colour(one, i), str(one))
            )
            handles.append(
                Line2D(
                    [],
                    [],
                    color=_colour(one, i),
                    marker=MARKS[i % len(MARKS)],
                    markerfacecolor=face,
                    markeredgewidth=1.6,
                    linewidth=2,
                    markersize=7,
                    label=f"{told}{many}",
                )
            )
    if set(controls) & set(rows[name]):
        handles.append(
            Line2D(
                [],
                [],
                color=GREY,
                marker="o",
                markerfacecolor="white",
                markeredgewidth=1.6,
                linewidth=2,
                label="control (hollow)",
            )
        )
    if reference:
        handles.append(
            Line2D(
                [],
                [],
                color="black",
                linestyle="--",
                linewidth=1,
                label=textwrap.fill(reference, 50),
            )
        )
    return handles
