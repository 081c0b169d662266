"""The page on DeepFloyd's limits (Section 6.2, App. M): its experiments, figures and sentences, for a bidirectional and a causal encoder."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from . import figures, reading
from .answers import ratio
from .figures import PALETTE, WIDTH, bars, styled
from .ledger import Claim, settled
from .outcomes import Trial
from .text import TOKENS

LAST = "the subject's last token"
COLOURS = (PALETTE["2"], PALETTE["1"])


def by_tokens(one: Trial) -> pd.DataFrame:
    """LocoEdit with each choice of tokens, judged on held-out prompts, beside altering the located and all layers."""
    return one.tried({tokens: one.locoedit(tokens) for tokens in TOKENS})


def strips(trials: Mapping[str, Trial], tried: Mapping[str, pd.DataFrame], titles: Mapping[str, str]) -> list:
    """One held-out prompt of each model for `pictures.image_rows`."""
    rows = []
    for name, one in trials.items():
        table = tried[name].set_index("name")
        kept = {"as it is": one.measured().image.iloc[0], "altered": table.image.iloc[0]} | {t: table.image[t] for t in TOKENS}
        rows.append((f"{titles[name]}: {one.held.prompts[0].original}", [(what, one.store.shown(image)) for what, image in kept.items()]))
    return rows


@styled
def figure(tried: Mapping[str, pd.DataFrame], titles: Mapping[str, str], *, column: str, scorer: str, what: str) -> Axes:
    """A value of LocoEdit by tokens, both models (of `by_tokens`), with 95% intervals."""
    return _pair({name: table.set_index("name").loc[list(TOKENS)].reset_index() for name, table in tried.items()}, titles, column=column,
                 names=list(TOKENS), title=f"LocoEdit of a style by the tokens that give the keys,\n{scorer}", what=what)


@styled
def position_bars(carried: Mapping[str, pd.DataFrame], titles: Mapping[str, str], *, scorer: str) -> Axes:
    """Share of the style carried by each group of positions (of `reading.by_position`), with 95% intervals."""
    return _pair(carried, titles, column="share", names=list(reading.GROUPS), title=f"Which positions carry the style,\n{scorer}",
                 what="share of the effect of all positions")


def _pair(tables: Mapping[str, pd.DataFrame], titles: Mapping[str, str], *, column: str, names: list[str], title: str, what: str) -> Axes:
    ax = figures.panels(1, height=4.4)[0]
    for shift, colour, (name, table) in zip((-0.2, 0.2), COLOURS, tables.items()):
        ax.barh(np.arange(len(names)) + shift, table[column], height=0.37, color=colour, xerr=bars(table, column),
                error_kw={"elinewidth": 1, "capsize": 2}, label=f"{titles[name]}, n = {int(table.images.iloc[0])} images")
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set(title=title, xlabel=what)
    ax.legend(loc="upper center", bbox_to_anchor=(0.35, -0.2), ncols=1, frameon=False)
    return ax


@styled
def attention_maps(maps: Mapping[str, tuple[Tensor, list[str]]], titles: Mapping[str, str]) -> Figure:
    """Every head's attention, of `reading.attention` by model, as heat maps, two beside each other (Fig. 62)."""
    heads = [(name, i) for name, (weights, _) in maps.items() for i in range(len(weights))]
    rows = -(-len(heads) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(WIDTH, 3.1 * rows + 0.4), layout="constrained", squeeze=False)
    for ax in axes.flat[len(heads):]:
        ax.set_visible(False)
    for ax, (name, i) in zip(axes.flat, heads):
        weights, tokens = maps[name]
        shown = [_spoken(token) for token in tokens]
        mesh = ax.imshow(weights[i], cmap="cividis", vmin=0, vmax=1)
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


