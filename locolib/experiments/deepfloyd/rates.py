"""How often the rules on edits and positions are wrong: simulated tables of the size that the page uses."""

from collections.abc import Sequence

import numpy as np

from ...claims import FAILED, HELD, Rate, above
from ...scores import Interval, proportion, ratio
from .report import LITTLE, carry, worked

PROMPTS = 12
# Points that altering removes from a prompt, how prompts differ in it, and what else moves a score: as in the miniatures' tables.
FULL, OF_PROMPTS, NOISE = 25.0, 8.0, 8.0


def rates(worlds: int = 400) -> list[Rate]:
    """The error rates of `report.worked` and `report.carry`, and of the question about tokens before the subject."""
    rng = np.random.default_rng(0)

    def edits(share: float, target: float, answer: str) -> float:
        return float(
            np.mean([worked(*_edit(rng, share, target), 1.0) == answer for _ in range(worlds)])
        )

    def shares(true: float, limit: float) -> float:
        found = (_share(rng, true) for _ in range(worlds))
        rule = carry if limit == 0.5 else lambda share: above(share, limit)
        return float(np.mean([rule(one) == HELD for one in found]))

    def rate(words: Sequence[str], false_positive: float, power: float) -> Rate:
        names = ("rule", "says", "null", "alternative")
        return Rate(
            **dict(zip(names, words)),
            n=PROMPTS,
            false_positive=false_positive,
            false_negative=1 - power,
            worlds=worlds,
        )

    return [
        rate(
            (
                "an edit works",
                "its share is above 0.5, and the target is picked more than half as often as by altering",
                "one of the two is half, the other as by altering (the worse of both)",
                "it does what altering does, and the target is picked in 0.95 of the images",
            ),
            max(edits(0.5, 1.0, HELD), edits(1.0, 0.5, HELD)),
            edits(1.0, 0.95, HELD),
        ),
        rate(
            (
                "an edit fails",
                "its share is below 0.5, or the target is picked less than half as often as by altering",
                "both are half",
                "it does nothing",
            ),
            edits(0.5, 0.5, FAILED),
            edits(0.0, 0.0, FAILED),
        ),
        rate(
            (
                "positions carry most of the style",
                "the share's interval lies above 0.5",
                "they carry half",
                "they carry 0.9",
            ),
            shares(0.5, 0.5),
            shares(0.9, 0.5),
        ),
        rate(
            (
                "tokens before the subject carry some of the style",
                f"the share's interval lies above {LITTLE}",
                f"they carry {LITTLE}",
                "they carry half",
            ),
            shares(LITTLE, LITTLE),
            shares(0.5, LITTLE),
        ),
    ]


def _share(rng: np.random.Generator, true: float) -> Interval:
    """A share in a simulated table."""
    full = FULL + OF_PROMPTS * rng.normal(size=PROMPTS)
    return ratio(true * full + NOISE * rng.normal(size=PROMPTS), full)


def _edit(rng: np.random.Generator, share: float, target: float) -> tuple[Interval, Interval]:
    """Share and rate of the target of a simulated edit, an image of each prompt."""
    return _share(rng, share), proportion(rng.random(PROMPTS) < target)
