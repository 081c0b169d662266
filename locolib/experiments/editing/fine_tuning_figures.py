"""The loss of the methods that train, drawn; nothing is computed here."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from ...figures import PALETTE, styled
from . import fine_tuning
from .fine_tuning import CONCEPT_ABLATION, ESD_X

COLOURS = {CONCEPT_ABLATION: PALETTE["1"], ESD_X: PALETTE["2"]}
LINES = ("-", "--", ":")


@styled
def loss_curves(ax: Axes, tables: Mapping[str, pd.DataFrame], *, model: str) -> Axes:
    """The loss of each method against the steps trained, as share of the loss before the first; the last dot is where it was flat.

    Args:
        tables: of `fine_tuning.curves`, by attribute.
        model: its title.
    """
    for line, (attribute, table) in zip(LINES, tables.items()):
        for method, part in table.groupby("method", sort=False):
            ax.plot(
                part.step,
                part.share,
                line,
                color=COLOURS.get(str(method), PALETTE["3"]),
                marker="o",
                markevery=[len(part) - 1],
                markersize=5,
                label=f"{method}, {attribute}",
            )
    ax.set_ylim(bottom=0)
    ax.set(
        title=f"{model}: loss of the methods that train,\nn = {fine_tuning.WATCHED} noisy pictures",
        xlabel="steps trained",
        ylabel="loss, as share of\nthe loss before training",
    )
    ax.legend(frameon=False)
    return ax
