"""When a claim about edits holds, does not hold, or is not settled: functions of intervals and of rows of `trials.Trial.tried`.

Every rule compares an edit with the *clean* model or, unit by unit, with another edit on the same held-out pictures.  How often
each is wrong is measured by `rates`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ...claims import OPEN, settled
from ...scores import CONTROLS, Interval, interval, mean, ratio
from .informing import Informed

MOST = 0.5  # of the variance, from which on the located effect explains most of it


def difference(one: pd.Series, other: pd.Series, column: str = "effects") -> Interval:
    """How much more one edit does than another, unit by unit: in points, or (column "hits") in the share of pictures that show the target."""
    return mean(np.subtract(one[column], other[column]), one.strata)


def more_share(one: pd.Series, other: pd.Series, whole: pd.Series) -> Interval:
    """How much more one edit does than another as a share of what altering all layers does, unit by unit."""
    return ratio(np.subtract(one.effects, other.effects), np.asarray(whole.effects), one.strata)


def shown(edited: pd.Series, altered: pd.Series) -> Interval:
    """By how much the target is seen more often after an edit than half as often as after altering the same layers."""
    return mean(np.subtract(edited.hits, np.divide(altered.hits, 2)), edited.strata)


def works(edited: pd.Series, altered: pd.Series) -> str:
    """Fig. 8, with what it leaves open: against the clean model the score moves by what matters, and the picture shows the target.

    (A score falls in a destroyed picture too.)  It holds if the interval of the effect lies above the smallest effect that
    matters, and the target is surely seen at least half as often as after altering the same layers; it does not hold if either
    surely is not so.
    """
    moved, target = interval(edited, "points"), shown(edited, altered)
    return settled(
        moved.low > edited.matters and target.low > 0,
        moved.high < edited.matters or target.high < 0,
    )


def enough(edited: pd.Series) -> str:
    """Section 6.1's choice of tokens: the edit does what altering the same layers does, that is at least `CONTROLS` of it."""
    found = interval(edited)
    return settled(found.low > CONTROLS, found.high < CONTROLS)


def comparable(found: Interval, matters: float) -> str:
    """Two edits do the same: their paired difference is surely smaller than what matters; not so if it surely is larger."""
    return settled(
        found.low > -matters and found.high < matters, found.low > matters or found.high < -matters
    )


def not_less(found: Interval, matters: float) -> str:
    """Nothing that matters is lost: a paired difference is surely above -`matters`; it does not hold if it surely is below."""
    return settled(found.low > -matters, found.high < -matters)


def all_of(outcomes: Sequence[str]) -> str:
    """A claim of several parts: held if all of them did; did not hold if one of them did not."""
    if not outcomes:
        return OPEN
    return settled(
        all(one == "held" for one in outcomes), any(one == "did not hold" for one in outcomes)
    )


def closeness(edited: pd.Series, altered: pd.Series) -> np.ndarray:
    """How near each unit's effect comes to that of altering the same layers, [units] in points: 0 is the same, below it misses or overshoots."""
    return -np.abs(np.subtract(edited.effects, altered.effects))


def best_of(table: pd.DataFrame, altered: pd.Series, chosen: float, column: str = "lambda") -> str:
    """App. H: no other value of a setting comes nearer, by what matters, to altering the same layers than the chosen one.

    Args:
        table: of `comparisons.by_lambda`, a row for each value in `column`.
    """
    losses = losses_of(table, altered, chosen, column)
    matters = float(table.matters.iloc[0])
    return all_of([not_less(loss, matters) for loss in losses.values()])


def losses_of(
    table: pd.DataFrame, altered: pd.Series, chosen: float, column: str = "lambda"
) -> Mapping[float, Interval]:
    """By how much nearer the chosen value of a setting comes than each other one, with paired intervals, in points."""
    rows = table.set_index(column)
    own = closeness(rows.loc[chosen], altered)
    return {
        float(value): mean(own - closeness(row, altered), row.strata)
        for value, row in rows.iterrows()
        if value != chosen
    }


def informs(found: Informed) -> str:
    """Section 6.2 as Hase et al. ask it: the effect that locates explains most of the variance of the edit's, rising, and does so
    better than when the curves are turned against each other.
    """
    bar = np.sqrt(MOST)
    return settled(found.r.low > bar and found.p <= 0.05, found.r.high < bar)


def leads(each: Sequence[Interval], corrected: Sequence[Interval]) -> str:
    """The located window surely does more than each one elsewhere; it does not hold if one of those surely does more.

    The first needs no correction for how many there are, for it is wrong only where the best of them is as good; the second
    does (`corrected`).
    """
    if not each:
        return OPEN
    return settled(all(one.low > 0 for one in each), any(one.high < 0 for one in corrected))
