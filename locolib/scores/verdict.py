"""CLIP-Score, effects, shares and LocoGen's verdict (Section 5.1.2 of the paper; the glossary of the book)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float

from .intervals import ENOUGH, NOTHING, Array, Interval, mean, ratio

EffectTable = Float[np.ndarray, "units windows"]
FullEffects = Float[np.ndarray, "units"]
CONTROLS = 0.8  # share from which on a window controls an attribute
CERTIFIED = 0.5  # share above which the whole interval of a window that is called localised lies
MATTERS = 0.1  # of the scorer's range: an effect below it does not matter


def clip_score(images: Array, texts: Array) -> Array:
    """100 max(cos, 0) of unit embeddings [n, d] and [n, d] (or broadcast): what Table 1 of the paper prints."""
    return 100 * np.maximum((images * texts).sum(-1), 0)


@dataclass(frozen=True, kw_only=True)
class Effects:
    """Effects on CLIP-Score, in points; positive where the alteration did what it should.

    Attributes:
        windows: [units, windows], of every window of one size m; a unit is a value of the attribute, a prompt or an image
            (see `experiments.locogen.units.by_unit`), what lies within it averaged.
        full: [units], of altering all layers.
        starts: first layer of each window; default 0, 1, 2, ...
        strata: [units], groups within which units were drawn (prompts, where units are images); None: one group.
        matters: smallest effect that matters, in points; NaN: not known, so that nothing can be called "no effect".
    """

    windows: EffectTable
    full: FullEffects
    starts: tuple[int, ...] = ()
    strata: tuple[str, ...] | None = None
    matters: float = np.nan

    def __post_init__(self) -> None:
        if not self.starts:
            object.__setattr__(self, "starts", tuple(range(self.windows.shape[1])))

    def of(self, units: Array) -> "Effects":
        """The effects on some units alone."""
        strata = None if self.strata is None else tuple(np.asarray(self.strata)[units].tolist())
        windows, full = self.windows[units], self.full[units]
        return replace(self, windows=windows, full=full, strata=strata)


def share(effects: Effects, window: int) -> Interval:
    """Mean effect of a window divided by the mean effect of altering all layers."""
    return ratio(effects.windows[:, window], effects.full, effects.strata)


def shares(effects: Effects) -> Array:
    """Shares [windows] of all windows, without intervals; NaN where altering all layers changes nothing."""
    full = effects.full.mean()
    return effects.windows.mean(0) / (full or np.nan)


def disjoint(starts: Sequence[int], m: int, chosen: int) -> Array:
    """Indices of the windows of size m that share no layer with the one of index `chosen`."""
    return np.flatnonzero(np.abs(np.asarray(starts) - starts[chosen]) >= m)


def margin(choose: Effects, confirm: Effects, m: int, chosen: int) -> Interval:
    """Share of the chosen window minus that of the best disjoint one, on the half that confirms.

    Which disjoint window is the best is read mostly from the half that chooses.  A maximum taken on the units of the interval
    is too high by their noise, one taken on other units alone names a window that is not quite the best: the errors are of
    opposite sign, and with a third of the weight on the interval's own units the 95% were kept best (`coverage`).
    """
    others = disjoint(confirm.starts, m, chosen)
    if not len(others):
        return NOTHING
    height = choose.windows.mean(0) + confirm.windows.mean(0) / 3
    other = others[height[others].argmax()]
    lead = confirm.windows[:, chosen] - confirm.windows[:, other]
    return ratio(lead, confirm.full, confirm.strata)


def highest(searched: Sequence[Effects]) -> float:
    """95% upper bound of the largest share of all windows of all sizes searched: the largest of their own one-sided bounds.

    That all shares lie below it can be wrong only where the bound of the largest one is wrong: no correction is needed for
    how many there are.
    """
    bounds = [
        ratio(window, effects.full, effects.strata, level=0.90).high
        for effects in searched
        for window in effects.windows.T
    ]
    return float(np.max(np.nan_to_num(bounds, nan=np.inf)))


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """LocoGen's answer for one window size or for a search.

    Attributes:
        verdict: no effect, localised, not localised or inconclusive.
        start, m: the best window.
        share: its share on the held-out half.
        margin: its lead there on the best disjoint window of the other half (see `margin`).
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

    "localised" certifies that its share is above CERTIFIED and that it leads; that it *controls* is its share on the half that
    chose it.  "no effect" is an effect of altering all layers that is surely below what matters; one whose interval merely
    includes 0 is "inconclusive".

    Args:
        choose, confirm: effects of all windows of size m on the two halves of the prompts.
        searched: effects on all prompts for sizes 1, 2, ... in order; "not localised" needs all up to layers / 4.
        bound: `highest` of all sizes, where it is known; then `searched` is not asked.
        destroyed: [windows] bool, windows whose images lose the target too: never called localised.
    """
    full = mean(confirm.full, confirm.strata)
    best = int(choose.windows.mean(0).argmax())
    start = choose.starts[best]
    answer = partial(Verdict, start=start, m=m, full=full)
    nothing = full.high < confirm.matters
    if nothing or not full.low > 0 or not choose.full.mean() > 0:  # no ratio is formed
        more = 0 if nothing else max(8 * len(confirm.full), 2 * ENOUGH)
        says = "no effect" if nothing else "inconclusive"
        return answer(verdict=says, share=NOTHING, margin=NOTHING, plateau=(), needed=more)
    controls = shares(choose)[best] >= CONTROLS and not (destroyed is not None and destroyed[best])
    held, lead = share(confirm, best), margin(choose, confirm, m, best)
    plateau = tuple(
        confirm.starts[i] for i in np.flatnonzero(shares(confirm) >= held.low) if i != best
    )
    limit = max(1, layers // 4)
    if controls and held.low > CERTIFIED and lead.low > 0:
        verdict = "localised"
    elif (bound is not None or len(searched) >= limit) and (
        highest(searched[:limit]) if bound is None else bound
    ) < CONTROLS:
        verdict = "not localised"
    else:
        verdict = "inconclusive"
    needed = _needed(held, len(confirm.full)) if verdict == "inconclusive" else 0
    return answer(verdict=verdict, share=held, margin=lead, plateau=plateau, needed=needed)


def _needed(held: Interval, units: int) -> int:
    """Units after which the half-width of the share's interval would be 0.1, as it shrinks with their square root.

    0 where it is that narrow already: then only other window sizes can settle the question.
    """
    half = (held.high - held.low) / 2
    if half <= 0.1:
        return 0
    if not np.isfinite(half):
        return max(8 * units, 2 * ENOUGH)
    return int(np.ceil(units * (half / 0.1) ** 2))
