"""Which layers a backward pass proposes: the best window of each size, the best set that need not be one, and what to hold against them."""

from dataclasses import dataclass

import numpy as np

from ....scores import CONTROLS
from ..layer_sets import Window, windows
from .paths import Attribution

BEGIN = 0.5  # predicted share from which on a size is drawn; 0.3 and 0.7 are no better (`benchmarks/fast.py`)
# Predicted share of the best window of the largest size, below which nothing is localised: what a window needs to control.  Smaller
# ones leave more questions open (`benchmarks/fast.py`).
UNSEEN = CONTROLS


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Layers that a backward pass names, before any picture is drawn.

    Attributes:
        layers: the proposed ones.
        predicted: their share of the change of the noise prediction, mean over the prompts that propose.
        rival: the best layers of the same number that have none in common with them (adjacent ones, if the proposal is a window).
        chance: layers of the same number drawn at random, apart from them if there are enough others.
    """

    layers: Window
    predicted: float
    rival: Window
    chance: Window


def best_window(found: Attribution, m: int) -> Window:
    """The window of m adjacent layers with the largest sum of shares."""
    every = windows(found.layers.shape[1], m)
    return every[int(np.argmax([found.mean[list(one)].sum() for one in every]))]


def best_set(found: Attribution, m: int) -> Window:
    """The m layers with the largest shares, adjacent or not."""
    return tuple(sorted(np.argsort(-found.mean, kind="stable")[:m].tolist()))


def propose(found: Attribution, m: int, *, adjacent: bool = True, seed: int = 0) -> Proposal:
    """The best m layers, adjacent ones or any, with a rival and layers drawn at random by `seed`."""
    layers, mean = found.layers.shape[1], found.mean
    best = best_window(found, m) if adjacent else best_set(found, m)
    rest = [layer for layer in range(layers) if layer not in best]
    every = windows(layers, m)
    apart = [one for one in every if not set(one) & set(best)]
    rng = np.random.default_rng(seed)
    if adjacent:
        rivals = apart or [one for one in every if one != best] or [best]
        chance = rivals[int(rng.integers(len(rivals)))]
        rival = rivals[int(np.argmax([mean[list(one)].sum() for one in rivals]))]
    else:
        order = sorted(rest, key=lambda layer: -mean[layer])
        rival = tuple(sorted(order[:m]))
        chance = tuple(sorted(rng.permutation(rest)[:m].tolist()))
    return Proposal(
        layers=best, predicted=float(mean[list(best)].sum()), rival=rival, chance=chance
    )


def sizes(found: Attribution, *, adjacent: bool = True, begin: float = BEGIN) -> list[int]:
    """The sizes to be tried: 1, 2, ... to a quarter of the layers, without the first ones whose best is predicted below `begin`."""
    every = range(1, max(1, found.layers.shape[1] // 4) + 1)
    best = [propose(found, m, adjacent=adjacent).predicted for m in every]
    return [m for m in every if max(best[:m]) >= begin]
