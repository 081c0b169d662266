"""How sure ratings are (App. J): those of one pair hang together, and so do those of one rater.

Every rater sees every pair, so pairs and raters are crossed.  The variance of a rate is that of an analysis of variance by pair
and by rater, with as many degrees of freedom as Satterthwaite's rule gives it.  All functions of arrays take tables
[..., raters, pairs], many at once, so that their error rates can be measured (`rates`).
"""

import numpy as np
import pandas as pd
from scipy.stats import t as student

from ...scores import ENOUGH, Interval

SIDES = 0.975  # of Student's t, for two-sided 95%


def matrix(ratings: pd.DataFrame, column: str = "rating") -> np.ndarray:
    """A column of ratings as [raters, pairs], NaN where one is missing."""
    return ratings.pivot_table(values=column, index="rater", columns="pair").to_numpy(float)


def variance(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variance of the mean of values [..., raters, pairs], and its degrees of freedom.

    Under `ENOUGH` raters they are taken as they come: the variance is that of other pairs, seen by these raters.
    """
    raters, pairs = values.shape[-2:]
    whole = values.mean((-2, -1))
    of_pairs, of_raters = values.mean(-2), values.mean(-1)
    pair = raters * ((of_pairs - whole[..., None]) ** 2).sum(-1) / (pairs - 1)
    if raters < ENOUGH:
        return pair / (raters * pairs), np.full_like(pair, pairs - 1)
    rater = pairs * ((of_raters - whole[..., None]) ** 2).sum(-1) / (raters - 1)
    rest = values - of_pairs[..., None, :] - of_raters[..., :, None] + whole[..., None, None]
    both = (rest**2).sum((-2, -1)) / ((pairs - 1) * (raters - 1))
    squares = (
        pair**2 / (pairs - 1) + rater**2 / (raters - 1) + both**2 / ((pairs - 1) * (raters - 1))
    )
    free = np.maximum(pair + rater - both, 0) ** 2 / np.maximum(squares, 1e-12)
    # A sum of mean squares can come out below its largest part: then that part is the safe side.
    largest = np.maximum(pair + rater - both, np.maximum(pair, both))
    return largest / (raters * pairs), np.clip(free, raters - 1, raters * pairs)


def bounds_of_rate(hits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the 95% interval of rates of hits [..., raters, pairs]: Wilson's, for as many ratings as these are worth.

    Where all say the same, a pair counts as one rating.
    """
    raters, pairs = hits.shape[-2:]
    rate, (spread, free) = hits.mean((-2, -1)), variance(hits)
    plain = rate * (1 - rate) / (raters * pairs)  # the variance if all ratings were independent
    effect = np.where(plain > 0, np.maximum(spread / np.where(plain > 0, plain, 1), 1), raters)
    worth, z = raters * pairs / effect, student.ppf(SIDES, np.where(plain > 0, free, pairs - 1))
    middle = (rate + z**2 / (2 * worth)) / (1 + z**2 / worth)
    half = z / (1 + z**2 / worth) * np.sqrt(rate * (1 - rate) / worth + (z / (2 * worth)) ** 2)
    return np.maximum(middle - half, 0), np.minimum(middle + half, 1)


def bounds_of_difference(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the 95% interval of mean differences of rates [..., raters, pairs], each of them from -1 to 1.

    Two pairs are added that cancel out, half a rating up and half down, as Agresti and Min (2005) do with rates: of a dozen
    pairs that all say the same, no interval of no width follows.
    """
    added = np.broadcast_to([0.5, -0.5], (*differences.shape[:-1], 2))
    padded = np.concatenate([differences, added], axis=-1)
    spread, free = variance(padded)
    middle, half = padded.mean((-2, -1)), student.ppf(SIDES, free) * np.sqrt(spread)
    return middle - half, middle + half


def rate(hits: np.ndarray) -> Interval:
    """The rate of hits [raters, pairs] with its interval; without one under `ENOUGH` pairs."""
    return _interval(hits, *(bounds_of_rate(hits) if _enough(hits) else (np.nan, np.nan)))


def difference(differences: np.ndarray) -> Interval:
    """The mean of differences [raters, pairs] with its interval; without one under `ENOUGH` pairs."""
    return _interval(
        differences, *(bounds_of_difference(differences) if _enough(differences) else 2 * [np.nan])
    )


def _enough(values: np.ndarray) -> bool:
    return values.shape[-1] >= ENOUGH


def _interval(values: np.ndarray, low: float, high: float) -> Interval:
    return Interval(value=float(values.mean()), low=float(low), high=float(high))


def alpha(values: np.ndarray) -> float:
    """Krippendorff's alpha, ordinal, of ratings [raters, pairs] with NaN for missing: 1 full agreement, 0 chance.

    1 - D_o / D_e of Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability": observed over expected disagreement of
    two ratings of a pair, where two grades differ by the square of how many ratings lie between them, half of each end counted.
    NaN where it is not defined: no pair has two ratings, or all ratings are the same.
    """
    each = _coincidences(values)
    return float(_alpha(each.sum(0))) if len(each) else float("nan")


def agreement(values: np.ndarray) -> Interval:
    """`alpha` of ratings [raters, pairs] with its 95% interval: Student's t over the jackknife, which leaves out a pair at a time.

    It is about these raters: other pairs, not other people.
    """
    value, each = alpha(values), _coincidences(values)
    if len(each) < ENOUGH or np.isnan(value):
        return Interval(value=value, low=np.nan, high=np.nan)
    left = _alpha(each.sum(0) - each)
    half = student.ppf(SIDES, len(each) - 1) * np.sqrt((len(each) - 1) * left.var())
    return Interval(value=value, low=value - float(half), high=value + float(half))


def _coincidences(values: np.ndarray) -> np.ndarray:
    """How often two grades meet in a pair, [pairs, grades, grades], of the pairs that were rated twice or more."""
    both = values[:, (~np.isnan(values)).sum(0) >= 2]
    grades = np.unique(both[~np.isnan(both)])
    counts = (both[:, :, None] == grades).sum(0).astype(float)  # [pairs, grades]
    met = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(len(grades))
    return met / np.maximum(counts.sum(1) - 1, 1)[:, None, None]


def _alpha(coincidences: np.ndarray) -> np.ndarray:
    """Alpha of tables of coincidences [..., grades, grades]; NaN where all ratings are the same."""
    total = coincidences.sum(-2)
    middle = np.cumsum(total, -1) - total / 2  # where a grade stands among all ratings
    apart = (middle[..., :, None] - middle[..., None, :]) ** 2
    observed = (coincidences * apart).sum((-2, -1))
    expected = (total[..., :, None] * total[..., None, :] * apart).sum((-2, -1))
    several = expected > 0
    chance = np.where(several, expected / np.where(several, total.sum(-1) - 1, 1), 1)
    return np.where(several, 1 - observed / chance, np.nan)
