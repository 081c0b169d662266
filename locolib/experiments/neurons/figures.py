"""Dropped neurons, drawn (Figs. 9, 10, 59 and 60 of the paper); nothing is computed here."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...figures import PALETTE, contact_sheet, panels, styled
from ...store import Store
from .dropping import DOSES
from .ranking import NEURONS, WIDTH

# Condition -> colour and name, in the order of Fig. 10; the control comes before the other prompt.
SHOWN = {
    "clean": ("clean", "clean"),
    "30": ("mark", "30 dropped"),
    "50": ("3", "50 dropped"),
    "100": ("2", "100 dropped"),
    "random 100": ("all", "100 random ones dropped"),
    "altered": ("1", "layers given the other prompt"),
}
_KINDS = {
    "": ("2", "o", "highest |z|"),
    "other ": ("1", "^", "highest |z| of another artist"),
    "random ": ("all", "s", "drawn at random"),
}


@styled
def score_bars(tables: Mapping[str, pd.DataFrame], *, scorer: str) -> Figure:
    """Fig. 10: the style's mean CLIP-Score by artist and condition with 95% intervals, and below it the object's.

    Args:
        tables: of `neurons.summary`, by artist.
    """
    axes = panels(2, height=3.3)
    for ax, column, text in zip(
        axes, ("style", "object"), ('"style of <artist>"', "the prompt without the style")
    ):
        for i, (name, (colour, label)) in enumerate(SHOWN.items()):
            part = pd.DataFrame(
                [table.set_index("condition").loc[name] for table in tables.values()]
            )
            at = np.arange(len(part)) + 0.14 * (i - 2.5)
            ax.bar(
                at,
                part[column].astype(float),
                width=0.13,
                color=PALETTE[colour],
                label=label,
                edgecolor="white",
                linewidth=0.4,
                hatch="///" if name.startswith("random") else None,
                yerr=_ends(part, column),
                error_kw={"elinewidth": 1, "capsize": 1.5},
            )
        row = next(iter(tables.values())).iloc[0]
        ax.set(
            title=f"{column} after neurons were dropped, n = {row.units} {row.unit}s\nof each artist, {scorer}",
            ylabel=f"CLIP-Score with\n{text}\n(points)",
        )
        ax.set_xticks(range(len(tables)), [textwrap.fill(artist, 9) for artist in tables])
        ax.grid(axis="x", visible=False)
    handles, labels = axes[0].get_legend_handles_labels()
    axes[0].figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return axes[0].figure


def _ends(table: pd.DataFrame, column: str) -> np.ndarray:
    """Distances [2, rows] from a column's value to the ends of its interval."""
    value, low, high = (
        table[name].to_numpy(float) for name in (column, f"{column}_low", f"{column}_high")
    )
    return np.nan_to_num(np.clip([value - low, high - value], 0, None), posinf=0)


@styled
def dose(table: pd.DataFrame, *, scorer: str) -> Figure:
    """What dropping more and more neurons does: the share of the style that is removed, and the object's score.

    Args:
        table: of `neurons.summary`, whose conditions are numbers in 1280: plain, "other" and "random".
    """
    axes = panels(2, height=2.9)
    for ax, column in zip(axes, ("share", "object")):
        for prefix, (colour, marker, label) in _KINDS.items():
            part = table[table.condition.str.fullmatch(rf"{prefix}\d+")]
            part = part.assign(count=part.condition.str.split().str[-1].astype(int)).sort_values(
                "count"
            )
            ax.errorbar(
                part["count"],
                part[column],
                yerr=_ends(part, column),
                color=PALETTE[colour],
                marker=marker,
                capsize=2,
                label=label,
                zorder=2 if prefix else 3,
            )
        level = table.set_index("condition")[column]
        for name, line, label in (
            ("clean", "--", "clean"),
            ("altered", ":", "layers given the other prompt"),
        ):
            ax.axhline(
                level[name], color=PALETTE["clean"], linestyle=line, linewidth=1.2, label=label
            )
        ax.set(
            xscale="log",
            xlabel=f"neurons dropped in each matrix, of {WIDTH}",
            title=f"{'style' if column == 'share' else 'object'} against neurons dropped, n = {table.units[0]} {table.unit[0]}s,\n{scorer}",
        )
        ax.set_xticks((*NEURONS, *DOSES[1:]), (*NEURONS, *DOSES[1:]), rotation=45)
        ax.minorticks_off()
    axes[0].set(ylabel="share of what altering\nthe layers removes")
    axes[1].set(ylabel="CLIP-Score with\nthe prompt without\nthe style (points)")
    axes[0].figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False
    )
    return axes[0].figure


@styled
def z_histogram(ax: Axes, found: np.ndarray, null: np.ndarray, cut: float, *, title: str) -> Axes:
    """How ``|z|`` is distributed over the neurons, and over those of prompts that were dealt into two groups at random.

    Args:
        found, null: ``|z|`` of neurons.
        cut: the smallest ``|z|`` among the 100 in 1280 that are dropped, a mean over artists and matrices.
    """
    bins = np.linspace(0, max(found.max(), null.max()), 41)
    for sizes, colour, label in (
        (null, "all", "prompts dealt at random"),
        (found, "2", "with against without the style"),
    ):
        ax.hist(
            sizes,
            list(bins),
            color=PALETTE[colour],
            alpha=0.6,
            label=label,
            weights=np.full(len(sizes), 1 / len(sizes)),
        )
    ax.axvline(
        cut,
        color="black",
        linestyle="--",
        linewidth=1.2,
        label=f"the highest 100 in {WIDTH} begin there on average",
    )
    ax.set(
        title=f"|z| of neurons, {title}, n = {len(found)}",
        xlabel="|z|",
        ylabel="part of the neurons",
    )
    ax.legend(frameon=False)
    return ax


@styled
def shared_map(ax: Axes, shared: pd.DataFrame, *, count: int, title: str) -> Axes:
    """Which part of the top neurons two artists have in common, of `neurons.in_common`, in the colours of cividis."""
    mesh = ax.imshow(shared, cmap="cividis", vmin=0, vmax=1)
    for (i, j), value in np.ndenumerate(shared.to_numpy()):
        ax.text(
            j,
            i,
            f"{value:.2f}",
            ha="center",
            va="center",
            fontsize=9,
            color="black" if value > 0.55 else "white",
        )
    ax.set_xticks(
        range(len(shared)), [textwrap.fill(name, 9) for name in shared.columns], fontsize=9
    )
    ax.set_yticks(range(len(shared)), shared.index)
    ax.grid(visible=False)
    ax.set_title(f"top {count} in {WIDTH} neurons in common,\n{title}; chance {count / WIDTH:.2f}")
    ax.figure.colorbar(mesh, ax=ax, label="part in common", shrink=0.8)
    return ax


def picture_grid(
    store: Store, tables: Mapping[str, pd.DataFrame], conditions: Sequence[str]
) -> Figure:
    """Figs. 9, 59 and 60: the first prompt of each artist in a row, a condition in each column."""
    rows, images = [], []
    for table in tables.values():
        first = table[table.seed == table.seed.iloc[0]].set_index(
            "condition"
        )  # a seed is of one prompt alone
        rows.append(textwrap.fill(first.prompt.iloc[0], 22))
        images.append([store.shown(name) for name in first.image[list(conditions)]])
    return contact_sheet(
        np.array(images),
        rows,
        ["other prompt" if name == "altered" else name for name in conditions],
    )
