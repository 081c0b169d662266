"""The rules of causal tracing (Section 4), on numbers alone: are causal states dense or sparse, is any strong, does one stand alone?

A restored state brings a picture back or does not: its shares of what was lost lie near 0 and near 1.  So one limit, half of
what was lost, serves all rules, and how often each is wrong is measured in `rates` on such shares.  All arrays may have axes
in front, so that thousands of simulated tables are judged as one real one is.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.special import bdtrc, stdtr

from ...scores import ENOUGH

Array = np.ndarray
Back = Float[np.ndarray, "*tables units states"]  # restored minus corrupted, in points
Full = Float[np.ndarray, "*tables units"]  # clean minus corrupted, in points
Answer = tuple[Array, Array]  # whether one can be sure that it is so, and that it is not so

# Limits of our own, as the paper prints none.
HALF = (
    0.5  # of what was lost: a state that brings back more is causal, on average over prompts strong
)
DENSE = 0.5  # part of the states that is causal, above which they are densely distributed
SPARSE = (
    0.01,
    0.1,
)  # between these parts they are extremely sparse: up to twice the 5% that the paper prints
ALONE = 0.5  # a state stands alone if no other one brings back as much as this part of what it does
LEVEL = 0.025  # how often each test may be wrong, at most
DRAWN = 29  # states, of which a tenth that is causal is missed altogether in one of twenty draws
TIE = 1.0  # points of CLIP-Score within which two pictures are as good as each other


def p_value(sample: Full) -> Array:
    """Student's one-sided p value [...] of a sample against a mean over units of at most 0; 0.5 with too few units."""
    n = sample.shape[-1]
    if n < ENOUGH:
        return np.full(sample.shape[:-1], 0.5)
    mean, error = sample.mean(-1), sample.std(-1, ddof=1) / np.sqrt(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(error > 0, mean / error, np.sign(mean) * np.inf)
    return np.where(np.isnan(t), 0.5, stdtr(n - 1, -t))


def sure(sample: Full, level: float = LEVEL) -> Array:
    """Whether one can be sure that a sample's mean over units is above 0: by Student's t, and by the signs of its units.

    Where a state brings back all or nothing, six prompts may agree by chance, and leave Student's t no spread to see it by; the
    sign test does not rest on the spread.  It may be wrong twice as often as `level`, and units that lie within TIE of 0 have no
    sign: with fewer than five others it is never sure.
    """
    over, under = (sample > TIE).sum(-1), (sample < -TIE).sum(-1)
    signs = bdtrc(over - 1, over + under, 0.5)  # of so many or more
    return (p_value(sample) <= level) & (signs <= 2 * level)


def part(back: Back, full: Full) -> Array:
    """The part [..., units] of the states that bring a unit's picture back by more than HALF, times what was lost there.

    Divided by `full`, both averaged over units, it is the part of the states that are causal for a prompt: prompts count by what
    they lost, so that one which lost nothing, whose shares are noise, does not count.
    """
    lost = np.clip(full, 0, None)
    return lost * (back > HALF * full[..., None]).mean(-1)


def beyond(back: Back, full: Full, limit: float, level: float = LEVEL) -> Answer:
    """Whether the part of the states that are causal for a prompt is above `limit`, or below it (Fieller's interval, see `scores.ratio`)."""
    p = p_value(part(back, full) - limit * full)
    return np.asarray(p <= level), np.asarray(1 - p <= level)


def dense(back: Back, full: Full) -> Answer:
    """Densely distributed: more than half of the states are causal for a prompt."""
    return beyond(back, full, DENSE)


def sparse(back: Back, full: Full) -> Answer:
    """Extremely sparse: at most a tenth of the states are causal, but some; it is not so if more than a tenth are.

    That none is causal is no answer: the few may be among the states that were not restored.
    """
    more, fewer = spread_out(back, full)
    return np.asarray(beyond(back, full, SPARSE[0])[0] & fewer), more


def spread_out(back: Back, full: Full) -> Answer:
    """Distributed amongst the various layers (Fig. 12): more than the tenth that would be extremely sparse.

    At half the level: of a few states that go together six prompts show all too often, and Student's t is sure too early.
    """
    more = beyond(back, full, SPARSE[1], LEVEL / 2)[0]
    return more, beyond(back, full, SPARSE[1])[1]


def strong(back: Back, full: Full, level: float = LEVEL) -> Answer:
    """Of each state [..., states]: whether it is sure that it brings back more than HALF, and that it brings back less."""
    over = np.moveaxis(back - HALF * full[..., None], -1, -2)
    return sure(over, level), sure(-over, level)


def best(elsewhere: Back | None, states: int, but: int = -1) -> list[int]:
    """The state, other than `but`, that brings back most in other attributes' tables; without such tables every state.

    A state that is chosen by the very numbers on which it is judged is too good by their noise.
    """
    others = [i for i in range(states) if i != but]
    if elsewhere is None:
        return others
    return [max(others, key=lambda i: float(elsewhere[..., i].mean()))]


def none_strong(back: Back, full: Full, elsewhere: Back | None = None) -> Answer:
    """No strong state: of each one is sure that it is not.  It is not so if the best one of other attributes is strong here."""
    named = best(elsewhere, back.shape[-1])
    over, under = strong(back, full, LEVEL / len(named))[0], strong(back, full)[1]
    return np.asarray(under.all(-1)), np.asarray(over[..., named].any(-1))


def rivals(back: Back, candidate: int, level: float = LEVEL) -> Answer:
    """Of each state [..., states]: whether it is sure that it brings back more than ALONE of what one does, or less.

    Of the candidate itself neither is told.
    """
    over = np.moveaxis(back - ALONE * back[..., [candidate]], -1, -2)
    more, less = sure(over, level), sure(-over, level)
    more[..., candidate] = less[..., candidate] = False
    return more, less


def alone(back: Back, full: Full, candidate: int, elsewhere: Back | None = None) -> Answer:
    """One state, named before these data were seen, is strong and has no rival; or it is not strong, or has one.

    Intersection-union: every other state must surely be no rival.  For the opposite one rival is enough, the best other state
    of the other attributes.
    """
    states = back.shape[-1]
    named = best(elsewhere, states, candidate)
    yes, no = strong(back[..., [candidate]], full, LEVEL)
    less = rivals(back, candidate)[1].sum(-1) == states - 1
    more = rivals(back, candidate, LEVEL / len(named))[0][..., named].any(-1)
    return yes[..., 0] & less, no[..., 0] | more


def none_alone(back: Back, full: Full, elsewhere: Back | None = None) -> Answer:
    """No state stands alone: of each one is sure that it does not.  It is not so if the best one of other attributes does.

    Without other attributes no single state can be named, and so none be found to stand alone.
    """
    states = range(back.shape[-1])
    never = np.all([alone(back, full, i, elsewhere)[1] for i in states], axis=0)
    named: Sequence[int] = best(elsewhere, len(states)) if elsewhere is not None else ()
    found = [alone(back, full, i, elsewhere)[0] for i in named]
    return never, np.any(found, axis=0) if found else np.zeros_like(never)
