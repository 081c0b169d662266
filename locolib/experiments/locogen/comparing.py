"""A known window (the paper's, or the planted one) beside the one that LocoGen found: do they agree, and how easily would they?

Two windows agree where one holds the other, and where both control: a tie is no disagreement.  What is asked of the known
window is measured on the prompts that had no part in any choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...models import Model
from ...scores import CERTIFIED, CONTROLS, NOTHING, Effects, Interval, mean, ratio, share
from ...store import Store
from .layer_sets import Window, label
from .measuring import Request, measure
from .searching import Sweep, search, sweep


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A known window beside the one found, on held-out prompts.

    Attributes:
        window: its layers.
        share: its share of the effect of all layers.
        behind: the found window's share minus its.
        tied: the best window of its size (chosen on the other half) is not surely better.
        destroyed: its pictures lose the target's value too.
        overlap: layers in common with the found window.
        nested: one of the two holds the other.
        chance: of all windows of its size, the part that would agree as well: what one drawn at random would do; NaN where not
            all were drawn.
    """

    window: Window
    share: Interval
    behind: Interval
    tied: bool
    destroyed: bool
    overlap: int
    nested: bool
    chance: float

    @property
    def controls(self) -> bool:
        """Whether it controls the attribute too: a share of CONTROLS, surely above CERTIFIED, in the plateau of the best of its size."""
        return controls(self.share.value, self.share.low) and self.tied and not self.destroyed

    @property
    def fails(self) -> bool:
        """Whether it is shown not to control: its share is surely below CONTROLS, or surely below that of the found window."""
        return self.share.high < CONTROLS or self.behind.low > 0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a search found, beside what is known.

    Attributes:
        sweeps: of all sizes that were searched, in order; the last one holds the answer.
        at: the sweep of the known window's size; None where no window is known.
        beside: the known window; None where there is none.
    """

    sweeps: tuple[Sweep, ...]
    at: Sweep | None = None
    beside: Beside | None = None

    @property
    def done(self) -> Sweep:
        """The sweep that holds the answer: of the first size that is confirmed, or of the last one searched."""
        return self.sweeps[-1]

    @property
    def shown(self) -> list[Sweep]:
        """The answer's sweep, and that of the known window's size where it is another, by size."""
        both = {one.m: one for one in (self.done, self.at) if one is not None}
        return [both[m] for m in sorted(both)]


def controls(value: float, low: float) -> bool:
    """Whether a share with this lower bound is one of a window that controls, and surely has more than half of the effect."""
    return bool(value >= CONTROLS and low > CERTIFIED)


def locate(
    model: Model,
    request: Request,
    known: tuple[int, int] | None,
    *,
    store: Store,
    sizes: Sequence[int] = (),
    fast: bool = False,
) -> Answer:
    """Algorithm 1 with its search for the smallest m (`search`), and the `known` window (start, m) beside its answer.

    All windows of the known one's size are altered too; where the search is `fast`, those that backward passes name, and the known one.
    """
    sweeps = search(model, request, store=store, sizes=sizes, fast=fast, known=known)
    if known is None:
        return Answer(sweeps=tuple(sweeps))
    of_size = [one for one in sweeps if one.m == known[1]]
    named = sweeps[-1].proposed
    at = (
        of_size[0]
        if of_size
        else sweep(model, request, known[1], store=store, proposed=named, known=known)
    )
    return Answer(
        sweeps=tuple(sweeps), at=at, beside=beside(model, sweeps[-1], at, known, store=store)
    )


def beside(model: Model, done: Sweep, at: Sweep, known: tuple[int, int], *, store: Store) -> Beside:
    """The known window (start, m) beside the answer `done`; `at` is the sweep of its size."""
    window, table, every = _window(*known), at.table, tuple(range(at.layers))
    if label(window) not in set(table.layers):  # it lies outside what was drawn
        table = measure(model, at.asked, [(), every, window], store=store)
    one = at.held_out([window], table)
    mine = one.windows[:, 0]
    best = at.held_out([at.found])
    behind = ratio(done.held_out([done.found]).windows[:, 0] - mine, one.full, one.strata)
    lead = ratio(best.windows[:, 0] - mine, one.full, one.strata)
    rate = table.groupby("layers").picks_target.mean()
    defined = mean(one.full, one.strata).low > 0  # as in `scores.judge`
    found = share(one, 0) if defined else NOTHING
    return Beside(
        window=window,
        share=found,
        behind=behind if defined else NOTHING,
        tied=not lead.low > 0,
        destroyed=bool(found.value >= CONTROLS and rate[label(window)] < rate[label(every)] / 2),
        overlap=len(set(window) & set(done.found)),
        nested=nested(window, done.found),
        chance=_chance(done, at),
    )


def _window(start: int, m: int) -> Window:
    return tuple(range(start, start + m))


def nested(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether one of two windows holds the other."""
    return set(one) <= set(other) or set(other) <= set(one)


def _chance(done: Sweep, at: Sweep) -> float:
    """Of the windows of the known one's size, the part that would agree with the answer by the same rule; NaN where some were not drawn."""
    if at.proposed:
        return float("nan")
    held = at.held_out(at.windows)
    best = held.windows[:, at.windows.index(at.found)]
    agree = [
        nested(window, done.found) or _would(held, i, best) for i, window in enumerate(at.windows)
    ]
    return float(np.mean(agree))


def _would(held: Effects, i: int, best: np.ndarray) -> bool:
    """Whether window i controls too, in the plateau of the best."""
    found = share(held, i)
    lead = ratio(best - held.windows[:, i], held.full, held.strata)
    return controls(found.value, found.low) and not lead.low > 0


def share_elsewhere(done: Sweep, answer: Answer) -> Interval | None:
    """The share of the window of `done` in the model of another answer, on its held-out prompts; None where it was not altered."""
    for one in (*answer.sweeps, *([answer.at] if answer.at else [])):
        if done.found in one.windows:
            return share(one.held_out([done.found]), 0)
    return None


def table_of(answer: Answer) -> pd.DataFrame:
    """A row for each size that was searched: m, windows, best, its share on held-out prompts and its lead, verdict."""
    return pd.DataFrame(
        [
            {
                "m": one.m,
                "windows": len(one.windows),
                "best": label(one.found),
                "share": str(one.verdict.share),
                "lead": str(one.verdict.margin),
                "verdict": one.verdict.verdict,
            }
            for one in answer.sweeps
        ]
    )
