"""How often the fast search's rules are wrong: simulated pictures of proposals, looked at in rounds as `confirming` does."""

from collections.abc import Callable, Mapping

import numpy as np

from ...claims import HELD, Rate, above, rate
from ...scores import CONTROLS, Interval, mean, ratio
from ..locogen.backward import Proposal
from .confirming import LEVEL, ROUNDS, Tried
from .report import agreement_of, fewer_of

PROMPTS = 14  # that confirm: the quick study's 18 without those that propose
# Points that altering all layers takes from a prompt, how prompts differ in it, and what else moves a score; as in the sweep of
# mini-sd-v1-5's style.
FULL, OF_PROMPTS, NOISE = 34.0, 12.0, 8.0
# Models of the benchmark, and how much a difference of two AUROCs differs between them.
MODELS, SPREAD = 12, 0.2
COUNTS = sorted({max(5, -(-PROMPTS * turn // ROUNDS)) for turn in range(1, ROUNDS + 1)})


def rates(worlds: int = 400) -> list[Rate]:
    """The error rates of "localised" and "rejected" of one proposal, and of the two claims of the page."""
    half = {"the proposal has half of the effect": 0.5, "it has all of it": 1.0}
    little = {f"the proposal has {CONTROLS:g} of the effect": CONTROLS, "it has 0.3 of it": 0.3}
    first, last = list(half.values())
    return [
        _rate(
            worlds,
            "the proposed layers are localised",
            "share at least 0.8, surely above 0.5, and a sure lead",
            half,
            lambda rng, true: _settled(rng, true).localised,
        ),
        _rate(
            worlds,
            "the proposed layers are rejected",
            "the share's interval lies below 0.8",
            little,
            lambda rng, true: _settled(rng, true).rejected,
        ),
        _rate(
            worlds,
            "the backward pass with pictures says what the sweep says",
            "both are settled, and alike",
            {
                "the proposal has half, the sweep localises others": first,
                "both are of the right layers": last,
            },
            lambda rng, true: agreement_of(_settled(rng, true).localised, true == last) == HELD,
        ),
        _rate(
            worlds,
            "no set of layers that are not adjacent is smaller than the smallest window",
            "both are localised with as many layers",
            {"the window of as many layers has half": first, "it has all": last},
            lambda rng, true: fewer_of(_settled(rng, true), _settled(rng, 1.0)) == HELD,
        ),
        rate(
            "one localiser ranks planted layers higher than another",
            "the paired difference of their AUROC over models is surely above 0",
            {"they are equally good": 0.0, "one is better by 0.15": 0.15},
            lambda rng, true: above(mean(true + SPREAD * rng.normal(size=MODELS))) == HELD,
            n=MODELS,
            worlds=worlds,
        ),
    ]


def _rate(
    worlds: int,
    rule: str,
    says: str,
    truths: Mapping[str, float],
    yes: Callable[[np.random.Generator, float], bool],
) -> Rate:
    return rate(rule, says, truths, yes, n=PROMPTS, worlds=worlds)


def _settled(rng: np.random.Generator, true: float) -> Tried:
    """A simulated proposal with a share of `true`, its rival with the rest but at most half, after as many looks as it took."""
    full = FULL + OF_PROMPTS * rng.normal(size=PROMPTS)
    own = true * full + NOISE * rng.normal(size=PROMPTS)
    rival = min(0.5, 1 - true) * full + NOISE * rng.normal(size=PROMPTS)
    for count in COUNTS:
        share, lead = (
            ratio(part[:count], full[:count], level=LEVEL) for part in (own, own - rival)
        )
        tried = _tried(share, lead, count)
        if tried.localised or tried.rejected:
            break
    return tried


def _tried(share: Interval, lead: Interval, count: int) -> Tried:
    proposal = Proposal(layers=(0,), predicted=share.value, rival=(1,), chance=(2,))
    return Tried(proposal=proposal, share=share, lead=lead, picks=1.0, prompts=count)
