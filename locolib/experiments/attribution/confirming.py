"""LocoGen in a minute: a few prompts propose by a backward pass, all others confirm by pictures, in rounds.

The sweep of Algorithm 1 draws every window; here a window is drawn only if the backward pass names it.  What names it has seen
none of the prompts that confirm, so the verdict on it pays for no maximum; and as pictures are looked at after each round, each
look has its part of the 5% (Bonferroni over rounds), so that stopping early makes no error larger.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic

import pandas as pd

from ...models import Model
from ...prompts import Prompt, choose
from ...scores import CERTIFIED, CONTROLS, ENOUGH, NOTHING, Effects, Interval, mean, ratio
from ...store import Store
from ..locogen import Request, Window, effects, label, measure, split
from ..locogen.backward import Attribution, Proposal, attribute, propose, sizes
from ..locogen.backward.proposing import UNSEEN

Predict = Callable[..., Attribution]
"""As `attribute`: (model, request, every=...)."""
Draw = Callable[..., pd.DataFrame]
"""As `locogen.measure`: (model, request, layer sets, store=...)."""
PROPOSE = 4  # prompts that propose
ROUNDS = 3  # looks at the pictures
LEVEL = 1 - 0.05 / ROUNDS  # of the interval of each look


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A proposal and what pictures say of it.

    Attributes:
        proposal: what was proposed.
        share: of the effect of all layers, by pictures; its interval is that of one look of ROUNDS.
        lead: its share minus the rival's.
        picks: of its pictures, the part that shows the target's value.
        prompts: on which it was drawn.
        rest: the share of all layers but these; near 0 where they are all that counts, near 1 where others are enough.
        chance: the share of as many layers drawn at random.
    """

    proposal: Proposal
    share: Interval
    lead: Interval
    picks: float
    prompts: int
    rest: Interval = NOTHING
    chance: Interval = NOTHING

    @property
    def localised(self) -> bool:
        """Whether it controls, surely has more than CERTIFIED, and leads."""
        return bool(
            self.share.value >= CONTROLS and self.share.low > CERTIFIED and self.lead.low > 0
        )

    @property
    def rejected(self) -> bool:
        """Whether it is surely too small to control."""
        return bool(self.share.high < CONTROLS)


@dataclass(frozen=True, kw_only=True)
class Fast:
    """The answer of `localise`.

    Attributes:
        verdict: localised, not localised, no effect or inconclusive.
        why: what decided it, in words.
        tried: proposals by size, in order; the last one holds the answer.
        attribution: what proposed.
        full: effect of altering all layers, in points.
        table: of `locogen.measure`: the pictures that were looked at last.
        rows: UNet rows of all of it (see `Attribution.rows`).
        seconds: it took; less where the store had the pictures.
    """

    verdict: str
    why: str
    tried: tuple[Tried, ...]
    attribution: Attribution
    full: Interval
    table: pd.DataFrame = field(repr=False)
    rows: int
    seconds: float

    @property
    def found(self) -> Window:
        """The layers that the answer is about; none where none were proposed."""
        return self.tried[-1].proposal.layers if self.tried else ()


def localise(
    model: Model,
    request: Request,
    *,
    store: Store,
    adjacent: bool = True,
    prompts: int = PROPOSE,
    every: int = 2,
    predict: Predict = attribute,
    draw: Draw = measure,
    beside: bool = True,
) -> Fast:
    """The smallest window (or set) that is proposed by a backward pass and confirmed by pictures.

    Args:
        request: its prompts are shared out by `parted`.
        adjacent: whether only windows are proposed, as LocoGen does; otherwise any set of layers.
        prompts: how many propose.
        every: see `attribute`.
        beside: whether the last proposal's complement and layers drawn at random are drawn too, which decide nothing.
        predict, draw: backward passes and pictures; others where both were made before (`benchmarks/fast.py`).
    """
    started = monotonic()
    proposing, confirming = parted(request.prompts, prompts)
    found = predict(model, replace(request, prompts=proposing), every=every)
    looks = _Looks(model, replace(request, prompts=confirming), store, draw)
    tried: list[Tried] = []
    for m in sizes(found, adjacent=adjacent):
        if looks.nothing:
            break
        tried.append(looks.settle(propose(found, m, adjacent=adjacent)))
        if tried[-1].localised:
            break
    if tried and beside:
        tried[-1] = looks.beside(tried[-1])
    verdict, why = decide(found, tried, looks.full, nothing=looks.nothing, count=looks.count)
    return Fast(
        verdict=verdict,
        why=why,
        tried=tuple(tried),
        attribution=found,
        full=looks.full,
        table=looks.table,
        rows=found.rows + looks.rows,
        seconds=monotonic() - started,
    )


