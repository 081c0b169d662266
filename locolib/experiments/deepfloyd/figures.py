"""DeepFloyd's limits drawn (Figs. 61 and 62 of the paper)."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ... import figures
from ...drawing.text import TOKENS
from ...figures import PALETTE, WIDTH, bars, styled
from ..editing import Trial
from . import reading

COLOURS = (PALETTE["2"], PALETTE["1"])


def strips(
    trials: Mapping[str, Trial], tried: Mapping[str, pd.DataFrame], titles: Mapping[str, str]
) -> list[Any]:
    """One held-out prompt of each model for `figures.image_rows`."""
    rows = []
    for name, one in trials.items():
        table = tried[name].set_index("name")
        kept = {"as it is": one.measured().image.iloc[0], "altered": table.image.iloc[0]} | {
            t: table.image[t] for t in TOKENS
        }
        rows.append(
            (
                f"{titles[name]}: {one.held.prompts[0].original}",
                [(what, one.store.shown(image)) for what, image in kept.items()],
            )
        )
    return rows


@styled
def token_bars(
    tried: Mapping[str, pd.DataFrame],
    titles: Mapping[str, str],
    *,
    column: str,
    scorer: str,
    what: str,
) -> Axes:
    """A value of LocoEdit by tokens, both models (of `by_tokens`), with 95% intervals."""
    return _pair(
        {
            name: table.set_index("name").loc[list(TOKENS)].reset_index()
            for name, table in tried.items()
        },
        titles,
        column=column,
        names=list(TOKENS),
        title=f"LocoEdit of a style by the tokens that give the keys,\n{scorer}",
        what=what,
    )


@styled
def position_bars(
    carried: Mapping[str, pd.DataFrame], titles: Mapping[str, str], *, scorer: str
) -> Axes:
    """Share of the style carried by each group of positions (of `reading.by_position`), with 95% intervals."""
    return _pair(
        carried,
        titles,
        column="share",
        names=[*reading.GROUPS, reading.BUT_LAST],
        title=f"Which positions carry the style,\n{scorer}",
        what="share of the effect of all positions",
    )


def _pair(
    tables: Mapping[str, pd.DataFrame],
    titles: Mapping[str, str],
    *,
    column: str,
    names: list[str],
    title: str,
    what: str,
) -> Axes:
    ax = figures.panels(1, height=4.4)[0]
    for shift, colour, (name, table) in zip((-0.2, 0.2), COLOURS, tables.items()):
        ax.barh(
            np.arange(len(names)) + shift,
            table[column],
            height=0.37,
            color=colour,
            xerr=bars(table, column),
            error_kw={"elinewidth": 1, "capsize": 2},
            label=f"{titles[name]}, n = {int(table.images.iloc[0])} images",
        )
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set(title=title, xlabel=what)
    ax.legend(loc="upper center", bbox_to_anchor=(0.35, -0.2), ncols=1, frameon=False)
    return ax


@styled
def attention_maps(
    maps: Mapping[str, tuple[Tensor, list[str]]], titles: Mapping[str, str]
) -> Figure:
    """Every head's attention, of `reading.attention` by model, as heat maps, two beside each other (Fig. 62)."""
    heads = [(name, i) for name, (weights, _) in maps.items() for i in range(len(weights))]
    rows = -(-len(heads) // 2)
    figure, axes = plt.subplots(
        rows, 2, figsize=(WIDTH, 3.1 * rows + 0.4), layout="constrained", squeeze=False
    )
    for ax in axes.flat[len(heads) :]:
        ax.set_visible(False)
    for ax, (name, i) in zip(axes.flat, heads):
        weights, tokens = maps[name]
        shown = [_spoken(token) for token in tokens]
        mesh = ax.imshow(weights[i].numpy(), cmap="cividis", vmin=0, vmax=1)
        ax.set_title(f"{titles[name].removesuffix(' (miniature)')}, head {i}")
        ax.set_xticks(range(len(shown)), shown, rotation=90, fontsize=8)
        ax.set_yticks(range(len(shown)), shown, fontsize=8)
        ax.grid(visible=False)
    figure.colorbar(mesh, ax=axes, label="attention of the last layer", shrink=0.5)
    return figure


def _spoken(token: str) -> str:
    """A token as a reader knows it."""
    plain = token.replace("</w>", "").strip("▁")
    return {"<|startoftext|>": "start", "<|endoftext|>": "end", "</s>": "end"}.get(token, plain)
