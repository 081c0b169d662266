"""The numbers behind a figure, read from what was drawn, so that every figure of every page can be downloaded as data."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from IPython import get_ipython
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogFormatter, NullFormatter, ScalarFormatter

MIME = "application/vnd.locolib.drawn+json"  # beside a figure's picture in a notebook's output
COLUMNS = ("panel", "series", "kind", "x", "y", "x_end", "y_end", "value", "x_name", "y_name")
NUMBERS = (LogFormatter, NullFormatter, ScalarFormatter)  # axes that write these have no names
Record = dict[str, Any]


def drawn(figure: Figure) -> pd.DataFrame:
    """What a figure's panels show, a row for each point, bar, line's end or cell, in the units of its axes.

    Returns:
        COLUMNS: `series` as the legend calls it; `kind`: point (of a line too), bar, interval, band, cell, text; x and y, and of
        what has two ends x_end and y_end; `value` of a cell or text; x_name and y_name where an axis has names for numbers.
        Pictures have no numbers, and leave the table empty.
    """
    rows = [
        {"panel": _title(ax, number)} | _named(ax, row)
        for number, ax in enumerate(figure.axes)
        if ax.get_visible()
        for row in _rows(ax)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).dropna(axis="columns", how="all")


def _title(ax: Axes, number: int) -> str:
    titles = [ax.get_title(loc=place) for place in ("left", "center", "right")]
    found = [text for text in (*titles, ax.get_xlabel(), ax.get_ylabel()) if text]
    return " ".join(found[0].split()) if found else f"panel {number + 1}"


def _rows(ax: Axes) -> Iterator[Record]:
    """What a panel shows, in the order in which it was drawn, kind by kind."""
    called = _called(ax)
    for line in ax.lines:
        if line.get_transform() == ax.transData:  # the rest are marks across a panel
            series = _series(line, called)
            for x, y in np.asarray(line.get_xydata(), float):
                yield {"series": series, "kind": "point", "x": x, "y": y}
    for found in ax.collections:
        yield from _collected(found, called)
    for patch in ax.patches:
        if isinstance(patch, Rectangle) and patch.get_data_transform() == ax.transData:
            (x, y), wide, high = patch.get_xy(), patch.get_width(), patch.get_height()
            row = {"x": x, "y": y, "x_end": x + wide, "y_end": y + high}
            yield {"series": _series(patch, called), "kind": "bar"} | row
    for image in ax.images:
        cells = np.asarray(image.get_array())
        for (y, x), value in np.ndenumerate(cells) if cells.ndim == 2 else ():
            yield {"series": "", "kind": "cell", "x": x, "y": y, "value": value}
    for text in ax.texts:
        if text.get_transform() == ax.transData and text.get_text():
            x, y = text.get_position()
            yield {"series": "", "kind": "text", "x": x, "y": y, "value": text.get_text()}


def _collected(found: Any, called: Mapping[int, str]) -> Iterator[Record]:
    """Intervals, points and bands, which matplotlib keeps as collections."""
    series = _series(found, called)
    if isinstance(found, LineCollection):
        segments: Any = found.get_segments()  # a list of arrays [points, 2]
        for ends in segments:
            if not len(ends):  # of a value that has no interval nothing is drawn
                continue
            (x, y), (x_end, y_end) = ends[0], ends[-1]
            row = {"x": x, "y": y, "x_end": x_end, "y_end": y_end}
            yield {"series": series, "kind": "interval"} | row
    elif isinstance(found, PathCollection):
        for x, y in np.ma.getdata(found.get_offsets()):
            yield {"series": series, "kind": "point", "x": x, "y": y}
    elif isinstance(found, PolyCollection):
        for path in found.get_paths():
            vertices: Any = path.vertices  # [points, 2]
            for x, y in vertices:
                yield {"series": series, "kind": "band", "x": x, "y": y}


def _called(ax: Axes) -> dict[int, str]:
    """Labels of what was drawn together, such as a bar with its interval, by the identity of each part."""
    return {
        id(part): str(container.get_label())
        for container in ax.containers
        for part in container.get_children()
    }


def _series(artist: Any, called: Mapping[int, str]) -> str:
    """How the legend calls it; "" for what matplotlib named itself."""
    label = called.get(id(artist), str(artist.get_label()))
    return "" if label.startswith("_") else " ".join(label.split())


def _named(ax: Axes, row: Record) -> Record:
    """A row with the names that the axes write in the place of its numbers."""
    for side, axis in (("x", ax.xaxis), ("y", ax.yaxis)):
        if not isinstance(axis.get_major_formatter(), NUMBERS):
            names = dict(zip(axis.get_ticklocs(), (t.get_text() for t in axis.get_ticklabels())))
            row[f"{side}_name"] = next(
                (
                    " ".join(name.split())
                    for at, name in names.items()
                    if abs(at - row[side]) < 1e-6
                ),
                None,
            )
    return row


def offer() -> None:
    """In a notebook, put the numbers of every figure beside its picture."""
    shell = get_ipython()
    if shell is None or not hasattr(shell, "display_formatter"):
        return

    def bundle(figure: Figure, include: Any = None, exclude: Any = None) -> dict[str, Any] | None:
        table = drawn(figure)
        return (
            {MIME: json.loads(table.to_json(orient="split", index=False))} if len(table) else None
        )

    shell.display_formatter.mimebundle_formatter.for_type(Figure, bundle)
