"""Every rule that turns numbers into "held", "did not hold" or "not settled", with how often it is wrong; and what 95% is."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..claims import Rate
from ..experiments.attribution import rates as attribution
from ..experiments.deepfloyd import rates as deepfloyd
from ..experiments.editing import rates as editing
from ..experiments.human import rates as human
from ..experiments.locogen import rates as locogen
from ..experiments.neurons import rates as neurons
from ..experiments.tracing import rates as tracing
from ..figures import PALETTE, styled
from ..scores import coverage, wilson
from ..scores.verdict import Effects

ROOMS: dict[str, Any] = {
    "LocoGen": locogen,
    "backward passes": attribution,
    "causal tracing": tracing,
    "LocoEdit": editing,
    "neurons": neurons,
    "DeepFloyd": deepfloyd,
    "human study": human,
}  # by experiment, its module `rates`
ALLOWED = 0.05  # false positives that a rule may have
COVERS = (0.93, 0.97)  # what a 95% interval may hold of the truth


def rates(worlds: int = 400) -> pd.DataFrame:
    """The error rates of all rules, each simulated on `worlds` tables of a size that pages use.

    Returns:
        A row for each rule, size and alternative: experiment, rule, n, false positive and false negative (each with _low and
        _high, Wilson's), says, null, alternative, worlds.
    """
    return pd.DataFrame(
        [_row(room, rate) for room, module in ROOMS.items() for rate in module.rates(worlds)]
    )


def _row(room: str, rate: Rate) -> dict[str, object]:
    row: dict[str, object] = {"experiment": room, "rule": rate.rule, "n": rate.n}
    for name, value in (
        ("false positive", rate.false_positive),
        ("false negative", rate.false_negative),
    ):
        known = np.isfinite(value)
        found = wilson(round(value * rate.worlds), rate.worlds) if known else None
        row |= {
            name: value,
            f"{name}_low": found.low if found else np.nan,
            f"{name}_high": found.high if found else np.nan,
        }
    says = {"says": rate.says, "null": rate.null, "alternative": rate.alternative}
    return row | says | {"worlds": rate.worlds}


def covered(worlds: int, measured: Effects | None = None) -> pd.DataFrame:
    """Coverage of every kind of interval: simulated, and on a measured sweep's best window where there is one."""
    parts = [coverage.simulated(worlds)]
    if measured is not None:
        best = int(measured.windows.mean(0).argmax())
        parts.append(coverage.of_table(measured, best, draws=worlds))
    return pd.concat(parts, ignore_index=True)


def words(table: pd.DataFrame) -> str:
    """How many rules stay within what they are allowed, and which do not, as Markdown."""
    too_often = table[table["false positive_low"] > ALLOWED]
    known = table["false positive"].notna()
    said = (
        f"Of {known.sum()} simulated cases ({table.rule.nunique()} rules at several sizes) {(known & ~table.index.isin(too_often.index)).sum()} "
        f"have a rate of false positives of at most {ALLOWED:g}, as far as {int(table.worlds.min())} worlds or more can tell; the highest is "
        f"{table['false positive'].max():.3f} ({table.rule[table['false positive'].idxmax()]})."
    )
    if len(too_often):
        said += f" Above it: {'; '.join(dict.fromkeys(too_often.rule))}."
    return said


def coverage_words(table: pd.DataFrame) -> str:
    """What 95% was measured to be, as a sentence."""
    low, high = table.coverage.min(), table.coverage.max()
    return (
        f"An interval that is called 95% held the truth in {100 * low:.1f} to {100 * high:.1f}% of {int(table.worlds.min())} simulated tables or more, over "
        f"{table.kind.nunique()} kinds of interval and n = {', '.join(map(str, sorted(table.n.unique())))}."
    )


def listed(table: pd.DataFrame) -> pd.DataFrame:
    """The rules in words: a row for each rule, with its worst rates over sizes and alternatives."""
    parts: list[dict[str, Any]] = []
    for (room, rule), part in table.groupby(["experiment", "rule"], sort=False):
        first = part.iloc[0]
        parts.append(
            {
                "number": len(parts) + 1,
                "experiment": room,
                "rule": rule,
                "says held where": first.says,
                "n": ", ".join(map(str, dict.fromkeys(part.n))),
                "false positives": _at_most(part, "false positive", "null"),
                "false negatives": _at_most(part, "false negative", "alternative"),
            }
        )
    return pd.DataFrame(parts)


def _at_most(part: pd.DataFrame, column: str, world: str) -> str:
    """The largest rate of a rule, and in which world it was."""
    if part[column].isna().all():
        return "not simulated"
    worst = part.loc[part[column].idxmax()]
    return f"at most {worst[column]:.3f} ({worst[world]}; n = {worst.n})"


@styled
def coverage_figure(ax: Axes, table: pd.DataFrame) -> Axes:
    """Coverage of each kind of interval by number of units, with Wilson's 95% intervals and the band of `COVERS`."""
    kinds = list(dict.fromkeys(table.kind))
    sizes = sorted(table.n.unique())
    for i, n in enumerate(sizes):
        part = table[table.n == n].set_index("kind").reindex(kinds)
        at = np.arange(len(kinds)) + 0.22 * (i - (len(sizes) - 1) / 2)
        ax.errorbar(
            part.coverage,
            at,
            xerr=np.clip([part.coverage - part.low, part.high - part.coverage], 0, None),
            fmt="osDv^"[i],
            color=PALETTE[str(i + 1)],
            markersize=5,
            linewidth=1,
            capsize=2,
            label=f"n = {n} units",
        )
    ax.axvspan(*COVERS, color=PALETTE["mark"], alpha=0.35, linewidth=0)
    ax.axvline(0.95, color="black", linestyle="--", linewidth=1)
    ax.set_yticks(range(len(kinds)), kinds)
    ax.invert_yaxis()
    ax.set(
        title=f"How often a 95% interval holds the truth, {int(table.worlds.min())} tables or more",
        xlabel="share of tables (95% intervals)",
        xlim=(0.88, 1.0),
    )
    ax.legend(loc="upper center", bbox_to_anchor=(0.3, -0.16), ncols=3, frameon=False)
    return ax


@styled
def rates_figure(ax: Axes, table: pd.DataFrame) -> Axes:
    """False positives and false negatives of each rule, the largest over its sizes."""
    worst = table.groupby(["experiment", "rule"], sort=False)[
        ["false positive", "false negative"]
    ].max()
    at = np.arange(len(worst))
    for name, marker, colour in (("false positive", "o", "2"), ("false negative", "s", "1")):
        ax.plot(
            worst[name],
            at,
            marker,
            color=PALETTE[colour],
            markersize=5,
            label=f"{name}, worst case",
        )
    ax.axvline(ALLOWED, color="black", linestyle="--", linewidth=1)
    ax.set_yticks(at, [str(i + 1) for i in at])  # rules are sentences, told in the table
    ax.invert_yaxis()
    ax.set(
        title=f"How often each rule is wrong, {int(table.worlds.min())} simulated tables or more",
        xlabel="share of tables",
        ylabel="number of the rule in the table below",
        xlim=(-0.02, 1.02),
    )
    ax.legend(loc="upper center", bbox_to_anchor=(0.3, -0.08), ncols=2, frameon=False)
    return ax
