"""Does localisation inform editing?  The effect of editing a window against the effect that locates it, as Hase et al. (2023) ask it.

They regress the edit's success on the tracing effect and report R-squared.  Windows overlap, so they are no independent points:
the interval is over prompts (delete one, with Student's t on Fisher's scale), and the null turns the edit's curve round against
the other, which keeps what neighbouring windows have in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t as student

from ...scores import ENOUGH, NOTHING, Interval, disjoint, mean
from ..locogen import Sweep, label
from .trials import Trial

Curves = tuple[np.ndarray, np.ndarray]
"""Effects of locating and of editing, [units, windows] each, as shares of altering all layers; the units of the two differ."""


@dataclass(frozen=True, kw_only=True)
class Informed:
    """How well the effect that locates a window says what editing it does.

    Attributes:
        r: correlation of the two over windows, with its interval over prompts.
        p: share of the turns of the edit's curve that do as well; `least`, the smallest that p can be.
        windows: how many.
    """

    r: Interval
    p: float
    least: float
    windows: int

    @property
    def explained(self) -> Interval:
        """R-squared of the regression of the edit's effect on the located one."""
        ends = sorted((self.r.low**2, self.r.high**2)) if not np.isnan(self.r.low) else [np.nan] * 2
        low = 0.0 if self.r.low < 0 < self.r.high else ends[0]
        return Interval(value=self.r.value**2, low=low, high=ends[1])

    def __str__(self) -> str:
        way = "" if self.r.value >= 0 else ", falling"
        return (
            f"{self.explained}{way} (turned round: p = {self.p:.3f}, at least {self.least:.3f}; "
            f"{self.windows} windows)"
        )


def curves(one: Trial, everywhere: pd.DataFrame, done: Sweep) -> Curves | None:
    """Both effects of every window as shares, of a table of `trials.by_window` and a sweep of the same windows; None where there are none."""
    edited = np.stack(everywhere.effects.map(np.asarray).to_list(), axis=-1)
    located, whole = done.effects.windows, done.effects.full.mean()
    full = one.units([one.measured(altered=one.everywhere)]).effect.mean()
    if not (full > 0 and whole > 0):
        return None
    return located / whole, edited / full


def _sums(located: np.ndarray, edited: np.ndarray) -> np.ndarray:
    """What a correlation is made of, [..., 5]: sums over windows of x, y, xx, yy and xy; of curves [..., windows]."""
    x, y = located, edited
    products = np.broadcast_arrays(x, y, x * x, y * y, x * y)
    return np.stack([one.sum(-1) for one in products], axis=-1)


def _correlation(sums: np.ndarray, windows: int) -> np.ndarray:
    x, y, xx, yy, xy = np.moveaxis(sums / windows, -1, 0)
    spread = np.sqrt(np.clip((xx - x * x) * (yy - y * y), 0, None))
    return (xy - x * y) / np.where(spread > 1e-12, spread, np.nan)


def correlation(pairs: Sequence[Curves]) -> float:
    """Pearson's correlation of the mean curves, those of several attributes one after another."""
    windows = sum(pair[0].shape[1] for pair in pairs)
    sums = np.sum([_sums(a.mean(0), b.mean(0)) for a, b in pairs], axis=0)
    return float(_correlation(sums, windows))


def informed(pairs: Sequence[Curves]) -> Informed:
    """How well located effects say what editing does, over the windows of one attribute or of several together."""
    value, null = correlation(pairs), turned(pairs)
    return Informed(
        r=_over_prompts(pairs, value),
        p=float((null >= value - 1e-9).mean()) if np.isfinite(value) else np.nan,
        least=1 / len(null),
        windows=sum(pair[0].shape[1] for pair in pairs),
    )


