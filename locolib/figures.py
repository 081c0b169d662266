"""Tidy tables to figures: nothing is computed here, only drawn (Figs. 4, 5, 55 and 56, and App. B of the paper).

Every function takes what `locogen.summary` or the store returned.  Figures have a white ground of their own, so that a
dark page does not break them, are as wide as a phone can show, and name the scorer and n.
"""

import base64
import textwrap
from collections.abc import Callable, Sequence
from functools import wraps

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

WIDTH = 6.5  # inches, of every figure
# Okabe and Ito's colours, which colour-blind readers can tell apart.
PALETTE = {"1": "#0072B2", "2": "#D55E00", "3": "#009E73", "clean": "#000000", "all": "#7F7F7F", "mark": "#F0E442",
           "style": "#0072B2", "object": "#D55E00", "fact": "#009E73", "place": "#CC79A7"}
MARKERS = {1: "o", 2: "s", 3: "^"}
_STYLE = sns.axes_style("whitegrid") | {
    "figure.facecolor": "white", "savefig.facecolor": "white", "font.size": 11, "axes.titlesize": 11, "axes.labelsize": 11,
    "xtick.labelsize": 10, "ytick.labelsize": 10, "legend.fontsize": 10, "axes.titlelocation": "left", "figure.dpi": 120}


# A notebook's backend turns its display on when it is first used; inside a context of settings that would be undone.
plt.switch_backend(plt.get_backend())


def styled(draw: Callable) -> Callable:
    """Draw in this module's style and leave matplotlib's settings as they were."""

    @wraps(draw)
    def drawn(*args, **kwargs):
        with plt.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return drawn


@styled
def panels(count: int, *, height: float = 2.7) -> list[Axes]:
    """`count` axes, one below the other, each `height` inches high."""
    _, axes = plt.subplots(count, figsize=(WIDTH, height * count), layout="constrained", squeeze=False)
    return list(axes[:, 0])


def _bars(table: pd.DataFrame, column: str) -> np.ndarray:
    """Distances [2, rows] from a column's value to the ends of its interval, as matplotlib wants them."""
    value, low, high = (table[name].to_numpy(float) for name in (column, f"{column}_low", f"{column}_high"))
    return np.nan_to_num(np.clip([value - low, high - value], 0, None), posinf=0)


def _level(ax: Axes, row: pd.Series, name: str, text: str) -> None:
    """A horizontal line with its interval as a band: the clean image, or all layers altered."""
    ax.axhline(row["score"], color=PALETTE[name], linestyle="--" if name == "clean" else ":", linewidth=1.4, label=text)
    if np.isfinite([row["score_low"], row["score_high"]]).all():
        ax.axhspan(row["score_low"], row["score_high"], color=PALETTE[name], alpha=0.10, linewidth=0)


@styled
def score_curve(ax: Axes, table: pd.DataFrame, *, attribute: str, scorer: str, known: tuple[int, int] | None = None,
                name: str = "paper") -> Axes:
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
        ax.errorbar(part.start + shift, part.score, yerr=_bars(part, "score"), color=PALETTE.get(str(m), "#56B4E9"),
                    marker=MARKERS.get(m, "D"), markersize=4.5, linewidth=1.3, elinewidth=1, capsize=2, label=f"m = {m}")
    if known:
        ax.axvspan(known[0] - 0.4, known[0] + 0.4, color=PALETTE["mark"], alpha=0.45, linewidth=0, zorder=0,
                   label=f"{name}: from layer {known[0]}, m = {known[1]}")
    told = "target" if attribute == "fact" else "original"
    ax.set(title=f"{attribute}: score after altering a window, n = {_n(table)}, {scorer}", xlabel="first layer of the window",
           ylabel=f"CLIP-Score with the\n{told} prompt (points)", xticks=range(int(windows.start.max()) + 1))
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=3, frameon=False)
    return ax


def _n(table: pd.DataFrame) -> str:
    """Units and images behind each point, in words."""
    row = table.iloc[0]
    return f"{row.units} {row.unit}s" if row.units == row.images else f"{row.units} {row.unit}s, {row.images} images"


@styled
def share_bars(ax: Axes, table: pd.DataFrame, *, attribute: str, scorer: str, threshold: float = 0.8) -> Axes:
    """Share of each layer set with its 95% interval: the check of a planting, which needs no LocoGen.

    Args:
        table: of `locogen.check_planting`; its kinds choose the colours.
    """
    colours = {"window": PALETTE["2"], "all but the window": PALETTE["1"], "part of the window": PALETTE["place"],
               "single layer": "#999999"}
    table = table[table.kind.isin(colours)]
    at = np.arange(len(table))
    ax.bar(at, table.share, yerr=_bars(table, "share"), color=[colours[kind] for kind in table.kind], capsize=2, width=0.75,
           error_kw={"elinewidth": 1})
    ax.axhline(threshold, color="black", linestyle="--", linewidth=1)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(title=f"{attribute}: share of the effect, n = {_n(table)}, {scorer}", ylabel="share of the effect of\naltering all layers",
           xlabel="layers that receive the target prompt")
    ax.set_xticks(at, [_short(row) for row in table.itertuples()], rotation=90 if len(table) > 12 else 0)
    ax.legend(handles=[Patch(color=c, label=k) for k, c in colours.items() if k in set(table.kind)], loc="center right",
              framealpha=0.9)
    return ax


