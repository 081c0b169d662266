"""How often the rules of `judging` are wrong, on simulated tables of the sizes that pages use.

A simulated state brings a prompt's picture back or does not, as states of the miniatures do: "half the time" is with a
probability of a half for each prompt.  Such shares are harder on Student's t than normal ones.  Prompts differ in what they
lose, and the states of a prompt go together (0, 0.4 and 0.8 are the correlations behind them); the worst of the three is told.
What no rule can see with few prompts is not simulated: a rare prompt whose picture every state would bring back.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from ...claims import Rate
from . import judging
from .judging import Answer, Array

SIZES = (6, 9, 12, 24)  # units
UNET, TEXT = 24, 12  # states of a UNet that are judged together, and of a text encoder
TOGETHER = (0.0, 0.4, 0.8)
LOST, NOISE = 40.0, 1.0  # points that a corruption takes away, and of which scores are uncertain
TIMES = 8  # tables of other attributes that are drawn for all the worlds of a case

Rule = Callable[[Array, Array, Array], Answer]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A rule's answer in a world where it is wrong, and in one where it is right.

    Attributes:
        rule, says: its name, and when it answers so.
        judge: the rule, and which of its two answers this is (0: it is so; 1: it is not so).
        null, alternative: how often each state brings a picture back, and the same in words.
    """

    rule: str
    says: str
    judge: tuple[Rule, int]
    null: tuple[Array, str]
    alternative: tuple[Array, str]


def drawn(
    rng: np.random.Generator, tables: int, units: int, often: Array, together: float
) -> tuple[Array, Array]:
    """What states bring back [tables, units, states] and what was lost [tables, units], in points."""
    lost = LOST * np.exp(0.3 * rng.standard_normal((tables, units)))
    of_prompt, of_state = (rng.standard_normal((tables, units, k)) for k in (1, len(often)))
    pull = np.sqrt(together) * of_prompt + np.sqrt(1 - together) * of_state
    back = (pull < ndtri(often)) * lost[..., None]
    return back + NOISE * rng.standard_normal(back.shape), lost


