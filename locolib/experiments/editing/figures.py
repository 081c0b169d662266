"""Edits drawn (Figs. 8, 54 and 57 of the paper, and what else an edit changes); nothing is computed here."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...figures import PALETTE, bars, image_rows, short, styled
from ..locogen import label
from .judging import Judgement
from .locoedit import SPARES
from .specificity import APART, DIFFQUICKFIX, EVERY, OURS, PAPER
from .trials import ALTERED, Trial


@styled
def outcome_bars(
    ax: Axes,
    tables: Mapping[str, pd.DataFrame],
    *,
    column: str,
    title: str,
    what: str,
    scorer: str,
    order: Sequence[str] = (),
) -> Axes:
    """A value of each edit with its 95% interval, horizontally, one colour for each attribute or condition (Figs. 8 and 57 of the paper).

    Args:
        tables: of `trials.Trial.tried` by attribute; `column` and its _low and _high are drawn.
        title, what: what is drawn, and the axis's label.
        order: names to draw, from above; default: those of the first table.
    """
    names = list(order or next(iter(tables.values())).name)
    height = 0.8 / len(tables)
    for i, (attribute, table) in enumerate(tables.items()):
        part = table.set_index("name").reindex(names).reset_index()
        at = np.arange(len(names)) + height * (i - (len(tables) - 1) / 2)
        ax.barh(
            at,
            part[column],
            height=0.92 * height,
            color=PALETTE.get(attribute, PALETTE[str(1 + i % 3)]),
            label=f"{attribute}, n = {int(table.images.iloc[0])} images",
            xerr=bars(part, column),
            error_kw={"elinewidth": 1, "capsize": 2},
        )
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set(xlabel=what, title=f"{title}, {scorer}")
    ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.16), ncols=3, frameon=False)
    return ax


@styled
def against_share(ax: Axes, table: pd.DataFrame, *, attribute: str, scorer: str, says: str) -> Axes:
    """For every window, what an edit there achieves against LocoGen's share of the window.

    Args:
        table: columns located (LocoGen's share), of all (the edit's, of altering all layers, with _low and _high), name, units.
        says: how much of the variance is explained, in words.
    """
    ax.errorbar(
        table.located,
        table["of all"],
        yerr=bars(table, "of all"),
        fmt="o",
        color=PALETTE[attribute],
        markersize=4.5,
        elinewidth=1,
        capsize=2,
    )
    for row in table.nlargest(2, "located").itertuples():
        ax.annotate(
            row.name,
            (row.located, table.loc[row.Index, "of all"]),
            textcoords="offset points",
            xytext=(-6, 6),
            ha="right",
            fontsize=9,
        )
    ax.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":")
    ax.set(
        title=f"{attribute}: editing against locating, n = {len(table)} windows,\n{scorer}; {says}",
        xlabel="LocoGen's share of the window",
        ylabel="effect of the edit, as share\nof altering all layers",
    )
    return ax


@styled
def lambda_curve(ax: Axes, table: pd.DataFrame, *, attribute: str, scorer: str) -> Axes:
    """Effect of the paper's edit against lambda, at the located layers (App. H).

    Args:
        table: lambda, share with _low and _high, images.
    """
    ax.errorbar(
        table["lambda"],
        table.share,
        yerr=bars(table, "share"),
        color=PALETTE[attribute],
        marker="o",
        markersize=4.5,
        capsize=2,
    )
    ax.axhline(1, color="black", linewidth=0.8, linestyle=":")
    ax.set(
        xscale="log",
        xlim=(table["lambda"].min() / 2, table["lambda"].max() * 2),  # also where no share is known
        xlabel="lambda (no unit)",
        ylabel="effect of the edit, as share of\naltering the located layers",
        title=f"{attribute}: LocoEdit against lambda, n = {int(table.images.iloc[0])} images,\n{scorer}",
    )
    return ax


GENERIC = {
    "relative": "change of CLIP-Score\n(share of the clean score)",
    "moved": "mean absolute change of a pixel\n(of 255 levels)",
}


def strips(trials: Mapping[str, Trial], tried: Mapping[str, pd.DataFrame]) -> list[Any]:
    """One held-out prompt of each attribute for `figures.image_rows` (Fig. 54): clean, altered, edited, edited elsewhere, edited everywhere."""
    rows = []
    for attribute, one in trials.items():
        images = tried[attribute].set_index("name").image
        shown = {
            f"altered {label(one.window)}": ALTERED,
            f"the paper's, {label(one.window)}": PAPER,
            "our tokens": OURS,
            "sparing": SPARES,
            "random window": APART,
            "all layers": EVERY,
        }
        edited = [(title, one.store.shown(images[name])) for title, name in shown.items()]
        rows.append(
            (one.held.prompts[0].original, [("as it is", _first(one, one.measured())), *edited])
        )
    return rows


def _first(one: Trial, table: pd.DataFrame) -> np.ndarray:
    return one.store.shown(table.image.iloc[0])


def frames(trials: Mapping[str, Trial], everywhere: Mapping[str, pd.DataFrame]) -> list[Any]:
    """The first held-out image of each attribute with the edit at every window, for the scrubber: as it is first, all layers altered last."""
    found = []
    for attribute, one in trials.items():
        windows = [
            (name, one.store.shown(image))
            for name, image in zip(everywhere[attribute].name, everywhere[attribute].image)
        ]
        last = _first(one, one.measured(altered=one.everywhere))
        found.append(
            (
                one.held.prompts[0].original,
                [("clean", _first(one, one.measured())), *windows, ("all", last)],
            )
        )
    return found


CONDITIONS = {
    ALTERED: PALETTE["all"],
    PAPER: "#56B4E9",
    OURS: PALETTE["1"],
    SPARES: PALETTE["3"],
    DIFFQUICKFIX: "#CC79A7",
    APART: PALETTE["2"],
}


@styled
def bars_by_model(
    ax: Axes, tables: Mapping[str, pd.DataFrame], *, attribute: str, scorer: str
) -> Axes:
    """Each condition of each model as share of altering all its layers, with 95% intervals.

    Args:
        tables: of `tried`, by the model's title.
    """
    height = 0.8 / len(CONDITIONS)
    for i, (name, colour) in enumerate(CONDITIONS.items()):
        rows = pd.DataFrame(
            [table.set_index("name").reindex([name]).iloc[0] for table in tables.values()]
        )
        at = np.arange(len(rows)) + height * (i - (len(CONDITIONS) - 1) / 2)
        ax.barh(
            at,
            rows["of all"],
            height=0.92 * height,
            color=colour,
            label=name,
            xerr=bars(rows, "of all"),
            error_kw={"elinewidth": 1, "capsize": 2},
        )
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(
        range(len(tables)),
        [f"{title}\nn = {int(table.images.iloc[0])} images" for title, table in tables.items()],
    )
    ax.invert_yaxis()
    ax.set(
        title=f"{attribute}: LocoEdit in each miniature,\n{scorer}",
        xlabel="effect on held-out prompts,\nas share of altering all layers",
    )
    return ax


def model_strip(
    title: str, one: Trial, table: pd.DataFrame
) -> tuple[str, list[tuple[str, np.ndarray]]]:
    """One held-out prompt for `figures.image_rows` (Figs. 6 and 46 to 53): as it is, altered, edited, edited elsewhere."""
    images = table.set_index("name").image
    shown = dict(
        zip(
            CONDITIONS,
            ("altered", "the paper's", "our tokens", "sparing", "DiffQuickFix", "random"),
        )
    )
    kept = {"as it is": one.measured().image.iloc[0]} | {
        what: images[name] for name, what in shown.items() if name in images.index
    }
    return f"{title}: {one.held.prompts[0].original}, layers {label(one.window)}", [
        (what, one.store.shown(image)) for what, image in kept.items()
    ]


def judged(found: Judgement) -> Figure:
    """Pictures before and after an edit for each of the three questions by which it is judged."""
    titles = {
        "gone": f"told {found.value}: gone {found.gone}",
        "kept": f"told other values: kept {found.kept}",
        "moved": f"told neither: moved by {found.moved} of 255 levels",
    }
    rows = [
        (
            f"{titles[name]} (left as it was, right edited)",
            [
                picture
                for prompt, before, after in some[:4]
                for picture in ((short(prompt), before), ("edited", after))
            ],
        )
        for name, some in found.pairs.items()
        if some
    ]
    return image_rows(rows, columns=8)