def _short(row) -> str:
    return "all others" if row.kind == "all but the window" else row.layers


@styled
def score_by_size(ax: Axes, table: pd.DataFrame, *, attribute: str, scorer: str, known: tuple[int, int] | None = None) -> Axes:
    """Mean CLIP-Score against the window's size m, from one start (the paper's Fig. 56); m = 0 is the clean image."""
    part = table[table.kind.isin(("clean", "window"))].sort_values("m")
    ax.errorbar(part.m, part.score, yerr=_bars(part, "score"), color=PALETTE[attribute], marker="o", capsize=2)
    _level(ax, table[table.kind == "all"].iloc[0], "all", "all layers altered")
    if known:
        ax.axvspan(known[1] - 0.2, known[1] + 0.2, color=PALETTE["mark"], alpha=0.45, linewidth=0, zorder=0, label=f"planted: m = {known[1]}")
    start = int(part[part.m > 0].start.iloc[0])
    told = "target" if attribute == "fact" else "original"
    ax.set(title=f"{attribute}: score against m, windows from layer {start}, n = {_n(table)}, {scorer}", xlabel="m, layers altered",
           ylabel=f"CLIP-Score with the\n{told} prompt (points)", xticks=part.m)
    ax.legend(frameon=False)
    return ax


@styled
def image_rows(rows: Sequence[tuple[str, Sequence[tuple[str, np.ndarray]]]], *, columns: int = 9,
               marked: Sequence[Sequence[str]] = ()) -> Figure:
    """Images by window, as App. B and Fig. 55 show them: for each prompt its clean image, every window, all layers.

    Args:
        rows: (prompt, [(label, image [h, w, 3])]); wrapped after `columns` images, so that a phone can show them.
        marked: for each prompt the labels that are set off in orange (the planted or the paper's window).
    """
    marked = marked or [()] * len(rows)
    lines = [(title if i == 0 else "", images[i : i + columns], special) for (title, images), special in zip(rows, marked, strict=True)
             for i in range(0, len(images), columns)]
    side = WIDTH / columns
    height = sum(side + (0.42 if title else 0.2) for title, _, _ in lines)
    figure = plt.figure(figsize=(WIDTH, height))
    top = height
    for title, images, special in lines:
        top -= 0.42 if title else 0.2
        if title:
            figure.text(0.004, (top + 0.2) / height, title, fontsize=10, va="bottom")
        for column, (label, image) in enumerate(images):
            ax = figure.add_axes((column / columns + 0.003, (top - side) / height + 0.002, 0.97 / columns, 0.97 * side / height))
            _picture(ax, image, label, marked=label in special)
        top -= side
    return figure


def _picture(ax: Axes, image: np.ndarray, label: str, *, marked: bool = False) -> None:
    ax.imshow(image)
    ax.set_title(label, fontsize=9, pad=2, loc="center", color=PALETTE["2"] if marked else "black",
                 fontweight="bold" if marked else "normal")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=marked, color=PALETTE["2"], linewidth=2)


@styled
def contact_sheet(images: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> Figure:
    """A grid of images [rows, columns, h, w, 3] with names on the left and above: objects by styles."""
    names = 1.35  # inches for the names of the rows
    side = (WIDTH - names) / len(columns)
    height = side * len(rows) + 0.62
    figure = plt.figure(figsize=(WIDTH, height))
    for i, row in enumerate(rows):
        figure.text((names - 0.08) / WIDTH, (height - 0.62 - (i + 0.5) * side) / height, row, ha="right", va="center", fontsize=9)
        for j in range(len(columns)):
            ax = figure.add_axes(((names + j * side) / WIDTH, (height - 0.62 - (i + 1) * side) / height, 0.97 * side / WIDTH,
                                  0.97 * side / height))
            ax.imshow(images[i, j])
            ax.axis("off")
    for j, column in enumerate(columns):
        figure.text((names + (j + 0.5) * side) / WIDTH, (height - 0.58) / height, column.replace(" ", "\n"), ha="center", va="bottom", fontsize=9)
    return figure


def short(name: str) -> str:
    """A name that fits beside or above a small image."""
    return textwrap.shorten(name, 16, placeholder=" …")


def download(table: pd.DataFrame, name: str) -> HTML:
    """A link to the data behind a figure, which lies in the page itself (a CSV file of a few kB)."""
    data = base64.b64encode(table.to_csv(index=False).encode()).decode()
    return HTML(f'<a download="{name}.csv" href="data:text/csv;base64,{data}">Data of the figure: {name}.csv</a> ({len(table)} rows)')
