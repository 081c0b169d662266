"""How often a 95% interval holds the truth: on simulated prompts, and on real tables of which a few prompts are drawn."""

import numpy as np
import pandas as pd

from .intervals import Array, Interval, mean, proportion, ratio
from .verdict import Effects, disjoint, margin

SIZES = (7, 12, 24)
SPREAD = 0.35  # standard deviation of a prompt's own share, as in the bundled models


def simulated(worlds: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Coverage of each kind of interval where prompts differ by SPREAD in their shares.

    Returns:
        A row for each kind and number of units: kind, n, coverage, low, high (Wilson's, of the coverage), worlds.
    """
    kinds = {
        "mean, points": _mean,
        "share (ratio of means)": _ratio,
        "share of images within few prompts": _strata,
        "lead, other windows up to 0.5": _lead,
        "lead, all other windows alike": _lead_of_equals,
        "proportion of images, one a prompt": _hits,
        "proportion of images, four a prompt": _grouped,
    }
    rows = []
    for kind, draw in kinds.items():
        for n in SIZES:
            rng = np.random.default_rng([seed, n])
            rows.append(_row(kind, n, [draw(rng, n) for _ in range(worlds)]))
    return pd.DataFrame(rows)


def of_table(effects: Effects, window: int, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Coverage on a measured table: a few units are drawn from all, and the share on all of them is the truth.

    Units are drawn with replacement, as from a population that looks like the table.
    """
    truth = float(effects.windows[:, window].mean() / effects.full.mean())
    rows = []
    for n in SIZES:
        rng = np.random.default_rng([seed, n])
        found = []
        for _ in range(draws):
            part = effects.of(rng.integers(len(effects.full), size=n))
            found.append((ratio(part.windows[:, window], part.full), truth))
        rows.append(_row("share, real prompts", n, found))
    return pd.DataFrame(rows)


Draw = tuple[Interval, float]


def _row(kind: str, n: int, found: list[Draw]) -> dict[str, object]:
    inside = proportion([interval.low <= truth <= interval.high for interval, truth in found])
    return {
        "kind": kind,
        "n": n,
        "coverage": inside.value,
        "low": inside.low,
        "high": inside.high,
        "worlds": len(found),
    }


def _prompts(rng: np.random.Generator, share: float, n: int) -> tuple[Array, Array]:
    """Effects in points of a window of this share, and of all layers, of n prompts."""
    full = rng.normal(30, 6, n)
    return full * rng.normal(share, SPREAD, n), full


def _mean(rng: np.random.Generator, n: int) -> Draw:
    return mean(_prompts(rng, 0.7, n)[0]), 0.7 * 30


def _ratio(rng: np.random.Generator, n: int) -> Draw:
    return ratio(*_prompts(rng, 0.7, n)), 0.7


def _strata(rng: np.random.Generator, n: int) -> Draw:
    """Images of three prompts, whose own shares stay as they are: the interval is about these three."""
    prompt = np.arange(n) % 3
    own = rng.normal(0.7, SPREAD, 3)
    full = rng.normal(30, 6, n)
    truth = float(np.average(own, weights=np.bincount(prompt)))
    return ratio(full * rng.normal(own[prompt], 0.15), full, prompt), truth


def _lead(rng: np.random.Generator, n: int) -> Draw:
    return _led(rng, n, rng.uniform(0, 0.5, 15))


def _lead_of_equals(rng: np.random.Generator, n: int) -> Draw:
    return _led(rng, n, np.full(15, 0.3))


def _led(rng: np.random.Generator, n: int, true: Array) -> Draw:
    """15 windows of two layers: one of share 0.9, two beside it, the others as they are; two halves of n prompts."""
    true[7:10] = (0.5, 0.9, 0.5)

    def half() -> Effects:
        full = rng.normal(30, 6, n)
        return Effects(windows=full[:, None] * rng.normal(true, SPREAD, (n, 15)), full=full)

    rest = disjoint(range(15), 2, 8)
    return margin(half(), half(), 2, 8), float(true[8] - true[rest].max())


def _hits(rng: np.random.Generator, n: int) -> Draw:
    truth = rng.uniform(0.05, 0.95)
    return proportion(rng.random(n) < truth), truth


def _grouped(rng: np.random.Generator, n: int) -> Draw:
    """Four images of each prompt, which are alike: a prompt's own rate is drawn from a beta distribution."""
    truth = rng.uniform(0.2, 0.8)
    own = np.repeat(rng.beta(3 * truth, 3 * (1 - truth), n), 4)
    return proportion(rng.random(4 * n) < own, np.repeat(np.arange(n), 4)), truth
