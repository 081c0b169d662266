"""What the page on causal tracing says: the paper's sentences (Section 4, App. A), and beside them what is computed here."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...claims import IN_WORDS, OPEN, Claim, settled
from ...models import Spec
from ...scores import Interval, highest, interval
from . import restoring
from .paper import Paper, paper
from .states import State

# Rules of our own, as the paper prints none; NEGLIGIBLE and ALONE were set after a first look, the others before any tracing.
STRONG = 0.5  # a state is causal if its interval lies above 0, strong if it lies above this share
NEGLIGIBLE = 0.1  # a state whose interval lies below this share is settled as well
DENSE = 0.5  # the part of the states that must be causal to call them densely distributed
CHANCE = 0.025  # the part of states that do nothing whose 95% intervals lie above 0 all the same
ALONE = 0.5  # a state stands alone if no other one brings back as much as this part of what it does


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How the indirect effect spreads over the states of a UNet.

    Attributes:
        states, causal, strong: how many were restored, have their interval above 0, have it above STRONG.
        open: how many are not causal, but may be: their interval reaches above NEGLIGIBLE.
        bound: simultaneous 95% upper bound of all shares.
        verdict: distributed, sparse or none; "open" where the open states decide; "nothing lost" where nothing can come back.
    """

    states: int
    causal: int
    strong: int
    open: int
    bound: float
    verdict: str


def spread(table: pd.DataFrame, chosen: Sequence[State]) -> Spread:
    """The spread over `chosen` in a table of `tracing.trace`."""
    found = restoring.indirect(table, chosen)
    causal, strong = (int((found.share_low > limit).sum()) for limit in (0, STRONG))
    undecided = int(((found.share_low <= 0) & (found.share_high > NEGLIGIBLE)).sum())
    many, bound = DENSE * len(found), float("nan")
    if restoring.lost(table).low <= 0:
        verdict = "nothing lost"
    else:
        few = causal > int(CHANCE * len(found)) + 1
        verdict = (
            "distributed"
            if causal >= many
            else "open"
            if causal + undecided >= many
            else "sparse"
            if few
            else "none"
        )
        bound = highest([restoring.effects(table, chosen)])
    return Spread(
        states=len(found),
        causal=causal,
        strong=strong,
        open=undecided,
        bound=bound,
        verdict=verdict,
    )


def spread_agrees(found: Spread, said: Paper) -> str:
    """Whether a spread is what the paper says (one of `claims.OUTCOMES`)."""
    if found.verdict == "nothing lost":
        return OPEN
    if said.spread == "no strong state":  # an absence needs a bound, not only the lack of a finding
        return settled(not found.strong and found.bound < STRONG, found.strong > 0)
    return settled(found.verdict == said.spread, found.verdict != "open")


@dataclass(frozen=True, kw_only=True)
class Alone:
    """Whether one state of the text encoder stands alone.

    Attributes:
        best: the state with the largest share.
        share: that share.
        rest: what the best other state brings back, as a part of it.
        first: whether it is the first layer's self-attention.
    """

    best: State
    share: Interval
    rest: Interval
    first: bool

    @property
    def verdict(self) -> str:
        """alone, not alone, or open; "none" where the largest share is too small to matter."""
        if not self.share.low > 0:
            return "none" if self.share.high < STRONG else "open"
        return (
            "alone" if self.rest.high < ALONE else "not alone" if self.rest.low >= ALONE else "open"
        )


def alone(table: pd.DataFrame, chosen: Sequence[State]) -> Alone:
    """Which of the text encoders' states in `chosen` (two or more, at one place) has the largest share, and is it alone?"""
    found = restoring.indirect(table, chosen)
    index = int(np.nan_to_num(found.share, nan=-np.inf).argmax())
    row = found.iloc[index]
    return Alone(
        best=chosen[index],
        share=Interval(value=row.share, low=row.share_low, high=row.share_high),
        rest=restoring.runner_up(table, chosen, index),
        first=row.layer == 0 and row.kind == "attention",
    )


def alone_agrees(found: Alone, said: Paper) -> str:
    """Whether it is what the paper says (one of `claims.OUTCOMES`)."""
    if found.verdict == "open" or not np.isfinite(found.share.value):
        return OPEN
    return settled(
        said.unique == (found.verdict == "alone" and (found.first or not said.unique)), True
    )


