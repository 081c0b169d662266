"""Algorithm 1: all windows of one size, and the search for the smallest size that has a controlling window."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from ...drawing.engines import Elsewhere
from ...models import Model
from ...prompts import Prompt, halves
from ...scores import CONTROLS, Effects, Verdict, judge, shares
from ...store import Store
from .layer_sets import Window, label, windows
from .measuring import Request, measure
from .units import BY_VALUE, effects, summary


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """All windows of one size, measured.

    Attributes:
        model, attribute, m, layers: what was swept.
        asked: the request.
        table: a row for each image, see `measure`.
        verdict: the answer of `scores.judge`.
        stride: layers between the starts of two windows.
        argbest: the paper's own rule, plain argmin of the mean score (argmax for facts).
        curve: a row for each window: layers, start, mean score, share, picks_target, destroyed.
    """

    model: str
    attribute: str
    m: int
    layers: int
    asked: Request = field(repr=False)
    table: pd.DataFrame = field(repr=False)
    verdict: Verdict
    argbest: int
    curve: pd.DataFrame = field(repr=False)
    stride: int = 1

    @property
    def windows(self) -> list[Window]:
        """The windows that were swept, in the order of `curve`."""
        return windows(self.layers, self.m, self.stride)

    @property
    def found(self) -> Window:
        """The window that it names."""
        return tuple(range(self.verdict.start, self.verdict.start + self.m))

    @property
    def localised(self) -> bool:
        """Whether that window is confirmed."""
        return self.verdict.verdict == "localised"

    @cached_property
    def effects(self) -> Effects:
        """Effects of its windows on all prompts."""
        return effects(self.table, self.windows, self.layers, self.attribute)

    def held_out(self, sets: Sequence[Window], table: pd.DataFrame | None = None) -> Effects:
        """Effects of layer sets on the prompts that had no part in the choice; of another table of the same request, if given."""
        own = self.table if table is None else table
        return effects(own, sets, self.layers, self.attribute, split(self.asked.prompts)[1])


def sweep(
    model: Model,
    request: Request,
    m: int,
    *,
    store: Store,
    searched: Sequence[Effects] = (),
    stride: int = 1,
) -> Sweep:
    """Algorithm 1 for one m: all windows of m layers, with the verdict and the paper's own argmin/argmax.

    Args:
        searched: effects of the smaller sizes, when a search calls (see `scores.judge`).
        stride: layers between the starts of two windows; what lies in the gaps is not seen.
    """
    layers = model.spec.layers
    every = windows(layers, m, stride)
    table = measure(model, request, [(), tuple(range(layers)), *every], store=store)
    everything = effects(table, every, layers, request.attribute)
    curve = _curve(table, every, layers, shares(everything))
    choose, confirm = (
        effects(table, every, layers, request.attribute, half) for half in split(request.prompts)
    )
    verdict = judge(
        choose,
        confirm,
        m,
        searched=[*searched, everything],
        layers=layers,
        destroyed=curve.destroyed.to_numpy(),
    )
    best = curve.score.argmax() if request.attribute == "fact" else curve.score.argmin()
    return Sweep(
        model=model.name,
        attribute=request.attribute,
        m=m,
        layers=layers,
        asked=request,
        table=table,
        verdict=verdict,
        argbest=int(curve.start.iloc[best]),
        curve=curve,
        stride=stride,
    )


def split(prompts: tuple[Prompt, ...]) -> tuple[tuple[Prompt, ...], tuple[Prompt, ...]]:
    """The half that chooses and the half that confirms; a single prompt must do both (the claim is about it alone).

    With BY_VALUE values or more the halves share no value, so that what is confirmed holds of other values too.
    """
    values = list(dict.fromkeys(prompt.value for prompt in prompts))
    if len(values) >= BY_VALUE:
        chosen = set(values[::2])
        return (
            tuple(prompt for prompt in prompts if prompt.value in chosen),
            tuple(prompt for prompt in prompts if prompt.value not in chosen),
        )
    return halves(prompts) if len(prompts) > 1 else (prompts, prompts)


def _curve(
    table: pd.DataFrame, every: Sequence[Window], layers: int, share: np.ndarray
) -> pd.DataFrame:
    mean = table.groupby("layers")[["score", "picks_target"]].mean()
    curve = (
        mean.loc[[label(w) for w in every]]
        .reset_index()
        .assign(start=[w[0] for w in every], share=share)
    )
    limit = mean.picks_target[label(tuple(range(layers)))] / 2
    return curve.assign(destroyed=(curve.share >= CONTROLS) & (curve.picks_target < limit))


def search(
    model: Model,
    request: Request,
    *,
    store: Store,
    sizes: Sequence[int] = (),
    stride: int = 1,
    every: bool = False,
) -> list[Sweep]:
    """The smallest m with a window that is confirmed (Section 5.1.2): sweeps m = 1, 2, ... and stops at the first.

    Args:
        sizes: the m that are searched, in order; default 1, 2, ..., M / 4.
        every: do not stop there: sweep all sizes.

    Returns:
        The sweeps done, in order; the last one holds the answer.  It ends with the sizes, or at the first size where altering
        everything has no effect.
    """
    layers = model.spec.layers
    done: list[Sweep] = []
    for m in sizes or range(1, max(1, layers // 4) + 1):
        smaller = [one.effects for one in done]
        done.append(sweep(model, request, m, store=store, searched=smaller, stride=stride))
        if not every and done[-1].verdict.verdict in ("localised", "no effect"):
            break
    return done


def ahead(
    model: Model, request: Request, sizes: Sequence[int], *, store: Store, stride: int = 1
) -> int:
    """Draw a shard's rows of the sweeps of all these sizes (see `engines.Shard`), whatever they find; returns how many sweeps."""
    for m in sizes:
        with suppress(Elsewhere):
            sweep(model, request, m, store=store, stride=stride)
    return len(sizes)


def summary_of(done: Sweep) -> pd.DataFrame:
    """`summary` of a sweep: clean, all layers, and every window of its size."""
    return summary(
        done.table, [(), tuple(range(done.layers)), *done.windows], done.layers, done.attribute
    )


def by_size(
    model: Model, request: Request, start: int, *, store: Store, largest: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Windows of m = 1, 2, ... layers from one start (Figs. 55 and 56): (table of `measure`, its `summary`).

    Args:
        largest: the last m; 0: as many layers as there are from `start` on.
    """
    layers = model.spec.layers
    last = min(largest or layers, layers - start - (start == 0))
    sets = [(), tuple(range(layers)), *(tuple(range(start, start + m)) for m in range(1, last + 1))]
    table = measure(model, request, sets, store=store)
    return table, summary(table, sets, layers, request.attribute).assign(
        start=lambda t: t.start.where(t.kind != "clean", start)
    )