def _rate(case: Case, often: Array, units: int, together: float, worlds: int) -> float:
    """How often the case's answer is given where states bring pictures back so `often`."""
    rng, (rule, which) = np.random.default_rng([units, int(10 * together)]), case.judge
    given = []
    for _ in range(TIMES):
        elsewhere = drawn(rng, 1, 2 * units, often, together)[0][0]
        tables = drawn(rng, -(-worlds // TIMES), units, often, together)
        given.append(rule(*tables, elsewhere)[which])
    return float(np.mean(given))


def rates(
    worlds: int = 400, sizes: tuple[int, ...] = SIZES, unet: int = UNET, text: int = TEXT
) -> list[Rate]:
    """The error rates of every rule, for tables of so many units and of so many states of a UNet and of a text encoder."""
    found, right = [], {}
    for case in [*_of_unet(unet), *_of_strong(unet), *_of_text(text)]:
        for n in sizes:
            wrong = max(_rate(case, case.null[0], n, r, worlds) for r in TOGETHER)
            key = case.rule, n
            if key not in right:
                right[key] = min(_rate(case, case.alternative[0], n, r, worlds) for r in TOGETHER)
            found.append(
                Rate(
                    rule=case.rule,
                    says=case.says,
                    null=case.null[1],
                    alternative=case.alternative[1],
                    n=n,
                    false_positive=wrong,
                    false_negative=1 - right[key],
                    worlds=worlds,
                )
            )
    return found


def _some(states: int, *often: float) -> Array:
    """States of which the first bring pictures back so often, the others never."""
    return np.array([*often, *[0.0] * (states - len(often))])[:states]


def _here(rule: Callable[[Array, Array], Answer]) -> Rule:
    """A rule that reads no other attribute's table."""
    return lambda back, full, _elsewhere: rule(back, full)


def _of_unet(states: int) -> list[Case]:
    few = -(-states // 6)
    tenth = (
        _some(states, *[states / 10 / few] * few),
        f"a sixth of {states} states does so often that a tenth is causal",
    )
    half = np.full(states, 0.5), f"each of {states} states does every second time"
    one = _some(states, 0.9), f"one state of {states} does nine times of ten"
    third = (
        _some(states, *[0.6] * (states // 3)),
        f"a third of {states} states does six times of ten",
    )
    dense, sparse, spread = (_here(r) for r in (judging.dense, judging.sparse, judging.spread_out))
    return [
        Case(
            rule="densely distributed",
            says="more than half of the states are causal for a prompt, the interval above 0.5",
            judge=(dense, 0),
            null=half,
            alternative=(np.full(states, 0.8), f"each of {states} states does eight times of ten"),
        ),
        Case(
            rule="not densely distributed",
            says="fewer than half of the states are causal for a prompt, the interval below 0.5",
            judge=(dense, 1),
            null=half,
            alternative=third,
        ),
        Case(
            rule="extremely sparse",
            says="between a hundredth and a tenth of the states are causal for a prompt, the whole interval",
            judge=(sparse, 0),
            null=tenth,
            alternative=one,
        ),
        Case(
            rule="extremely sparse",
            says="between a hundredth and a tenth of the states are causal for a prompt, the whole interval",
            judge=(sparse, 0),
            null=(_some(states), f"none of {states} states does anything"),
            alternative=one,
        ),
        Case(
            rule="not extremely sparse, but distributed (Fig. 12)",
            says="more than a tenth of the states are causal for a prompt, the one-sided 98.75% interval above 0.1",
            judge=(spread, 0),
            null=tenth,
            alternative=third,
        ),
    ]


def _of_strong(states: int) -> list[Case]:
    return [
        Case(
            rule="no strong state",
            says="of every state one is sure that it brings back less than half of what was lost",
            judge=(judging.none_strong, 0),
            null=(_some(states, 0.5), f"one state of {states} does every second time"),
            alternative=(_some(states, 0.05), f"one state of {states} does one time of twenty"),
        ),
        Case(
            rule="a strong state",
            says="of the best state of the other attributes one is sure that it brings back more than half",
            judge=(judging.none_strong, 1),
            null=(np.full(states, 0.5), f"each of {states} states does every second time"),
            alternative=(_some(states, 0.9), f"one state of {states} does nine times of ten"),
        ),
    ]


def _of_text(states: int) -> list[Case]:
    def unique(back: Array, full: Array, elsewhere: Array) -> Answer:
        return judging.alone(back, full, 0, elsewhere)

    rival = (
        _some(states, 0.9, 0.45),
        f"of {states} states one does half as often as the best, nine times of ten",
    )
    alone = _some(states, 0.95), f"one of {states} states does, nineteen times of twenty"
    two = _some(states, 0.9, 0.9), f"two of {states} states do, nine times of ten"
    ratios = [
        (
            np.r_[1.0, np.full(states - 1, part)],
            f"of {states} states one always does, all others {part:.0%} of the time",
        )
        for part in (0.2, 0.3, 0.4)
    ]
    return [
        Case(
            rule="a unique causal state",
            says="the first layer's self-attention surely brings back more than half, every other state less than half of that",
            judge=(unique, 0),
            null=rival,
            alternative=alone,
        ),
        *(
            Case(
                rule="not the unique causal state",
                says="the first layer's self-attention is surely not strong, or its rival, chosen on other attributes, does more than half of it",
                judge=(unique, 1),
                null=ratio,
                alternative=two,
            )
            for ratio in ratios
        ),
        *(
            Case(
                rule="no unique causal state",
                says="of every state one is sure that it is not strong, or has a rival, chosen on other attributes",
                judge=(judging.none_alone, 0),
                null=ratio,
                alternative=two,
            )
            for ratio in ratios
        ),
        Case(
            rule="some unique causal state",
            says="the best state of the other attributes surely brings back more than half, every other state less than half of that",
            judge=(judging.none_alone, 1),
            null=rival,
            alternative=alone,
        ),
    ]
