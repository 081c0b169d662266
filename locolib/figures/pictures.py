"""Grids of small images: by window (Fig. 55 and App. B of the paper), and a model's contact sheet."""

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import PALETTE, WIDTH, styled


@styled
def image_rows(
    rows: Sequence[tuple[str, Sequence[tuple[str, np.ndarray]]]],
    *,
    columns: int = 9,
    marked: Sequence[Sequence[str]] = (),
) -> Figure:
    """Images by window, as App. B and Fig. 55 show them: for each prompt its clean image, every window, all layers.

    Args:
        rows: (prompt, [(label, image [h, w, 3])]); wrapped after `columns` images, so that a phone can show them.
        marked: for each prompt the labels that are set off in orange (the planted or the paper's window).
    """
    marked = marked or [()] * len(rows)
    lines = [
        (title if i == 0 else "", images[i : i + columns], special)
        for (title, images), special in zip(rows, marked, strict=True)
        for i in range(0, len(images), columns)
    ]
    side = WIDTH / columns
    height = sum(side + (0.42 if title else 0.2) for title, _, _ in lines)
    figure = plt.figure(figsize=(WIDTH, height))
    top = height
    for title, images, special in lines:
        top -= 0.42 if title else 0.2
        if title:
            figure.text(0.004, (top + 0.2) / height, title, fontsize=10, va="bottom")
        for column, (label, image) in enumerate(images):
            ax = figure.add_axes(
                (
                    column / columns + 0.003,
                    (top - side) / height + 0.002,
                    0.97 / columns,
                    0.97 * side / height,
                )
            )
            _picture(ax, image, label, marked=label in special)
        top -= side
    return figure


def _picture(ax: Axes, image: np.ndarray, label: str, *, marked: bool = False) -> None:
    ax.imshow(image)
    ax.set_title(
        label,
        fontsize=9,
        pad=2,
        loc="center",
        color=PALETTE["2"] if marked else "black",
        fontweight="bold" if marked else "normal",
    )
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
        figure.text(
            (names - 0.08) / WIDTH,
            (height - 0.62 - (i + 0.5) * side) / height,
            row,
            ha="right",
            va="center",
            fontsize=9,
        )
        for j in range(len(columns)):
            ax = figure.add_axes(
                (
                    (names + j * side) / WIDTH,
                    (height - 0.62 - (i + 1) * side) / height,
                    0.97 * side / WIDTH,
                    0.97 * side / height,
                )
            )
            ax.imshow(images[i, j])
            ax.axis("off")
    for j, column in enumerate(columns):
        figure.text(
            (names + (j + 0.5) * side) / WIDTH,
            (height - 0.58) / height,
            column.replace(" ", "\n"),
            ha="center",
            va="bottom",
            fontsize=9,
        )
    return figure


def short(name: str) -> str:
    """A name that fits beside or above a small image."""
    return textwrap.shorten(name, 16, placeholder=" …")
