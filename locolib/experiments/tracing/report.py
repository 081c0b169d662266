"""What the page on causal tracing says: the paper's sentences (Section 4, App. A), and beside them what is computed here."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...claims import FAILED, HELD, IN_WORDS, OPEN, Claim, Rate, settled
from ...models import Spec
from ...scores import NOTHING, Effects, Interval, interval, ratio
from . import judging, restoring
from .judging import Answer
from .paper import Paper, Said, paper
from .states import State, of_spec, parts


@dataclass(frozen=True, kw_only=True)
class Traced:
    """What some states bring back for one attribute, and for the others.

    Attributes:
        attribute: which.
        found: what comes back by each state and what was lost, by unit (see `tracing.effects`).
        elsewhere: [units, states], the same of the other attributes; None where there are none.
        shares: of `tracing.indirect`.
        lost: what the corruption takes away, in points.
    """

    attribute: str
    found: Effects
    elsewhere: np.ndarray | None
    shares: pd.DataFrame
    lost: Interval

    @property
    def units(self) -> str:
        """n, in words."""
        row = self.shares.iloc[0]
        more = f", {row.images} images" if row.images != row.units else ""
        return f"n = {row.units} {row.unit}s{more}"

    @property
    def top(self) -> int:
        """The state with the largest share: chosen by this very number, so that it is shown and not judged."""
        return int(np.nan_to_num(self.shares.share, nan=-np.inf).argmax())

    def outcome(self, answer: Answer) -> str:
        """One of `claims.OUTCOMES`; nothing is settled where it is not sure that anything was lost, or by images of a few prompts."""
        told = self.lost.low > 0 and self.found.strata is None
        return settled(*(bool(told and one) for one in answer))

    @property
    def part(self) -> Interval:
        """The part of the states that are causal for a prompt, prompts weighted by what they lost (see `judging.part`)."""
        return self._share(judging.part(self.found.windows, self.found.full))

    @property
    def random(self) -> Interval:
        """The share to expect of a state drawn at random."""
        return self._share(self.found.windows.mean(-1))

    def _share(self, back: np.ndarray) -> Interval:
        """Of what was lost; not defined where that is nothing."""
        known = np.isfinite(self.shares.share[self.top])
        return ratio(back, self.found.full, self.found.strata) if known else NOTHING


def traced(table: pd.DataFrame, chosen: Sequence[State]) -> list[Traced]:
    """What `chosen` bring back, for each attribute of a table of `tracing.trace`."""
    found = {
        name: restoring.effects(part, chosen)
        for name, part in restoring.by_attribute(table).items()
    }
    made = []
    for name, part in restoring.by_attribute(table).items():
        others = [one.windows for other, one in found.items() if other != name]
        made.append(
            Traced(
                attribute=name,
                found=found[name],
                elsewhere=np.concatenate(others) if others else None,
                shares=restoring.indirect(part, chosen),
                lost=restoring.lost(part),
            )
        )
    return made


def judged(one: Traced, said: Said, there: int) -> str:
    """Whether states are what the paper says of them (one of `claims.OUTCOMES`).

    Args:
        there: how many such states the UNet has.  Where only some were restored, and fewer than `judging.DRAWN`, they say nothing
            of a tenth of all.
    """
    restored = one.found.windows.shape[1]
    if said.rule in (judging.sparse, judging.spread_out) and restored < min(there, judging.DRAWN):
        return OPEN
    more = (one.elsewhere,) if said.elsewhere else ()
    return one.outcome(said.rule(one.found.windows, one.found.full, *more))


def strong(one: Traced) -> tuple[int, int]:
    """How many states may be strong, each being judged alone, and of how many this is sure: shown, and never judged together."""
    over, under = judging.strong(one.found.windows, one.found.full)
    return int(over.sum()), int((~under).sum())


@dataclass(frozen=True, kw_only=True)
class Alone:
    """Whether a state of the text encoders stands alone.

    Attributes:
        first: index of the candidate, named before any tracing: the first layer's self-attention (of the first encoder).
        rival: index of the best other state on the other attributes; of the best other one here where there are none.
        beside: what the rival brings back as a part of what the candidate does.
        unique: whether the candidate stands alone, and `absent`: whether no state does, as outcomes.
    """

    first: int
    rival: int
    beside: Interval
    unique: str
    absent: str


def alone(one: Traced, chosen: Sequence[State]) -> Alone:
    """Whether one of the text encoders' states in `chosen` (two or more, at one place) stands alone, for one attribute."""
    first = next(
        i for i, s in enumerate(chosen) if s.text and not s.text.layer and s.kind == "attention"
    )
    back, full = one.found.windows, one.found.full
    known = back if one.elsewhere is None else one.elsewhere
    rival = judging.best(known, len(chosen), first)[0]
    return Alone(
        first=first,
        rival=rival,
        beside=ratio(back[:, rival], back[:, first], one.found.strata),
        unique=one.outcome(judging.alone(back, full, first, one.elsewhere)),
        absent=one.outcome(judging.none_alone(back, full, one.elsewhere)),
    )


