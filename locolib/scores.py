"""CLIP-Score, effects, shares, intervals and LocoGen's verdict (Section 5.1.2 of the paper; the glossary of the book)."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import binomtest, bootstrap

Array = np.ndarray
EffectTable = Float[np.ndarray, "units windows"]
FullEffects = Float[np.ndarray, "units"]
RESAMPLES = 2000
CONTROLS = 0.8  # share from which on a window controls an attribute


def clip_score(images: Array, texts: Array) -> Array:
    """100 max(cos, 0) of unit embeddings [n, d] and [n, d] (or broadcast): what Table 1 of the paper prints."""
    return 100 * np.maximum((images * texts).sum(-1), 0)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value with its 95% interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return (
            f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"
            if np.isfinite(self.value)
            else "not defined"
        )


def interval(row: Mapping[str, Any] | pd.Series, column: str = "share") -> Interval:
    """The value of a row of a table whose ends are in the columns _low and _high."""
    return Interval(value=row[column], low=row[f"{column}_low"], high=row[f"{column}_high"])


def columns(parts: Mapping[str, Interval]) -> dict[str, float]:
    """Intervals as columns of a table: x, x_low, x_high."""
    return {
        f"{name}{end}": getattr(part, at)
        for name, part in parts.items()
        for end, at in (("", "value"), ("_low", "low"), ("_high", "high"))
    }


NOTHING = Interval(value=np.nan, low=np.nan, high=np.nan)
_NUMBER = r"(-?(?:\d+(?:\.\d+)?|inf))"
WRITTEN = re.compile(
    rf"{_NUMBER} \[{_NUMBER}, {_NUMBER}\]|\bnot defined\b"
)  # an interval in a text, as `str` writes it


def parsed(text: str) -> Interval | None:
    """The first value with its interval that a text tells as `str` does, rounded as it is there; None where it tells none."""
    if (found := WRITTEN.search(text)) is None:
        return None
    return (
        NOTHING
        if found[1] is None
        else Interval(value=float(found[1]), low=float(found[2]), high=float(found[3]))
    )


@dataclass(frozen=True, kw_only=True)
class Effects:
    """Effects on CLIP-Score, in points; positive where the alteration did what it should.

    Attributes:
        windows: [units, windows], of every window of one size m; a unit is a prompt, seeds averaged within (or one seed
            of one prompt, where there are fewer than 8 prompts).
        full: [units], of altering all layers.
        starts: first layer of each window; default 0, 1, 2, ...
    """

    windows: EffectTable
    full: FullEffects
    starts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.starts:
            object.__setattr__(self, "starts", tuple(range(self.windows.shape[1])))

    def of(self, units: Array) -> "Effects":
        """The effects on some units alone."""
        return Effects(windows=self.windows[units], full=self.full[units], starts=self.starts)


def resample(
    statistic: Callable[..., Array | float], *samples: Array, level: float = 0.95, seed: int = 0
) -> Interval:
    """Paired bootstrap over units (first axis) of a scalar function of the samples' means, by `scipy.stats.bootstrap`.

    `statistic(*means)` receives each sample's mean over its units, with any axes before those of the sample: all
    resamples are computed at once.  Bounds are percentiles.
    """
    units = len(samples[0])
    value = float(statistic(*(sample.mean(0) for sample in samples)))
    if units < 2:
        return Interval(value=value, low=-np.inf, high=np.inf)

    def of_indices(index: Array, axis: int = -1) -> Array:
        drawn = (
            index.reshape(-1, units).astype(int) + units * np.arange(index.size // units)[:, None]
        )
        times = np.bincount(drawn.ravel(), minlength=index.size).reshape(
            index.shape
        )  # how often each unit was drawn
        return np.asarray(statistic(*(times / units @ sample for sample in samples)))

    result = bootstrap(
        (np.arange(units),),
        of_indices,
        n_resamples=RESAMPLES,
        confidence_level=level,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    low, high = result.confidence_interval
    return Interval(value=value, low=float(low), high=float(high))


def mean(sample: Array) -> Interval:
    """The mean over units of a sample [units]."""
    return resample(lambda average: average, sample)


def ratio(one: Array, other: Array) -> Interval:
    """Mean of one sample [units] divided by the mean of another on the same units."""
    return resample(lambda a, b: a / b, one, other)


def share(effects: Effects, window: int) -> Interval:
    """Mean effect of a window divided by the mean effect of altering all layers."""
    return ratio(effects.windows[:, window], effects.full)


def shares(effects: Effects) -> Array:
    """Shares [windows] of all windows, without intervals; NaN where altering all layers changes nothing."""
    full = effects.full.mean()
    return effects.windows.mean(0) / (full or np.nan)


def disjoint(starts: Sequence[int], m: int, chosen: int) -> Array:
    """Indices of the windows of size m that share no layer with the one of index `chosen`."""
    return np.flatnonzero(np.abs(np.asarray(starts) - starts[chosen]) >= m)


def margin(effects: Effects, m: int, chosen: int) -> Interval:
    """Share of the chosen window minus that of the best disjoint window, the maximum taken inside each resample."""
    others = disjoint(effects.starts, m, chosen)
    if not len(others):
        return Interval(value=np.nan, low=-np.inf, high=np.inf)
    return resample(
        lambda w, f: (w[..., chosen] - w[..., others].max(-1)) / f, effects.windows, effects.full
    )


def highest(searched: Sequence[Effects]) -> float:
    """Simultaneous 95% upper bound of the share over all windows of all sizes searched: the bound of their maximum."""
    windows = np.concatenate([effects.windows for effects in searched], axis=1)
    return resample(lambda w, f: w.max(-1) / f, windows, searched[0].full, level=0.90).high


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """LocoGen's answer for one window size or for a search.

    Attributes:
        verdict: no effect, localised, not localised or inconclusive.
        start, m: the best window.
        share: its share on the held-out half.
        margin: its lead on the best disjoint window there.
        full: effect of altering all layers there, in points.
        plateau: starts whose shares lie within the interval of the best.
        needed: units of the held-out half (see `Effects`) after which an inconclusive answer may be settled, roughly (0 where
            it is settled, or where more would not help).
    """

    verdict: str
    start: int
    m: int
    share: Interval
    margin: Interval
    full: Interval
    plateau: tuple[int, ...]
    needed: int = 0


def judge(
    choose: Effects,
    confirm: Effects,
    m: int,
    *,
    searched: Sequence[Effects] = (),
    layers: int = 16,
    destroyed: Array | None = None,
    bound: float | None = None,
) -> Verdict:
    """The verdict: the best window of size m is chosen on one half and confirmed on the other.

    Args:
        choose, confirm: effects of all windows of size m on the two halves of the prompts.
        searched: effects on all prompts for sizes 1, 2, ... in order; "not localised" needs all up to layers / 4.
        bound: `highest` of all of `searched`, where it is known.
        destroyed: [windows] bool, windows whose images lose the target too: never called localised.
    """
    full = mean(confirm.full)
    best = int(choose.windows.mean(0).argmax())
    start = choose.starts[best]
    if (
        full.low <= 0 or choose.full.mean() <= 0
    ):  # altering everything does nothing, or the opposite: no ratio is formed
        return Verdict(
            verdict="no effect",
            start=start,
            m=m,
            share=NOTHING,
            margin=NOTHING,
            full=full,
            plateau=(),
        )
    controls = shares(choose)[best] >= CONTROLS and not (destroyed is not None and destroyed[best])
    held, lead = share(confirm, best), margin(confirm, m, best)
    plateau = tuple(
        confirm.starts[i] for i in np.flatnonzero(shares(confirm) >= held.low) if i != best
    )
    limit = max(1, layers // 4)
    if controls and held.low > 0.5 and lead.low > 0:
        verdict = "localised"
    elif (
        len(searched) >= limit
        and (bound if bound is not None else highest(searched[:limit])) < CONTROLS
    ):
        verdict = "not localised"
    else:
        verdict = "inconclusive"
    needed = _needed(held, len(confirm.full)) if verdict == "inconclusive" else 0
    return Verdict(
        verdict=verdict,
        start=start,
        m=m,
        share=held,
        margin=lead,
        full=full,
        plateau=plateau,
        needed=needed,
    )


def _needed(held: Interval, units: int) -> int:
    """Units after which the half-width of the share's interval would be 0.1, as it shrinks with their square root.

    0 where it is that narrow already: then only other window sizes can settle the question.
    """
    half = (held.high - held.low) / 2
    if half <= 0.1:
        return 0
    return int(np.ceil(units * (half / 0.1) ** 2)) if np.isfinite(half) else 8 * units


def wilson(successes: int, n: int) -> Interval:
    """A proportion with Wilson's 95% interval."""
    interval = binomtest(successes, n).proportion_ci(method="wilson")
    return Interval(value=successes / n, low=float(interval.low), high=float(interval.high))
