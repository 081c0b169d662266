"""How often the rules of the human study are wrong, and what their intervals cover: ratings of simulated people, at the study's size.

A rating is above 1 where a pair's strength, a rater's strictness and noise, all normal, add up to more than a limit; the limit
makes the rate over all pairs and people what it should be.  Pairs spread as much as noise does, people 0.3 as much.
"""

import numpy as np
import pandas as pd
from scipy.stats import norm

from ...claims import HELD, Rate
from ...scores import Interval
from . import crossed
from .pairs import SCALE
from .report import MARGIN, PAPER, as_seen, in_window

PAIRS, RATERS, PLACEBOS = 132, 5, 12  # of the paper; placebos are ours
OF_PAIRS, OF_RATERS = 1.0, 0.3  # standard deviations, beside noise of 1
SEEN = PAPER["all", "all"][1][0] / 100


def rates(worlds: int = 400) -> list[Rate]:
    """The error rates of `report.as_seen` and of `report.in_window`."""
    rng = np.random.default_rng(0)
    seen = [
        np.mean([as_seen(one, SEEN) == HELD for one in _rates(rng, worlds, true)])
        for true in (SEEN - MARGIN, SEEN)
    ]
    apart = [
        np.mean([in_window(one) == HELD for one in _differences(rng, worlds, true)])
        for true in (0.5, 0.9)
    ]
    return [
        Rate(
            rule="people see the change as often as the paper's",
            says=f"the interval of the rate lies within {100 * MARGIN:.0f} points of the paper's",
            null=f"the rate is {100 * MARGIN:.0f} points lower",
            alternative="the rate is the paper's",
            n=PAIRS,
            false_positive=float(seen[0]),
            false_negative=float(1 - seen[1]),
            worlds=worlds,
        ),
        Rate(
            rule="the change is in the window",
            says="real pairs are seen to change more often than placebos of the same prompt and model",
            null="half of both are seen to change",
            alternative="90% and 50% are",
            n=PLACEBOS,
            false_positive=float(apart[0]),
            false_negative=float(1 - apart[1]),
            worlds=worlds,
        ),
    ]


def coverage(worlds: int = 400) -> pd.DataFrame:
    """How often the 95% intervals hold the truth: kind, pairs, covered (of `worlds`)."""
    rng, rows = np.random.default_rng(1), []
    for pairs in (PLACEBOS, 24, 33, PAIRS):  # placebos; facts; of one model; all
        made = _rates(rng, worlds, SEEN, pairs)
        rows.append(("rate", pairs, np.mean([one.low <= SEEN <= one.high for one in made])))
    differences = _differences(rng, worlds, 0.9)
    rows.append(
        ("difference", PLACEBOS, np.mean([one.low <= 0.4 <= one.high for one in differences]))
    )
    for pairs in (33, PAIRS):
        held = [_holds_alpha(rng, pairs) for _ in range(worlds)]
        rows.append(("alpha", pairs, np.mean(held)))
    return pd.DataFrame(rows, columns=["kind", "pairs", "covered"])


def hits(
    rng: np.random.Generator, worlds: int, rate: float, pairs: int, strict: np.ndarray
) -> np.ndarray:
    """Whether ratings are above 1, [worlds, raters, pairs], of people with some strictness [worlds, raters]."""
    limit = norm.ppf(rate) * np.sqrt(1 + OF_PAIRS**2 + OF_RATERS**2)
    raters = strict.shape[1]
    strength = OF_PAIRS * rng.normal(size=(worlds, 1, pairs))
    return limit + strength + strict[:, :, None] + rng.normal(size=(worlds, raters, pairs)) > 0


def _people(rng: np.random.Generator, worlds: int) -> np.ndarray:
    return OF_RATERS * rng.normal(size=(worlds, RATERS))


def _intervals(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> list[Interval]:
    return [
        Interval(value=float(v), low=float(a), high=float(b))
        for v, a, b in zip(values.mean((1, 2)), low, high)
    ]


def _rates(
    rng: np.random.Generator, worlds: int, true: float, pairs: int = PAIRS
) -> list[Interval]:
    """Intervals of the rate in simulated studies."""
    made = hits(rng, worlds, true, pairs, _people(rng, worlds)).astype(float)
    return _intervals(made, *crossed.bounds_of_rate(made))


def _differences(rng: np.random.Generator, worlds: int, true: float) -> list[Interval]:
    """Intervals of the difference between three real pairs and the placebo pair of each prompt and model; half of the placebos are seen."""
    strict = _people(rng, worlds)
    real = np.mean([hits(rng, worlds, true, PLACEBOS, strict) for _ in range(3)], axis=0)
    made = real - hits(rng, worlds, 0.5, PLACEBOS, strict)
    return _intervals(made, *crossed.bounds_of_difference(made))


def _holds_alpha(rng: np.random.Generator, pairs: int) -> bool:
    """Whether the interval of alpha holds that of the same people on ten thousand pairs; strengths are uniform, as in `report.simulate`."""
    strict = OF_RATERS * rng.normal(size=(RATERS, 1))

    def rated(n: int) -> np.ndarray:
        felt = rng.uniform(0, 4, n) + strict + rng.normal(0, 0.7, (RATERS, n))
        return np.clip(np.ceil(felt), min(SCALE), max(SCALE))

    found = crossed.agreement(rated(pairs))
    return bool(found.low <= crossed.alpha(rated(10_000)) <= found.high)