def unet_words(table: pd.DataFrame, chosen: Sequence[State], spec: Spec) -> str:
    """What is found in the UNet, beside the paper's word for it, in Markdown."""
    found, said = spread(table, chosen), paper(spec)
    if found.verdict == "nothing lost":
        return f"The corruption takes nothing away ({restoring.lost(table)} points), so there is nothing to bring back."
    says = {
        "distributed": "the effect is **densely distributed**",
        "sparse": "the effect is **sparse**",
        "open": "whether that is dense is **open**",
        "none": "there is **no causal state** beyond chance",
    }[found.verdict]
    shares = restoring.indirect(table, chosen)
    top = shares.loc[shares.share.idxmax()]
    strong = ", ".join(f"`{name}`" for name in shares.state[shares.share_low > STRONG])
    end = IN_WORDS[spread_agrees(found, said)] if said else ""
    return (
        f"Of {found.states} states {found.causal} ({found.causal / found.states:.0%}) have their 95% interval above 0 "
        f"(about {CHANCE * found.states:.0f} would by chance), {found.strong} ({found.strong / found.states:.0%}) above "
        f"{STRONG}; {found.open} more may be causal (their interval reaches from below 0 to above {NEGLIGIBLE}): {says}. "
        f"The largest share is {interval(top)} (`{top.state}`, {top.kind}; {_n(shares)}); with 95% confidence none exceeds "
        f"{found.bound:.2f}. {f'Strong: {strong}. ' if strong else ''}{end}"
    ).strip()


def null_words(table: pd.DataFrame, chosen: Sequence[State]) -> str:
    """What a state drawn at random shows, in Markdown."""
    n = _n(restoring.indirect(table, chosen[:1]))
    return f"The null: a state drawn at random from these {len(chosen)} brings back {restoring.at_random(table, chosen)} ({n})."


def text_words(table: pd.DataFrame, chosen: Sequence[State], spec: Spec) -> str:
    """What is found in the text encoders at one place, beside the paper's word for it, in Markdown."""
    found, said, where = alone(table, chosen), paper(spec), chosen[0].where
    place = {"last": "the subject's last token", "all": "all tokens of the subject"}[where]
    if not np.isfinite(found.share.value):
        return f"At {place}: the corruption takes nothing away."
    verdict = {
        "alone": "it **stands alone**",
        "not alone": "it does **not stand alone**",
        "none": "it is **not causal**",
        "open": "whether it stands alone is **open**",
    }[found.verdict]
    end = IN_WORDS[alone_agrees(found, said)] if said and where == "last" else ""
    shares = restoring.indirect(table, chosen)
    large = [
        state
        for state, share, low in zip(chosen, shares.share, shares.share_low)
        if low > 0 and share >= NEGLIGIBLE
    ]
    layers = (
        " (all in the first layer)"
        if large and not any(state.text and state.text.layer for state in large)
        else ""
    )
    return (
        f"At {place} the largest of {len(chosen)} shares is that of {_called(found.best)} with {found.share}; the best "
        f"other state brings back {found.rest} of that ({_n(shares)}): {verdict}. {end} Causal states with a share of at "
        f"least {NEGLIGIBLE}: {', '.join(map(_called, large)) or 'none'}{layers}. {null_words(table, chosen)}"
    )


def _called(state: State) -> str:
    """A text encoder's state in words."""
    return f"{state.kind} {state.text.layer if state.text else state.index} of `{state.part}`"


def _n(shares: pd.DataFrame) -> str:
    row = shares.iloc[0]
    return f"n = {row.units} {row.unit}s" + (
        f", {row.images} images" if row.images != row.units else ""
    )


def claims(
    table: pd.DataFrame, unet: Sequence[State], text: Sequence[State], spec: Spec
) -> list[Claim]:
    """What the paper says of a model and what was found, for the ledger; none where it says nothing.

    Args:
        text: the text encoders' states at the subject's last token; empty where they were not traced.
    """
    said = paper(spec)
    if not said:
        return []
    found, told = (
        spread(table, unet),
        {
            "distributed": "causal states are densely distributed over the UNet",
            "sparse": "causal states are sparse in the UNet",
            "no strong state": "there is no strong causal state in the UNet",
        }[said.spread],
    )
    made = [
        Claim(
            text=told,
            section="4, Fig. 2",
            outcome=spread_agrees(found, said),
            number=f"{found.causal} of {found.states} states have a share above 0, {found.strong} above {STRONG}",
            control=f"a state drawn at random brings back {restoring.at_random(table, unet)}",
        )
    ]
    if text:
        best = alone(table, text)
        told = (
            "a unique causal state, the first layer's self-attention,"
            if said.unique
            else "no unique causal state"
        )
        made.append(
            Claim(
                text=f"there is {told} in the text encoder",
                section="4, Fig. 3",
                number=f"{_called(best.best).replace('`', '')}: share {best.share}",
                control=f"the best other state brings back {best.rest} of that",
                outcome=alone_agrees(best, said),
            )
        )
    return made
