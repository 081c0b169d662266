"""How often the rules on edits and positions are wrong: simulated tables of the size that the page uses."""

from collections.abc import Callable
from functools import partial

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
    words = {
        "an edit works": (
            "its share is above 0.5, and the target is picked more than half as often as by altering",
            "one of the two is half, the other as by altering (the worse of both)",
            "it does what altering does, and the target is picked in 0.95 of the images",
        ),
        "an edit fails": (
            "its share is below 0.5, or the target is picked less than half as often as by altering",
            "both are half",
            "it does nothing",
        ),
        "positions carry most of the style": (
            "the share's interval lies above 0.5",
            "they carry half",
            "they carry 0.9",
        ),
        "tokens before the subject carry some of the style": (
            f"the share's interval lies above {LITTLE}",
            f"they carry {LITTLE}",
            "they carry half",
        ),
    }
    edits, shares = partial(_edits, rng, worlds), partial(_shares, rng, worlds)
    found = (
        (max(edits(0.5, 1.0, HELD), edits(1.0, 0.5, HELD)), edits(1.0, 0.95, HELD)),
        (edits(0.5, 0.5, FAILED), edits(0.0, 0.0, FAILED)),
        (shares(0.5, carry), shares(0.9, carry)),
        (shares(LITTLE, _some), shares(0.5, _some)),
    )
    return [
        Rate(
            rule=rule,
            says=says,
            null=null,
            alternative=alternative,
            n=PROMPTS,
            false_positive=wrong,
            false_negative=1 - right,
            worlds=worlds,
        )
        for (rule, (says, null, alternative)), (wrong, right) in zip(words.items(), found)
    ]


def _some(share: Interval) -> str:
    return above(share, LITTLE)


def _edits(
    rng: np.random.Generator, worlds: int, share: float, target: float, answer: str
) -> float:
    """How often the rule gives an answer of edits with a true share and rate of the target."""
    said = (worked(*_edit(rng, share, target), 1.0) for _ in range(worlds))
    return float(np.mean([one == answer for one in said]))


def _shares(
    rng: np.random.Generator, worlds: int, true: float, rule: Callable[[Interval], str]
) -> float:
    """How often a rule says "held" of positions with a true share."""
    return float(np.mean([rule(_share(rng, true)) == HELD for _ in range(worlds)]))


def _share(rng: np.random.Generator, true: float) -> Interval:
    """A share in a simulated table."""
    full = FULL + OF_PROMPTS * rng.normal(size=PROMPTS)
    return ratio(true * full + NOISE * rng.normal(size=PROMPTS), full)


def _edit(rng: np.random.Generator, share: float, target: float) -> tuple[Interval, Interval]:
    """Share and rate of the target of a simulated edit, an image of each prompt."""
    return _share(rng, share), proportion(rng.random(PROMPTS) < target)