def words(tried: Mapping[str, pd.DataFrame], titles: Mapping[str, str]) -> str:
    """What each choice of tokens does in each model."""
    lines = []
    for name, table in tried.items():
        at = table.set_index("name")
        each = "; ".join(f"{tokens}: {ratio(at.loc[tokens])}, target picked {ratio(at.loc[tokens], 'target')}" for tokens in TOKENS)
        lines.append(f"- **{titles[name]}** (n = {int(table.images.iloc[0])} images; altering the located layers: target picked "
                     f"{ratio(at.iloc[0], 'target')}): {each}.")
    return "\n".join(lines)


def position_words(carried: Mapping[str, pd.DataFrame], titles: Mapping[str, str]) -> str:
    """Which positions carry the style."""
    return "\n".join(f"- **{titles[name]}** (the other artist: {table.other.iloc[0]}; n = {int(table.units.iloc[0])}): "
                     + "; ".join(f"{row['group']} {ratio(row)}" for _, row in table.iterrows()) + "." for name, table in carried.items())


def works(table: pd.DataFrame, tokens: str) -> bool | None:
    """Whether an edit removes the style and leaves the rest: a share above 0.5, and the target picked half as often as by altering.

    None where the intervals allow both answers.
    """
    at = table.set_index("name")
    row, half = at.loc[tokens], at.target.iloc[0] / 2
    return settled(bool(row.share_low > 0.5 and row.target >= half), bool(row.share_high < 0.5 or row.target_high < half))


def claims(tried: Mapping[str, pd.DataFrame], carried: Mapping[str, pd.DataFrame], maps: Mapping[str, tuple[Tensor, list[str]]],
           model: str, beside: str) -> list[Claim]:
    """The paper's claims of Section 6.2 and App. M, each judged by what was measured; the causal model is the control."""
    at = {name: table.set_index("name") for name, table in tried.items()}
    ahead = {name: float(reading.looking_ahead(weights).mean()) for name, (weights, _) in maps.items()}
    group = {name: table.set_index("group") for name, table in carried.items()}
    working = {name: {tokens: works(table, tokens) for tokens in TOKENS} for name, table in tried.items()}
    bidirectional, causal = working[model], working[beside]
    before, last = group[model].loc["before the subject"], group[beside].loc[LAST]

    def listed(of: Mapping[str, bool | None]) -> str:
        yes, open_ = ([tokens for tokens, known in of.items() if known is answer] for answer in (True, None))
        return f"works with: {', '.join(yes) or 'none'}; not settled: {', '.join(open_) or 'none'}"

    def shares(tables: Mapping[str, pd.DataFrame], row: str) -> dict[str, str]:
        return {"number": f"share {ratio(tables[model].loc[row])}", "control": f"causal model {ratio(tables[beside].loc[row])}"}

    return [
        Claim(text="LocoEdit of the subject's last token fails in the bidirectional model and works in the causal one", section="6.2, App. M",
              **shares(at, "subject"), held=settled(bidirectional["subject"] is False and causal["subject"] is True,
                                                  bidirectional["subject"] is True or causal["subject"] is False)),
        Claim(text="no choice of tokens makes LocoEdit work in the bidirectional model", section="App. M, Fig. 61",
              number=listed(bidirectional), control=f"causal model {listed(causal)}",
              held=settled(all(known is False for known in bidirectional.values()), True in bidirectional.values())),
        Claim(text="the bidirectional encoder looks at later tokens, the causal one does not", section="App. M, Fig. 62",
              number=f"{ahead[model]:.2f} of the attention", control=f"causal model {ahead[beside]:.2f}", held=ahead[model] > 0.05 and ahead[beside] < 1e-6),
        Claim(text="tokens other than the subject's carry the attribute in the bidirectional model: those before it", section="6.2 (the group is ours)",
              **shares(group, "before the subject"), held=settled(before.share_low > 0.05, before.share_high < 0.05)),
        Claim(text="the subject's last token carries the attribute in the causal model", section="6.2", number=f"share {ratio(group[beside].loc[LAST])}",
              control=f"bidirectional model {ratio(group[model].loc[LAST])}", held=settled(last.share_low > 0.5, last.share_high < 0.5)),
    ]
