"""How often the rules on edits are wrong: simulated tables of the sizes that the pages use, with the answer known."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from ...claims import HELD, Rate, above
from ...scores import columns, mean, ratio
from . import report_rules
from .informing import Curves, informed, leads

Rng = np.random.Generator
PROMPTS, FEW, GENERIC = 12, 6, 32  # a style's held-out half; on the page of five models; App. L
WINDOWS = 15  # of two layers in sixteen
FULL, SPREAD, MATTERS = 40.0, 12.0, 5.0  # points: all layers altered; between prompts; what matters
RISING = (16, PROMPTS)  # prompts of the sweep and of the edit


def _row(effects: np.ndarray, hits: np.ndarray, full: np.ndarray) -> pd.Series:
    parts = {"points": mean(effects), "share": ratio(effects, full)}
    return pd.Series(
        columns(parts)
        | {"effects": tuple(effects), "hits": tuple(hits), "strata": None, "matters": MATTERS}
    )


def _edit(rng: Rng, share: float, target: float, n: int) -> tuple[pd.Series, pd.Series]:
    """An edit and the same layers altered: each prompt's effect scatters, and theirs go together."""
    full = FULL + SPREAD * rng.standard_normal(n)
    effects = share * full + SPREAD / 3 * rng.standard_normal(n)
    hits = (rng.random(n) < target).astype(float)
    return _row(effects, hits, full), _row(full, np.ones(n), full)


def _works(share: float, target: float, n: int) -> Callable[[Rng], str]:
    return lambda rng: report_rules.works(*_edit(rng, share, target, n))


def _enough(share: float) -> Callable[[Rng], str]:
    return lambda rng: report_rules.enough(_edit(rng, share, 1.0, PROMPTS)[0])


def _paired(rate: float, other: float) -> Callable[[Rng], str]:
    """Pictures of two edits that show the target; half of what decides is the prompt's."""

    def world(rng: Rng) -> str:
        easy = rng.random(PROMPTS)
        own, theirs = (
            np.where(rng.random(PROMPTS) < 0.5, easy, rng.random(PROMPTS)) < wanted
            for wanted in (rate, other)
        )
        return above(mean(own.astype(float) - theirs))

    return world


def _more(gained: float, n: int, spread: float) -> Callable[[Rng], str]:
    return lambda rng: above(mean(gained + spread * rng.standard_normal(n)))


def _same(apart: float, others: int) -> Callable[[Rng], str]:
    """Paired differences from several other methods: `apart` points from the last, none from the rest."""

    def world(rng: Rng) -> str:
        means = [0.0] * (others - 1) + [apart]
        found = [mean(one + 4 * rng.standard_normal(PROMPTS)) for one in means]
        return report_rules.all_of([report_rules.comparable(one, MATTERS) for one in found])

    return world


def _not_less(lost: float, n: int, spread: float, others: int = 1) -> Callable[[Rng], str]:
    def world(rng: Rng) -> str:
        found = [mean(-lost + spread * rng.standard_normal(n)) for _ in range(others)]
        return report_rules.all_of([report_rules.not_less(one, MATTERS) for one in found])

    return world


def _curves(rng: Rng, same: bool) -> Curves:
    """Two curves with one window of effect each, its neighbours half of it: in the same place, or each anywhere."""
    places = rng.integers(0, WINDOWS, 2)
    made = []
    for place, units in zip((places[0], places[0 if same else 1]), RISING):
        near = np.abs(np.arange(WINDOWS) - place)
        shape = np.where(near == 0, 0.9, np.where(near == 1, 0.4, 0.0))
        of_prompt = 1 + 0.35 * rng.standard_normal((units, 1))
        made.append(of_prompt * shape + 0.06 * rng.standard_normal((units, WINDOWS)))
    return made[0], made[1]


def _informs(same: bool) -> Callable[[Rng], str]:
    return lambda rng: report_rules.informs(informed([_curves(rng, same) for _ in range(3)]))


def _leads(behind: float) -> Callable[[Rng], str]:
    """The located window does 0.9; of 13 elsewhere one does `behind` less, the others nothing."""

    def world(rng: Rng) -> str:
        means = np.array([0.9, 0.9 - behind, *[0.0] * 12])
        of_prompt = 1 + 0.35 * rng.standard_normal((PROMPTS, 1))
        shares = of_prompt * means + 0.1 * rng.standard_normal((PROMPTS, len(means)))
        return report_rules.leads(*leads(shares, 0, range(1, len(means)), None))

    return world