def parted(
    prompts: tuple[Prompt, ...], count: int
) -> tuple[tuple[Prompt, ...], tuple[Prompt, ...]]:
    """The prompts that propose, `count` of the half that would choose in a sweep (`locogen.split`), and all that may confirm.

    Where the sweep's halves share no value, neither do these.
    """
    first, second = split(prompts)
    proposing = choose(first, count)
    values = {prompt.value for prompt in proposing}
    apart = not {prompt.value for prompt in first} & {prompt.value for prompt in second}
    spare = [one for one in first if (one.value not in values if apart else one not in proposing)]
    return proposing, choose(tuple(dict.fromkeys([*second, *spare])), 0)


def decide(
    found: Attribution,
    tried: Sequence[Tried],
    full: Interval,
    *,
    nothing: bool,
    count: int,
    unseen: float = UNSEEN,
) -> tuple[str, str]:
    """The verdict, and what decided it.

    Args:
        full: the effect of altering all layers, on the `count` prompts that were looked at last.
        nothing: whether that is surely less than what matters.
        unseen: predicted share of the best window, below which nothing is localised if pictures reject what was tried.
    """
    limit = max(1, found.layers.shape[1] // 4)
    best = propose(found, limit).predicted
    rejected = all(one.rejected for one in tried)
    if nothing:
        return "no effect", "altering all layers changes nothing that matters"
    if not full.low > 0:
        return "inconclusive", "altering all layers has no sure effect on these prompts"
    if tried and tried[-1].localised:
        return "localised", "confirmed by pictures of prompts that had no part in the proposal"
    if rejected and best < unseen:
        said = f"to the best window of {limit} layers the backward pass gives {best:.2f}"
        return "not localised", f"{said}{', and pictures reject what was tried' if tried else ''}"
    if rejected:
        return (
            "inconclusive",
            "pictures reject all proposals, the backward pass leaves room for others",
        )
    return "inconclusive", f"the {count} prompts that there are do not settle it"


class _Looks:
    """Pictures of proposals on the confirming prompts: of a few prompts first, and of more in each round.

    Attributes:
        table: of `locogen.measure`: the pictures that were looked at last.
        full: the effect of altering all layers in them, in points.
        nothing: whether that is surely less than what matters.
        rows: UNet rows of all pictures so far.
    """

    def __init__(self, model: Model, request: Request, store: Store, draw: Draw) -> None:
        self._model, self._request, self._store = model, request, store
        self._measure = draw
        total = len(request.prompts)
        parts = (-(-total * turn // ROUNDS) for turn in range(1, ROUNDS + 1))
        self._counts = sorted({min(total, max(ENOUGH, part)) for part in parts})
        self._drawn: set[tuple[Window, int]] = set()
        self.rows = 0
        self._draw()

    @property
    def count(self) -> int:
        """Prompts that are looked at now."""
        return self._counts[0]

    def _draw(self, *sets: Window) -> None:
        """Look at clean pictures, all layers altered, and `sets`, on the prompts that are looked at now."""
        asked = replace(self._request, prompts=self._request.prompts[: self.count])
        wanted = [(), tuple(range(self._model.spec.layers)), *dict.fromkeys(sets)]
        new = {(one, i) for one in wanted for i in range(self.count)} - self._drawn
        self.rows += len(new) * len(asked.seeds) * asked.settings.unet_rows
        self._drawn |= new
        self.table = self._measure(self._model, asked, wanted, store=self._store)
        found = self.effects(())
        self.full = mean(found.full, found.strata, level=LEVEL)
        self.nothing = bool(self.full.high < found.matters)

    def effects(self, *sets: Window) -> Effects:
        """Effects of some of the sets drawn last, and of all layers."""
        return effects(self.table, sets, self._model.spec.layers, self._request.attribute)

    def settle(self, proposal: Proposal) -> Tried:
        """Draw a proposal on more and more prompts until it is confirmed or rejected, or none are left."""
        while True:
            self._draw(proposal.layers, proposal.rival)
            tried = self._look(proposal)
            settled = tried.localised or tried.rejected or self.nothing
            if settled or len(self._counts) == 1:
                return tried
            del self._counts[0]

    def beside(self, tried: Tried) -> Tried:
        """The same with the shares of all other layers and of layers drawn at random, on the prompts that were looked at last."""
        named = tried.proposal
        rest = tuple(i for i in range(self._model.spec.layers) if i not in named.layers)
        self._draw(named.layers, named.rival, rest, named.chance)
        if not self.full.low > 0:
            return tried
        found = self.effects(rest, named.chance)
        shares = [ratio(part, found.full, found.strata) for part in found.windows.T]
        return replace(tried, rest=shares[0], chance=shares[1])

    def _look(self, proposal: Proposal) -> Tried:
        found = self.effects(proposal.layers, proposal.rival)
        own, rival = found.windows.T
        altered = self.table[self.table.layers == label(proposal.layers)]
        parts = (own, own - rival) if self.full.low > 0 else ()  # else no ratio is formed
        share, lead = [ratio(part, found.full, found.strata, level=LEVEL) for part in parts] or [
            NOTHING,
            NOTHING,
        ]
        return Tried(
            proposal=proposal,
            share=share,
            lead=lead,
            picks=float(altered.picks_target.mean()),
            prompts=self.count,
        )