def answer(found: Alone, said: Paper) -> str:
    """Whether it is what the paper says (one of `claims.OUTCOMES`)."""
    return found.unique if said.unique else found.absent


def nothing_words(table: pd.DataFrame) -> list[str]:
    """A sentence for each attribute whose corruption takes nothing away."""
    return [
        f"**{name.capitalize()}**: the corruption takes nothing away ({restoring.lost(part)} points), so there is nothing to bring back."
        for name, part in restoring.by_attribute(table).items()
        if not restoring.formed(part)
    ]


def lost_words(table: pd.DataFrame) -> str:
    """What the corruption takes away, and what a new draw of it brings "back", by attribute."""
    return "; ".join(
        f"{name}: {restoring.lost(part)} points, redrawn {restoring.redrawn(part)} (n = {len(restoring.effects(part, ()).full)} {restoring.unit(part)}s)"
        for name, part in restoring.by_attribute(table).items()
    )


def unet_words(table: pd.DataFrame, unet: Sequence[State], spec: Spec) -> str:
    """What is found in the UNet by attribute, beside the paper's word for it, as a Markdown list."""
    said, lines = paper(spec), nothing_words(table)
    there = parts(of_spec(spec))
    for states, chosen in parts(unet).items():
        for one in traced(table, chosen) if chosen else []:
            if np.isnan(one.shares.share[one.top]):
                continue
            ends = [
                f"“{text(claim, states)}”: {IN_WORDS[judged(one, claim, len(there[states]))]}"
                for claim in (said.claims if said else ())
                if one.attribute in claim.attributes
            ]
            sure, may = strong(one)
            lines.append(
                f"**{one.attribute.capitalize()}, {states}**: {one.part} of the {len(chosen)} (there are {len(there[states])}) are causal for a prompt; {sure} surely "
                f"strong, {may} perhaps. The largest share is {interval(one.shares.iloc[one.top])} (`{chosen[one.top].path}`); one drawn "
                f"at random, the null, brings back {one.random} ({one.units}). {' '.join(ends)}".strip()
            )
    return "\n".join(f"- {line}" for line in lines)


def stream_words(table: pd.DataFrame, unet: Sequence[State]) -> str:
    """What the last state on the output stream brings back, which by construction is all or nearly all."""
    last = next(state for state in reversed(unet) if state.output)
    shares = restoring.indirect(table, [last])
    told = ", ".join(f"{row.attribute} {interval(row)}" for _, row in shares.iterrows())
    return f"`{last.path}` brings back: {told}."