Case = tuple[str, str, str, str, int, Callable[[Rng], str], Callable[[Rng], str]]
_SAYS = "the effect is above what matters, and the target is seen at least half as often as after altering"
_TRUE = "0.7 of altering, the target seen in 0.9 of the images"
CASES: Sequence[Case] = (
    *(
        (
            f"an edit works (Fig. 8), by its {what}",
            _SAYS,
            null,
            _TRUE,
            n,
            _works(share, target, n),
            _works(0.7, 0.9, n),
        )
        for n in (FEW, PROMPTS)
        for what, null, share, target in (
            ("effect", "it is what matters; the target is always seen", MATTERS / FULL, 1.0),
            ("target", "it is seen half as often as after altering; 0.7 of its effect", 0.7, 0.5),
        )
    ),
    (
        "the paper's tokens do it (Section 6.1)",
        "at least 0.8 of what altering the layers does",
        "0.8 of what altering the layers does",
        "all of what altering the layers does",
        PROMPTS,
        _enough(0.8),
        _enough(1.0),
    ),
    (
        "located layers show the target more often than all (App. F)",
        "a paired difference above 0",
        "both in 0.8 of the images",
        "0.9 against 0.4",
        PROMPTS,
        _paired(0.8, 0.8),
        _paired(0.9, 0.4),
    ),
    *(
        (
            "an edit does more than another (random windows, other models, DiffQuickFix)",
            "a paired difference above 0",
            "no difference",
            "10 points, which scatter by 10 between prompts",
            n,
            _more(0.0, n, 10.0),
            _more(10.0, n, 10.0),
        )
        for n in (FEW, PROMPTS)
    ),
    (
        "an edit does as much as three others (App. I)",
        "all paired differences smaller than what matters",
        "one of them is what matters",
        "no difference",
        PROMPTS,
        _same(MATTERS, 3),
        _same(0.0, 3),
    ),
    (
        "no other lambda is nearer (App. H)",
        "no loss of what matters against any of three",
        "what matters is lost against each",
        "no loss",
        PROMPTS,
        _not_less(MATTERS, PROMPTS, 4.0, 3),
        _not_less(0.0, PROMPTS, 4.0, 3),
    ),
    (
        "generic prompts are not harmed (App. L)",
        "no loss of what matters",
        "what matters is lost",
        "no loss",
        GENERIC,
        _not_less(MATTERS, GENERIC, 8.0),
        _not_less(0.0, GENERIC, 8.0),
    ),
    (
        "generic prompts are harmed less (App. L)",
        "a paired difference above 0",
        "no difference",
        "3 points, which scatter by 6 between prompts",
        GENERIC,
        _more(0.0, GENERIC, 6.0),
        _more(3.0, GENERIC, 6.0),
    ),
    (
        "localisation informs editing (three attributes)",
        "R2 above 0.5, and no chance of the place (turned curves, p <= 0.05)",
        "located and edited effects each have a place of their own",
        "the same place",
        PROMPTS,
        _informs(False),
        _informs(True),
    ),
    (
        "no window elsewhere is better to edit",
        "the located one surely does more than each",
        "one elsewhere does as much",
        "the best elsewhere does 0.4 less",
        PROMPTS,
        _leads(0.0),
        _leads(0.4),
    ),
)


def rates(worlds: int = 400, *, seed: int = 0) -> list[Rate]:
    """The error rates of every rule of `report_rules`, each in a world where its claim is just false and in one where it is true."""
    found = []
    for rule, says, null, alternative, n, false, true in CASES:
        rng = np.random.default_rng(seed)
        wrong = np.mean([false(rng) == HELD for _ in range(worlds)])
        missed = np.mean([true(rng) != HELD for _ in range(worlds)])
        found.append(
            Rate(
                rule=rule,
                says=says,
                null=null,
                alternative=alternative,
                n=n,
                false_positive=float(wrong),
                false_negative=float(missed),
                worlds=worlds,
            )
        )
    return found
