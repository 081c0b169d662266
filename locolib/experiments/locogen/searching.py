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
from ...scores import CONTROLS, Effects, Verdict, highest, judge, shares
from ...store import Store
from .layer_sets import Window, label, windows
from .measuring import Request, measure
from .proposed import Proposed, propose
from .units import BY_VALUE, effects, summary


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """All windows of one size, measured.

    Attributes:
        model, attribute, m, layers: what was swept.
        asked: the request.
        table: a row for each image, see `measure`.
        verdict: the answer of `scores.judge`.
        proposed: the backward passes that named the windows; None: every window was drawn.
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
    proposed: Proposed | None = field(default=None, repr=False)

    @property
    def windows(self) -> list[Window]:
        """The windows that were drawn, in the order of `curve`."""
        return windows(self.layers, self.m, tuple(self.curve.start))

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
    proposed: Proposed | None = None,
    known: tuple[int, int] | None = None,
    last: bool = False,
) -> Sweep:
    """Algorithm 1 for one m: all windows of m layers, with the verdict and the paper's own argmin/argmax.

    Args:
        searched: effects of the smaller sizes, when a search calls (see `scores.judge`).
        proposed: only the windows that it names are drawn, and the `known` (start, m).
        last: with `proposed`, whether no larger size will be drawn: then "not localised" is possible.
    """
    layers = model.spec.layers
    every = windows(layers, m, proposed.starts(m, known) if proposed else ())
    table = measure(model, request, [(), tuple(range(layers)), *every], store=store)
    everything = effects(table, every, layers, request.attribute)
    curve = _curve(table, every, layers, shares(everything))
    bound = None
    if proposed:  # of what was not drawn backward passes must say that it does not control
        ruled_out = last and not proposed.unseen(max(m, layers // 4))
        bound = highest([*searched, everything]) if ruled_out else np.inf
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
        bound=bound,
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
        proposed=proposed,
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
    every: bool = False,
    fast: bool = False,
    known: tuple[int, int] | None = None,
) -> list[Sweep]:
    """The smallest m with a window that is confirmed (Section 5.1.2): sweeps m = 1, 2, ... and stops at the first.

    Args:
        sizes: the m that are searched, in order; default 1, 2, ..., M / 4.
        every: do not stop there: sweep all sizes.
        fast: draw only the windows that backward passes name (`proposed`), and the `known` (start, m); sizes whose best window is
            predicted to have little, or no more than a smaller one's, are passed over.

    Returns:
        The sweeps done, in order; the last one holds the answer.  It ends with the sizes, or at the first size where altering
        everything has no effect.
    """
    layers = model.spec.layers
    done: list[Sweep] = []
    asked = list(sizes) or list(range(1, max(1, layers // 4) + 1))
    named = propose(model, request, split(request.prompts)[0], store=store) if fast else None
    drawn = named.sizes(asked) if named else asked
    for m in drawn:
        done.append(
            sweep(
                model,
                request,
                m,
                store=store,
                searched=[one.effects for one in done],
                proposed=named,
                known=known,
                last=m == drawn[-1] and m >= max(1, layers // 4),
            )
        )
        if not every and done[-1].verdict.verdict in ("localised", "no effect"):
            break
    return done


def ahead(
    model: Model,
    request: Request,
    sizes: Sequence[int],
    *,
    store: Store,
    fast: bool = False,
    known: tuple[int, int] | None = None,
) -> int:
    """Draw a shard's rows of the sweeps of all these sizes (see `engines.Shard`), whatever they find; returns how many sweeps.

    Args:
        fast, known: as `search` has them; backward passes are made by each shard.
    """
    named = propose(model, request, split(request.prompts)[0], store=store) if fast else None
    drawn = named.sizes(sizes) if named else list(sizes)
    for m in drawn:
        with suppress(Elsewhere):
            sweep(model, request, m, store=store, proposed=named, known=known)
    return len(drawn)


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


def unet_rows(sweeps: Sequence[Sweep]) -> int:
    """UNet rows that a search took: every image at every step, with guidance twice; clean ones and those of all layers once."""
    asked = sweeps[-1].asked
    sets = 2 + sum(len(one.windows) for one in sweeps)
    return sets * len(asked.prompts) * len(asked.seeds) * asked.settings.unet_rows