def text_words(table: pd.DataFrame, chosen: Sequence[State], spec: Spec) -> str:
    """What is found in the text encoders at one place, by attribute, beside the paper's word for it, as a Markdown list."""
    said, where = paper(spec), chosen[0].where
    place = {"last": "the subject's last token", "all": "all tokens of the subject"}
    lines = nothing_words(table)
    for one in traced(table, chosen):
        if np.isnan(one.shares.share[one.top]):
            continue
        found = alone(one, chosen)
        unique = {
            HELD: "stands alone",
            FAILED: "does **not** stand alone",
            OPEN: "may stand alone or not",
        }
        absent = {
            HELD: "none stands alone",
            FAILED: "one stands alone",
            OPEN: "whether any stands alone is open",
        }
        end = IN_WORDS[answer(found, said)] if said and where == "last" else ""
        first, top = (interval(one.shares.iloc[i]) for i in (found.first, one.top))
        lines.append(
            f"**{one.attribute.capitalize()}**: {called(chosen[found.first])}, the candidate, brings back {first} and {unique[found.unique]}; "
            f"its rival, {called(chosen[found.rival])}, does {found.beside} of that. Of all {len(chosen)} {absent[found.absent]}; the "
            f"largest share is that of {called(chosen[one.top])}, {top}, and one drawn at random, the null, brings back {one.random} "
            f"({one.units}). {end}".strip()
        )
    return f"At {place[where or 'last']}:\n\n" + "\n".join(f"- {line}" for line in lines)


def called(state: State) -> str:
    """A text encoder's state in words."""
    return f"{state.kind} {state.text.layer if state.text else state.index} of `{state.part}`"


def text(said: Said, states: str) -> str:
    """A claim of the paper about the UNet's `states`."""
    return said.text.format(states=states)


def claims(
    table: pd.DataFrame, unet: Sequence[State], encoders: Sequence[State], spec: Spec
) -> list[Claim]:
    """What the paper says of a model and what was found, by attribute, for the ledger; none where it says nothing.

    Args:
        encoders: the text encoders' states at the subject's last token; empty where they were not traced.
    """
    said = paper(spec)
    if not said:
        return []
    there = parts(of_spec(spec))
    made = [
        Claim(
            text=f"{one.attribute}: {text(claim, states)}",
            section=claim.section,
            outcome=judged(one, claim, len(there[states])),
            number=f"{one.part} of {len(chosen)} restored, of {len(there[states])}, are causal for a prompt, {strong(one)[0]} surely strong and {strong(one)[1]} perhaps ({one.units})",
            control=f"one drawn at random brings back {one.random}",
        )
        for states, chosen in parts(unet).items()
        if chosen
        for one in traced(table, chosen)
        for claim in said.claims
        if one.attribute in claim.attributes
    ]
    told = (
        "a unique causal state, the first layer's self-attention,"
        if said.unique
        else "no unique causal state"
    )
    for one in traced(table, encoders) if encoders else []:
        found = alone(one, encoders)
        made.append(
            Claim(
                text=f"{one.attribute}: there is {told} in the text encoder",
                section="4, Fig. 3",
                number=f"{_plain(encoders[found.first])}: share {interval(one.shares.iloc[found.first])} ({one.units})",
                control=f"its rival, {_plain(encoders[found.rival])}, does {found.beside} of that",
                outcome=answer(found, said),
            )
        )
    return made


def _plain(state: State) -> str:
    return called(state).replace("`", "")


def rate_words(found: Sequence[Rate]) -> str:
    """How often rules are wrong, in the worst of their worlds, as a Markdown list."""
    lines = []
    for rule in dict.fromkeys(rate.rule for rate in found):
        of_rule = [rate for rate in found if rate.rule == rule]
        worst = max(of_rule, key=lambda rate: rate.false_positive)
        lines.append(
            f"- *{rule}* ({worst.says}): said in {worst.false_positive:.1%} of {worst.worlds} worlds where {worst.null}; missed in "
            f"{worst.false_negative:.0%} where {worst.alternative} (n = {worst.n})."
        )
    return "\n".join(lines)
