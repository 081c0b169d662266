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
            _ground(ax, [one in controls for one in names], high, between=bool(group))
            if lines and column in lines:
                ax.axvline(lines[column], color="black", linestyle="--", linewidth=1, zorder=1)
            ax.set_xlabel(textwrap.fill(label, 21 if len(parts) > 1 else 44))
            ax.locator_params(axis="x", nbins=3 if len(parts) > 1 else 7)
            if limits and column in limits:
                ax.set_xlim(*limits[column])
            for i, one in enumerate(groups):
                part = rows if one is None else rows[rows[group] == one]
                shift = 0.2 * (i - (len(groups) - 1) / 2)
                heights = {label: y + shift for label, y in at.items()}
                _dots(ax, part, column, heights, name=name, group=one, i=i, controls=controls)
        for ax in axes:
            ax.set_yticks(list(at.values()), told)
            for tick, one in zip(ax.get_yticklabels(), names):
                tick.set_color(GREY if one in controls else "black")
        shown = reference if lines else ""
        named: dict[str, Any] = {"name": name, "group": group, "n": n, "controls": controls}
        handles = _legend(rows, groups, reference=shown, **named)
        words = f"{title}; {_counted(rows, group, n, units)}95% intervals, {scorer}"
        _around(figure, handles, textwrap.fill(words, 58))
    return figure


def _around(figure: Figure, handles: Sequence[Line2D], words: str) -> None:
    """The legend below the panels, if there is one, and the title above them."""
    if handles:
        wide = max(len(str(handle.get_label())) for handle in handles) > 24
        columns = 1 if wide else 2
        figure.legend(handles=handles, loc="outside lower left", ncols=columns, frameon=False)
    figure.suptitle(words, x=0.01, ha="left", fontsize=13)


def _ground(ax: Axes, controls: Sequence[bool], high: Sequence[float], *, between: bool) -> None:
    """What lies behind the dots: a grey ground for controls, lines between names of several groups."""
    edges = np.cumsum([0.0, *high])
    for control, above, below in zip(controls, edges, edges[1:]):
        if control:
            ax.axhspan(above, below, color="#EEEEEE", linewidth=0, zorder=0)
    for edge in edges[1:-1] if between else ():
        ax.axhline(edge, color="#E0E0E0", linewidth=0.8, zorder=0)
    ax.set_ylim(edges[-1], 0)
    ax.grid(visible=False, axis="y")


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


def _dots(
    ax: Axes,
    rows: pd.DataFrame,
    column: str,
    at: Mapping[str, float],
    *,
    name: str,
    group: Any,
    i: int,
    controls: Collection[str],
) -> None:
    """The dots of one group, its i-th colour and mark; `at` has the height of each name."""
    look: dict[str, Any] = {"colour": _colour(group, i), "mark": MARKS[i % len(MARKS)]}
    for _, row in rows.iterrows():
        hollow = row[name] in controls or group in controls
        _draw(ax, row, column, at[row[name]], hollow=hollow, grouped=group is not None, **look)


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
    ends = ax.get_xlim() if not ax.get_autoscalex_on() else (-np.inf, np.inf)
    if not np.isfinite(value):
        _beside(ax, y, "not defined", left=True, color=GREY, style="italic")
        return
    if not ends[0] <= value <= ends[1]:
        left = value < ends[0]
        _beside(ax, y, f"◂ {value:.3g}" if left else f"{value:.3g} ▸", left=left, color=colour)
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


def _beside(ax: Axes, y: float, words: str, *, left: bool, **look: Any) -> None:
    """Words at the edge of a panel, in the place of a dot."""
    text = ax.text(0.02 if left else 0.98, y, words, fontsize=11, va="center", **look)
    text.set(transform=ax.get_yaxis_transform(), ha="left" if left else "right")


def _handle(colour: str, mark: str, face: str, words: str) -> Line2D:
    """A dot with its bar, for the legend."""
    look: dict[str, Any] = {
        "markerfacecolor": face,
        "markeredgewidth": 1.6,
        "linewidth": 2,
        "markersize": 7,
    }
    return Line2D([], [], color=colour, marker=mark, label=words, **look)


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
            handles.append(_handle(_colour(one, i), MARKS[i % len(MARKS)], face, f"{told}{many}"))
    if set(controls) & set(rows[name]):
        handles.append(_handle(GREY, "o", "white", "control (hollow)"))
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