def _over_prompts(pairs: Sequence[Curves], value: float) -> Interval:
    """The correlation's interval: the variance of leaving out one unit of one sample, summed over samples, on Fisher's scale."""
    sizes = [len(sample) for pair in pairs for sample in pair]
    if min(sizes) < ENOUGH or not np.isfinite(value):
        return Interval(value=value, low=np.nan, high=np.nan)
    windows = sum(pair[0].shape[1] for pair in pairs)
    own = [_sums(located.mean(0), edited.mean(0)) for located, edited in pairs]
    variance = 0.0
    for i, pair in enumerate(pairs):
        for side in (0, 1):
            means = [sample.mean(0)[None] for sample in pair]
            n = len(pair[side])
            means[side] = (n * means[side] - pair[side]) / (
                n - 1
            )  # [units, windows], each left out
            changed = np.sum(own, axis=0) - own[i] + _sums(*means)
            left_out = _fisher(_correlation(changed, windows))
            variance += (n - 1) / n * float(((left_out - left_out.mean()) ** 2).sum())
    half = float(student.ppf(0.975, min(sizes) - 1)) * np.sqrt(variance)
    low, high = np.tanh(_fisher(np.array([value])) + np.array([-half, half]))
    return Interval(value=value, low=float(low), high=float(high))


def _fisher(r: np.ndarray) -> np.ndarray:
    return np.arctanh(np.clip(r, -1 + 1e-9, 1 - 1e-9))


def turned(pairs: Sequence[Curves]) -> np.ndarray:
    """The correlation for every way to turn each attribute's edit curve round by some number of windows (the first: by none)."""
    means = [tuple(sample.mean(0) for sample in pair) for pair in pairs]
    x, y = (np.concatenate([pair[side] for pair in means]) for side in (0, 1))
    products = np.zeros(1)
    for located, edited in means:  # turning leaves means and variances as they are
        own = np.array([located @ np.roll(edited, turn) for turn in range(len(edited))])
        products = (products[:, None] + own).ravel()
    spread = x.std() * y.std()
    return (products / len(x) - x.mean() * y.mean()) / (spread or np.nan)


@dataclass(frozen=True, kw_only=True)
class Lead:
    """Whether the located window is the best to edit.

    Attributes:
        located, rival, best: labels of the located window, of the best one without a layer in common, of the best of all.
        lead: by how much editing the located one does more than editing the rival, in shares, unit by unit.
        overlaps: whether the best of all shares a layer with the located one.
        each: the lead on each window without a layer in common, an interval each; `corrected`, the same, so wide that all of
            them hold at once (Bonferroni's).
    """

    located: str
    rival: str
    best: str
    lead: Interval
    overlaps: bool
    each: tuple[Interval, ...]
    corrected: tuple[Interval, ...]

    def __str__(self) -> str:
        return f"{self.lead}, {self.located} over {self.rival}"


def leading(one: Trial, everywhere: pd.DataFrame, shares: np.ndarray) -> Lead:
    """Whether editing the located window does more than editing each window elsewhere; `shares` [units, windows] are those of `curves`."""
    starts, names = everywhere.start.to_list(), everywhere.name.to_list()
    chosen, best = starts.index(one.window[0]), int(shares.mean(0).argmax())
    others = disjoint(starts, len(one.window), chosen).tolist()
    each, corrected = leads(shares, chosen, others, everywhere.strata.iloc[0])
    rival = int(np.argmin([found.value for found in each])) if others else 0
    return Lead(
        located=label(one.window),
        rival=names[others[rival]] if others else "",
        best=names[best],
        lead=each[rival] if others else NOTHING,
        overlaps=best not in others,
        each=each,
        corrected=corrected,
    )


def leads(
    shares: np.ndarray, chosen: int, others: Sequence[int], strata: Sequence[str] | None
) -> tuple[tuple[Interval, ...], tuple[Interval, ...]]:
    """By how much one window does more than each of some others, of shares [units, windows]: on their own, and all at once."""
    found = [shares[:, chosen] - shares[:, other] for other in others]
    level = 1 - 0.05 / max(1, len(found))
    return (
        tuple(mean(lead, strata) for lead in found),
        tuple(mean(lead, strata, level=level) for lead in found),
    )
