"""How often the rules on dropped neurons are wrong: simulated tables of the size that the page uses."""

from collections.abc import Callable, Mapping

import numpy as np

from ...claims import HELD, Rate, rate
from ...scores import Interval, mean, ratio
from .report import LITTLE, outcome_of_cost, outcome_of_half, outcome_of_lead

ARTISTS, PROMPTS = 6, 6  # artists, and prompts of each
WITHIN = [artist for artist in range(ARTISTS) for _ in range(PROMPTS)]
# Points that altering the layers removes from a prompt, how artists and prompts differ in it, and what else moves a score: as in
# the table of mini-sd-v1-5, where part of the style is gone.
FULL, OF_ARTISTS, OF_PROMPTS, NOISE = 34.0, 15.0, 8.0, 10.0


def rates(worlds: int = 400) -> list[Rate]:
    """The error rates of the three rules of `report`."""
    return [
        _rate(
            worlds,
            "dropped neurons remove more than half of the style",
            "the share's interval lies above 0.5",
            {"they remove half": 0.5, "they remove 0.8": 0.8},
            _share,
            outcome_of_half,
        ),
        _rate(
            worlds,
            "some neurons remove more of the style than others",
            "the interval of the difference of shares lies above 0",
            {"they remove as much": 0.0, f"they remove {2 * LITTLE:.1f} more": 2 * LITTLE},
            _share,
            outcome_of_lead,
        ),
        _rate(
            worlds,
            "dropping neurons costs some of the object",
            "the interval of the points lost lies above 0",
            {"nothing is lost": 0.0, "6 points are lost": 6.0},
            _points,
            outcome_of_cost,
        ),
    ]


def _rate(
    worlds: int,
    rule: str,
    says: str,
    truths: Mapping[str, float],
    draw: Callable[[np.random.Generator, float], Interval],
    outcome: Callable[[Interval], str],
) -> Rate:
    def held(rng: np.random.Generator, true: float) -> bool:
        return outcome(draw(rng, true)) == HELD

    return rate(rule, says, truths, held, n=len(WITHIN), worlds=worlds)


def _share(rng: np.random.Generator, true: float) -> Interval:
    """A share that neurons remove, or by which they lead, in a simulated table."""
    full = FULL + OF_ARTISTS * rng.normal(size=ARTISTS)[WITHIN]
    full = full + OF_PROMPTS * rng.normal(size=len(WITHIN))
    own = true * full + NOISE * rng.normal(size=len(WITHIN))
    return ratio(own, full, WITHIN)


def _points(rng: np.random.Generator, true: float) -> Interval:
    """Points of the object's score that are lost in a simulated table."""
    return mean(true + NOISE * rng.normal(size=len(WITHIN)), WITHIN)
