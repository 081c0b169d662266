"""Values with 95% intervals whose coverage was measured (`coverage`): means, ratios, proportions.

Units are few, so nothing here is a bootstrap, whose percentiles are too narrow then.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

Array = np.ndarray
ENOUGH = 5  # units, below which no interval is formed
Groups = Sequence[Any] | Array


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value with its 95% interval: NaN ends say that there are too few units for one, infinite ends that it has no end.

    Every comparison with NaN is false, so a rule that compares ends is never settled by too few units.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if not np.isfinite(self.value):
            return "not defined"
        ends = "(n too small)" if np.isnan(self.low) else f"[{self.low:.2f}, {self.high:.2f}]"
        return f"{self.value:.2f} {ends}"


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
    rf"{_NUMBER} (?:\[{_NUMBER}, {_NUMBER}\]|\(n too small\))|\bnot defined\b"
)  # an interval in a text, as `str` writes it


def parsed(text: str) -> Interval | None:
    """The first value with its interval that a text tells as `str` does, rounded as it is there; None where it tells none."""
    if (found := WRITTEN.search(text)) is None:
        return None
    if found[1] is None:
        return NOTHING
    ends = (float(found[2]), float(found[3])) if found[2] else (np.nan, np.nan)
    return Interval(value=float(found[1]), low=ends[0], high=ends[1])


def mean(sample: Array, strata: Groups | None = None, *, level: float = 0.95) -> Interval:
    """The mean over units of a sample [units], with Student's t.

    Args:
        strata: [units], a label for each unit: units were drawn within these groups, and the interval is about these groups only.
    """
    value = float(np.mean(sample))
    if (spread := _spread(np.asarray(sample, float)[:, None], strata, level)) is None:
        return Interval(value=value, low=np.nan, high=np.nan)
    half = spread[1] * np.sqrt(spread[0][0, 0])
    return Interval(value=value, low=value - half, high=value + half)


def ratio(
    one: Array, other: Array, strata: Groups | None = None, *, level: float = 0.95
) -> Interval:
    """Mean of one sample [units] divided by the mean of another on the same units, with Fieller's interval and Student's t.

    Its ends are infinite where the second mean's own interval includes 0: the ratio may then be anything.
    """
    pair = np.stack([one, other], axis=-1).astype(float)
    a, b = pair.mean(0)
    value = float(a / b) if b else np.nan
    if (spread := _spread(pair, strata, level)) is None or not np.isfinite(value):
        return Interval(value=value, low=np.nan, high=np.nan)
    (v_a, v_ab), (_, v_b), limit = *spread[0], spread[1] ** 2
    # (a - x b)^2 <= limit Var(a - x b), a quadratic in x
    outer, middle, inner = b * b - limit * v_b, a * b - limit * v_ab, a * a - limit * v_a
    if outer <= 0:
        return Interval(value=value, low=-np.inf, high=np.inf)
    half = np.sqrt(max(middle * middle - outer * inner, 0)) / outer
    return Interval(
        value=value, low=min(value, middle / outer - half), high=max(value, middle / outer + half)
    )


def _spread(samples: Array, strata: Groups | None, level: float) -> tuple[Array, float] | None:
    """Covariance [k, k] of the means of samples [units, k], and Student's quantile; None with too few units.

    Within strata it is the units' distance from their own stratum's mean that counts, taken as equally wide in all.
    """
    _, labels = np.unique(np.zeros(len(samples)) if strata is None else strata, return_inverse=True)
    sizes = np.bincount(labels)
    degrees = len(samples) - len(sizes)
    if degrees < ENOUGH - 1:
        return None
    centres = np.stack([np.bincount(labels, column) / sizes for column in samples.T], axis=-1)
    off = samples - centres[labels]
    quantile = float(stdtrit(degrees, (1 + level) / 2))
    return off.T @ off / degrees / len(samples), quantile


def proportion(hits: Groups, groups: Groups | None = None) -> Interval:
    """A proportion of images with Wilson's interval, as wide as images that come in groups (of one prompt, say) make it.

    The number of images counts for less by the design effect of the groups (Kish), never for more; where all or none hit, which
    says nothing of that effect, only the groups count.  With fewer than ENOUGH groups the interval is about these groups.

    Args:
        hits: [images].
        groups: [images], a label for each.
    """
    counted = np.asarray(hits, float)
    n, value = len(counted), float(np.mean(counted))
    if groups is None or len(set(groups)) < ENOUGH:
        return wilson(int(counted.sum()), n)
    _, labels = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(labels, counted), np.bincount(labels)
    k, single = len(sums), value * (1 - value) / n
    if not single:
        return _wilson(value, k)
    together = k / (k - 1) * ((sums - value * sizes) ** 2).sum() / n**2
    if k == n or together <= single:
        return _wilson(value, n)
    few = (
        stdtrit(n - 1, 0.975) / stdtrit(k - 1, 0.975)
    ) ** 2  # the effect is known from few groups
    return _wilson(value, float(n * few * single / together))


def wilson(successes: int, n: int) -> Interval:
    """A proportion of independent draws with Wilson's 95% interval."""
    value = float(successes / n)
    return _wilson(value, n) if n >= ENOUGH else Interval(value=value, low=np.nan, high=np.nan)


def _wilson(value: float, n: float | int) -> Interval:
    z2 = 1.959963984540054**2
    middle = (value + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (value * (1 - value) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    low, high = middle - half if value else 0.0, middle + half if value < 1 else 1.0
    return Interval(value=value, low=low, high=high)
