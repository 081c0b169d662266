"""Indirect effects of states, drawn (Figs. 2 and 3 of the paper); nothing is computed here."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...figures import PALETTE, panels, styled
from ...store import Store
from .restoring import CLEAN, CORRUPTED
from .states import State

KINDS = {
    "cross-attention": (PALETTE["1"], "o"),
    "self-attention": (PALETTE["2"], "s"),
    "resnet": (PALETTE["3"], "^"),
    "attention": (PALETTE["2"], "s"),
    "mlp": (PALETTE["place"], "D"),
}
_LABEL = "share of the lost score\nthat comes back"


def _points(ax: Axes, table: pd.DataFrame, at: pd.Series, kind: str) -> None:
    """Shares of one kind of state with their 95% intervals."""
    colour, marker = KINDS[kind]
    far = np.nan_to_num(
        np.clip([table.share - table.share_low, table.share_high - table.share], 0, None), posinf=0
    )
    ax.errorbar(
        at,
        table.share,
        yerr=far,
        color=colour,
        marker=marker,
        markersize=4,
        linestyle="",
        elinewidth=0.9,
        label=kind,
    )


def _levels(ax: Axes, table: pd.DataFrame) -> None:
    """Nothing back, all back; intervals that reach far beyond these are cut off."""
    ax.axhline(0, color=PALETTE["all"], linestyle=":", linewidth=1.4, label="corrupted")
    ax.axhline(1, color=PALETTE["clean"], linestyle="--", linewidth=1.4, label="clean")
    low, high = np.nan_to_num([table.share_low.min(), table.share_high.max()], posinf=2, neginf=-1)
    ax.set_ylim(np.clip(low, -1, -0.2) - 0.05, np.clip(high, 1.1, 2) + 0.05)


def _name(block: str) -> str:
    """A block's name that fits above its states."""
    return block.replace("_blocks.", " ").replace("_block", "")


_STREAM = "on the output stream"  # hollow marks: by construction near 1, and not counted


@styled
def unet_effects(table: pd.DataFrame, *, scorer: str) -> Figure:
    """Indirect effects of a UNet's states, of `tracing.indirect`, in execution order (Figs. 2, 11, 12 and 13): a panel for each attribute."""
    groups = list(table.groupby("attribute", sort=False))
    axes = panels(len(groups), height=3.4)
    for ax, (attribute, part) in zip(axes, groups):
        _levels(ax, table)
        judged = part[~part.output]
        for kind in part.kind.unique():
            _points(ax, judged[judged.kind == kind], judged["index"][judged.kind == kind], kind)
        stream = part[part.output]
        ax.plot(
            stream["index"],
            stream.share,
            "^",
            color=KINDS["resnet"][0],
            markerfacecolor="white",
            label=_STREAM,
        )
        _blocks(ax, part)
        ax.grid(axis="x", visible=False)
        ax.set_title(
            f"UNet, {attribute}: {len(part)} states, n = {_n(part)}, 95% intervals, {scorer}",
            pad=36,
        )
        ax.set(xlabel="state, in execution order", ylabel=_LABEL)
    axes[0].figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False
    )
    return axes[0].figure


def _blocks(ax: Axes, table: pd.DataFrame) -> None:
    """The UNet's blocks by name above the states, a line between two."""
    for i, (block, part) in enumerate(table.groupby("part", sort=False)):
        if i:
            ax.axvline(part["index"].min() - 0.5, color="#BBBBBB", linewidth=0.8)
        ax.annotate(
            _name(block),
            (part["index"].mean(), 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=8,
            rotation=90,
        )


@styled
def text_effects(table: pd.DataFrame, *, scorer: str) -> Figure:
    """Indirect effects of the text encoders' states by layer (Fig. 3): a panel for each attribute, encoder and place."""
    groups = list(table.groupby(["where", "part", "attribute"], sort=False))
    axes = panels(len(groups), height=2.3)
    places = {"last": "the subject's last token", "all": "all its tokens"}
    for ax, ((where, encoder, attribute), part) in zip(axes, groups):
        _levels(ax, part)
        for shift, kind in ((-0.1, "attention"), (0.1, "mlp")):
            _points(ax, part[part.kind == kind], part.layer[part.kind == kind] + shift, kind)
        ax.set(
            title=f"{attribute}, {encoder}, {places[where]}: n = {_n(part)}, 95% intervals, {scorer}",
            xlabel="layer",
            ylabel=_LABEL,
            xticks=sorted(part.layer.unique()),
        )
    axes[0].figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False
    )
    return axes[0].figure


def _n(table: pd.DataFrame) -> str:
    """Units and images behind each point."""
    row = table.iloc[0]
    return f"{row.units} {row.unit}s" + (
        f", {row.images} images" if row.images != row.units else ""
    )


def short(state: State) -> str:
    """A state's name that fits above a small image: "cross 38", "attn 0 last"; "attn2" is the second text encoder's."""
    kind = {
        "cross-attention": "cross",
        "self-attention": "self",
        "resnet": "res",
        "attention": "attn",
    }.get(state.kind, "mlp")
    if not state.text:
        return f"{kind} {state.index}"
    return f"{kind}{state.part.removeprefix('text_encoder').strip('_')} {state.text.layer} {state.where}"


def strip(
    store: Store, table: pd.DataFrame, prompt: str, shown: Sequence[State]
) -> tuple[str, list[tuple[str, np.ndarray]]]:
    """One prompt's images for `figures.image_rows`: clean, corrupted, and with each of `shown` restored.

    Raises:
        UserError: the store has lost one of them.
    """
    part = table[table.prompt == prompt]
    keys = part[part.seed == part.seed.min()].set_index("state").image
    labels = {CLEAN: CLEAN, CORRUPTED: CORRUPTED} | {state.name: short(state) for state in shown}
    return prompt, [(label, store.shown(keys[name])) for name, label in labels.items()]
