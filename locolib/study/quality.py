"""How well the bundled models draw, as measured after each training."""

import json
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..figures import PALETTE, styled
from ..models import ORGANISMS, Spec
from ..scores import wilson

QUALITY = (
    "title",
    "attribute",
    "right",
    "low",
    "high",
    "held-out scenes",
    "render",
    "of the render",
    "n",
)


def quality(spec: Spec) -> list[dict[str, Any]]:
    """Two rows of the table of `QUALITY`, objects and styles, from what was measured after the training; none where nothing was."""
    file = ORGANISMS / spec.sources[0] / "training" / "scores.json"
    if not file.exists():
        return []
    found = json.loads(file.read_text(encoding="utf-8"))
    samples, renders, rows = found["samples"], found["scorer"], []
    for name in ("object", "style"):
        right = wilson(round(samples[name] * samples["samples"]), samples["samples"])
        rows.append(
            dict(
                zip(
                    QUALITY,
                    (
                        spec.title,
                        name,
                        right.value,
                        right.low,
                        right.high,
                        samples[f"held_out_{name}"],
                        renders[name],
                        right.value / renders[name],
                        samples["samples"],
                    ),
                )
            )
        )
    return rows


@styled
def quality_bars(ax: Axes, table: pd.DataFrame, *, scorer: str) -> Axes:
    """How many objects and styles models draw rightly, with 95% intervals, beside what the scorer reads from true renders.

    Args:
        table: a row for each model and attribute: title, attribute, right, low, high, render, n.
    """
    titles = list(dict.fromkeys(table.title))
    for shift, attribute in ((-0.2, "object"), (0.2, "style")):
        part = table[table.attribute == attribute].set_index("title").loc[titles]
        at = np.arange(len(titles)) + shift
        ax.barh(
            at,
            part.right,
            height=0.36,
            color=PALETTE[attribute],
            label=f"{attribute}s",
            xerr=np.clip([part.right - part.low, part.high - part.right], 0, None),
            error_kw={"elinewidth": 1, "capsize": 2},
        )
        ax.scatter(
            part.render,
            at,
            marker="|",
            s=110,
            color="black",
            label="read from true renders" if shift > 0 else None,
            zorder=3,
        )
    ax.set_yticks(range(len(titles)), titles)
    ax.invert_yaxis()
    ax.set(
        title=f"Pictures named rightly by the {scorer}, n = {int(table.n.iloc[0])} each",
        xlabel="share of the pictures",
        xlim=(0, 1.02),
    )
    ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.14), ncols=3, frameon=False)
    return ax
