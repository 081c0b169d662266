"""Checks on altered layers: guidance, who reads what, the effect on a picture (steps 4 to 6)."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .asking import Wrong, alike, called, kind, numbers, parts, unless
from .bench import Bench, Pair, Told

WITHIN = (
    0.3  # points: pictures of another batch differ by a level, and their scores by less than this
)


def guided(plain: Tensor, told: Tensor, s: float) -> Tensor:
    """Classifier-free guidance, as the library has it."""
    return plain + s * (told - plain)


def guidance(bench: Bench, answer: Any) -> None:
    """Step 4: a function (plain, told, s) -> prediction.

    Raises:
        Wrong: what is wrong with it.
    """
    plain, told = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    s, right = 3.0, guided(plain, told, 3.0)
    found = numbers(called(answer, plain, told, s), "What it returns")
    unless(
        alike(found, right),
        [
            (
                found.shape != right.shape,
                f"It returns the shape {list(found.shape)}; both predictions have {list(plain.shape)}.",
            ),
            (
                alike(found, told + s * (told - plain)),
                "It goes on from the told prediction, so that s = 1 is not the prompt alone: count from the plain one.",
            ),
            (
                alike(found, plain + s * (plain - told)),
                "It goes away from the prompt: the sign of the difference is wrong.",
            ),
            (alike(found, told + s * (plain - told)), "The two branches have changed places."),
            (
                alike(found, plain + s * told),
                "It adds the told prediction and not its difference from the plain one.",
            ),
            (alike(found, told), "It leaves the plain prediction out."),
        ],
        "With s = 1 it must give the told prediction, and each further s once more the step from the plain one to it.",
    )


def texts(bench: Bench, answer: Any) -> None:
    """Step 5: a function (original, target, window, layers) -> the prompts of both branches, one for each layer.

    Raises:
        Wrong: what is wrong with it.
    """
    for window in ((3, 4), (14, 15), (0,), ()):
        branches = parts(called(answer, "one", "other", window, bench.layers), 2, "(plain, told)")
        for branch in branches:
            if isinstance(branch, str) or not hasattr(branch, "__len__"):
                raise Wrong(
                    f"Each branch is a list of prompts, one for each layer, not {kind(branch)}."
                )
            if len(branch) != bench.layers:
                raise Wrong(f"A branch has {len(branch)} prompts for {bench.layers} layers.")
        _branches(list(branches[0]), list(branches[1]), window, bench.layers)


def _branches(plain: list[str], told: list[str], window: Sequence[int], layers: int) -> None:
    """Refuse wrong prompts of the two branches."""
    unless(
        not any(plain),
        [
            (
                "other" in plain and "one" not in plain,
                "The plain branch reads the target where the window is: only the told branch is altered.",
            ),
            (
                "other" in plain,
                "The plain branch is altered too: it reads the empty prompt in all layers.",
            ),
        ],
        "The plain branch reads a prompt: guidance needs one that was told nothing.",
    )
    altered, asked = {i for i, text in enumerate(told) if text == "other"}, set(window)
    unless(
        altered == asked,
        [
            (
                altered == set(range(layers)) - asked,
                "It is the other way round: all layers but the window's read the target.",
            ),
            (not altered, "No layer reads the target."),
            (bool(asked) and altered == asked - {max(asked)}, "The window lacks its last layer."),
            (
                bool(asked) and altered == asked | {max(asked) + 1},
                "The window has a layer too many at its end.",
            ),
            (
                bool(asked)
                and altered
                in (
                    {i + 1 for i in asked},
                    {i - 1 for i in asked},
                    {i + 1 for i in asked} - {layers},
                    {i - 1 for i in asked} - {-1},
                ),
                "The window is off by one: layers are counted from 0.",
            ),
        ],
        f"For a window of {len(asked)} layers, {len(altered)} read the target, and not those of the window.",
    )
    if set(told) - {"one", "other"}:
        raise Wrong("Some layers of the told branch read neither the original nor the target.")


def effects(bench: Bench, answer: Any) -> None:
    """Step 6: a function (pairs, window) -> effects [pairs], in points.

    Raises:
        Wrong: what is wrong with it.
    """
    pairs, every = bench.choosing[:2], tuple(range(bench.layers))
    still = numbers(called(answer, pairs, ()), "The effects")
    if still.shape != (len(pairs),):
        raise Wrong(
            f"Asked is one effect for each of {len(pairs)} pairs, not the shape {list(still.shape)}."
        )
    found = numbers(called(answer, pairs, every), "The effects").numpy()
    before, after = (_scores(bench, pairs, window) for window in ((), every))
    right = before["original"] - after["original"]
    if not alike(still, np.zeros(len(pairs)), WITHIN):
        unless(
            False,
            [
                (
                    alike(still, before["original"], WITHIN)
                    or alike(still, before["target"], WITHIN),
                    "With no layer altered it gives a score; an effect is a difference of two.",
                ),
                (
                    alike(still, before["original"] - before["target"], WITHIN),
                    "The two pictures are scored with two different texts.",
                ),
            ],
            "With no layer altered there must be no effect: do both pictures begin from the same noise, the pair's seed?",
        )
    unless(
        alike(found, right, WITHIN),
        [
            (
                alike(found, -right, WITHIN),
                "The sign is wrong: an effect counts how many points the altered picture has lost.",
            ),
            (
                alike(found, before["target"] - after["target"], WITHIN)
                or alike(found, after["target"] - before["target"], WITHIN),
                "The pictures are scored with the target; the attribute stands in the original prompt.",
            ),
            (
                alike(found, np.zeros(len(pairs)), WITHIN),
                "It gives no effect whatever the window is: is the window passed on?",
            ),
        ],
        "With no layer altered it is right, with all layers altered it is not: who reads what in the second picture?",
    )


def _scores(bench: Bench, pairs: Sequence[Pair], window: Collection[int]) -> dict[str, np.ndarray]:
    """Scores [pairs] of pictures with the window's layers altered, with either prompt."""
    told = [_told(pair, window, bench.layers) for pair in pairs]
    images = bench.draw(told, [pair.seed for pair in pairs], guided)
    return {
        name: bench.score(images, [getattr(pair, name) for pair in pairs])
        for name in ("original", "target")
    }


def _told(pair: Pair, window: Collection[int], layers: int) -> Told:
    return [""] * layers, [pair.target if i in window else pair.original for i in range(layers)]
