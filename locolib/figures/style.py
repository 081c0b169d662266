"""Tidy tables to figures: nothing is computed here, only drawn (among them Figs. 5 and 56 of the paper).

Every function takes what `locogen.summary` or the store returned.  Figures have a white ground of their own, so that a
dark page does not break them, are as wide as a phone can show, and name the scorer and n.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

WIDTH = 6.5  # inches, of every figure
# Okabe and Ito's colours, which colour-blind readers can tell apart.
PALETTE = {
    "1": "#0072B2",
    "2": "#D55E00",
    "3": "#009E73",
    "clean": "#000000",
    "all": "#7F7F7F",
    "mark": "#F0E442",
    "style": "#0072B2",
    "object": "#D55E00",
    "fact": "#009E73",
    "place": "#CC79A7",
}
MARKERS = {1: "o", 2: "s", 3: "^"}
_STYLE = sns.axes_style("whitegrid") | {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "axes.titlelocation": "left",
    "figure.dpi": 120,
}
# A notebook's backend turns its display on when it is first used; inside a context of settings that would be undone.
plt.switch_backend(plt.get_backend())


def styled(draw: Callable[..., Any]) -> Callable[..., Any]:
    """Draw in this module's style and leave matplotlib's settings as they were."""

    @wraps(draw)
    def drawn(*args: Any, **kwargs: Any) -> Any:
        with plt.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return drawn


@styled
def panels(count: int, *, height: float = 2.7) -> list[Axes]:
    """`count` axes, one below the other, each `height` inches high."""
    _, axes = plt.subplots(
        count, figsize=(WIDTH, height * count), layout="constrained", squeeze=False
    )
    return list(axes[:, 0])


def bars(table: pd.DataFrame, column: str) -> np.ndarray:
    """Distances [2, rows] from a column's value to the ends of its interval, as matplotlib wants them."""
    value, low, high = (
        table[name].to_numpy(float) for name in (column, f"{column}_low", f"{column}_high")
    )
    return np.nan_to_num(np.clip([value - low, high - value], 0, None), posinf=0)
