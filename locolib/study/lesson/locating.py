"""Checks on LocoGen and its null: the share, the smallest window, windows elsewhere (steps 7, 8 and 10)."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .asking import Nothing, Wrong, called, kind, numbers, parts, unless
from .bench import Bench

Window = tuple[int, ...]
THRESHOLD = 0.8


def share(bench: Bench, answer: Any) -> None:
    """Step 7: a function (effect, full, clean) -> the share of a window's effect.

    Raises:
        Wrong: what is wrong with it.
    """
    effect, full, clean = (
        np.array([9.0, 1.0, 20.0]),
        np.array([30.0, 2.0, 40.0]),
        np.array([80.0, 60.0, 70.0]),
    )
    got = numbers(called(answer, effect, full, clean), "The share")
    if got.numel() != 1:
        raise Wrong("A share for each pair is given; asked is one number for all of them.")
    found = float(got)

    def close(value: float) -> bool:
        return abs(found - value) < 1e-4

    unless(
        close(effect.mean() / full.mean()),
        [
            (
                close((effect / full).mean()),
                "This is the mean of the pairs' own ratios, in which a pair that hardly moves counts as much as any: divide means.",
            ),
            (
                close(effect.mean() / clean.mean()) or close((effect / clean).mean()),
                "This is a share of the clean score; asked is the share of what altering all layers does.",
            ),
            (
                close(full.mean() / effect.mean()),
                "It is upside down: a window that does half of what all layers do has a share of 0.5.",
            ),
            (
                close(effect.mean() / (clean.mean() - full.mean())),
                "This is a share of the altered pictures' score; asked is the share of what altering all layers does.",
            ),
            (
                close(full.mean() - effect.mean()) or close(effect.mean() - full.mean()),
                "This is a difference in points; a share is a ratio.",
            ),
        ],
        "A window that does what all layers do must have the share 1, and one that does nothing 0.",
    )


class World(NamedTuple):
    """A made-up model: the share of every window, and what LocoGen should say.

    Attributes:
        layers: how many there are.
        share: window -> its share.
        right: the window that is right.
    """

    layers: int
    share: Callable[[Window], float]
    right: Window


def _whole(window: Window, alone: float = 0.3) -> Callable[[Window], float]:
    """Shares of a model where only all layers of a window together carry the attribute."""

    def shares(asked: Window) -> float:
        inside = len(set(asked) & set(window))
        return 1.0 if inside == len(window) else alone * inside / len(window)

    return shares


def _two(asked: Window) -> float:
    """Two windows of two control the attribute, the later one more."""
    return max(0.85 * ({2, 3} <= set(asked)), 0.97 * ({7, 8} <= set(asked)))


def _spread(asked: Window) -> float:
    return len(asked) / 10


def _edge(asked: Window) -> float:
    """Exactly at the threshold."""
    return THRESHOLD if 4 in asked else 0.0


WORLDS = {
    "in the middle": World(12, _whole((5, 6)), (5, 6)),
    "last": World(12, _whole((10, 11)), (10, 11)),
    "first": World(12, _whole((0, 1, 2)), (0, 1, 2)),
    "edge": World(10, _edge, (4,)),
    "two": World(12, _two, (7, 8)),
    "spread": World(10, _spread, tuple(range(8))),
    "all": World(6, _whole(tuple(range(6))), tuple(range(6))),
}


def smallest(bench: Bench, answer: Any) -> None:
    """Step 8: a function (share_of, layers, threshold) -> the best window of the smallest size that has one above the threshold.

    Raises:
        Wrong: what is wrong with it.
    """
    for name, world in WORLDS.items():
        _world(answer, name, world)


def _world(answer: Any, name: str, world: World) -> None:
    asked: list[Window] = []

    def share_of(window: Any) -> float:
        if isinstance(window, int) or not all(isinstance(i, int | np.integer) for i in window):
            raise Wrong(f"share_of takes a window, its layers in brackets, not {kind(window)}.")
        asked.append(tuple(int(i) for i in window))
        return world.share(asked[-1])

    stopped: Wrong | None = None
    try:
        found = called(answer, share_of, world.layers, THRESHOLD)
    except Wrong as wrong:
        found, stopped = None, wrong
    _asked(asked, world.layers)
    if stopped is not None:
        ended = isinstance(stopped, Nothing) or "empty" in str(stopped)  # a best one of no windows
        said = _unfinished(asked, world.layers, name) if asked and ended else ""
        raise Wrong(said or str(stopped))
    if not isinstance(found, tuple | list | range):
        said = f"all of its layers in brackets, not {kind(found)}."
        raise Wrong(f"It must return the window itself, {said}")
    _asked([tuple(found)], world.layers)
    _best(tuple(found), asked, name, world)


def _best(window: Window, asked: Sequence[Window], name: str, world: World) -> None:
    """Refuse another window than the best one of the smallest size that has one above the threshold."""
    gap = _gap(asked, world.layers)
    said = "In a made-up model it names a window"
    unless(
        len(window) == len(world.right) and world.share(window) == world.share(world.right),
        [
            (
                world.share(window) < THRESHOLD,
                f"{said} whose share is below the threshold ({world.share(window):.2f}).",
            ),
            (
                len(window) == len(world.right),
                f"{said} that is the first above the threshold; of those of one size the best is asked for.",
            ),
            (bool(gap), gap),
            (
                name == "edge" and any(len(one) == len(world.right) for one in asked),
                "A window whose share is exactly the threshold counts as well.",
            ),
        ],
        f"{said} although a smaller one controls the attribute as well.",
    )


def _gap(asked: Sequence[Window], layers: int) -> str:
    """Which windows of a size were never asked for; "" where none is missing at either end."""
    for size in sorted(set(map(len, asked))):
        starts = [window[0] for window in asked if len(window) == size]
        if max(starts) + size < layers:
            return "It never asks for the windows that end at the last layer: how many are there of m layers?"
        if min(starts) > 0:
            return "It never asks for the windows that begin at the first layer, which is 0."
    return ""


def _unfinished(asked: Sequence[Window], layers: int, name: str) -> str:
    """Why a search ended without a window; "" where that cannot be told."""
    if gap := _gap(asked, layers):
        return gap
    if (largest := max(map(len, asked))) < layers:
        return f"It stops at windows of {largest} of {layers} layers and finds nothing: go on to all layers."
    return "A window whose share is exactly the threshold counts as well." if name == "edge" else ""


def _asked(asked: Sequence[Window], layers: int) -> None:
    """Refuse windows that are none."""
    for window in asked:
        if not window or min(window) < 0 or max(window) >= layers:
            raise Wrong(
                f"It asks for layers that a model of {layers} layers does not have: {list(window)}."
            )
        if list(window) != list(range(window[0], window[0] + len(window))):
            raise Wrong(f"It asks for layers that are not adjacent: {list(window)}.")


def null(bench: Bench, answer: Any) -> None:
    """Step 10: (a function (found, layers) -> windows elsewhere, a function (own, others) -> lead, the pairs to measure it on).

    Raises:
        Wrong: what is wrong with them.
    """
    elsewhere, lead, pairs = parts(answer, 3, "(nulls, lead, asked)")
    for found, layers in (((5, 6), 12), ((0, 1, 2), 10), ((15,), 16)):
        _elsewhere(called(elsewhere, found, layers), found, layers)
    value = float(numbers(called(lead, 0.9, [0.1, 0.4, -0.2]), "The lead"))
    unless(
        abs(value - 0.5) < 1e-6,
        [
            (
                abs(value - 0.8) < 1e-6,
                "The lead is taken over the mean of the others; the luckiest of them is the one to beat.",
            ),
            (
                abs(value - 1.1) < 1e-6,
                "The lead is taken over the worst of the others; the luckiest of them is the one to beat.",
            ),
            (
                abs(value - 0.9 / 0.4) < 1e-6,
                "This is a ratio; it is not defined where the others do nothing. Take a difference.",
            ),
            (
                abs(value + 0.5) < 1e-6,
                "The sign is wrong: a window that does more than all others has a lead above 0.",
            ),
        ],
        "The lead is the found window's share less that of the best window elsewhere.",
    )
    if not isinstance(pairs, list | tuple) or not pairs:
        raise Wrong("The pairs to measure it on are missing.")
    unless(
        list(pairs) == bench.confirming,
        [
            (
                list(pairs) == bench.choosing,
                "These pairs chose the window: it won on them partly by luck. Measure on pairs that had no part in the choice.",
            ),
            (
                any(pair in bench.choosing for pair in pairs),
                "Among the pairs are some that chose the window.",
            ),
        ],
        "Measure on all pairs of the half that had no part in the choice.",
    )


def _elsewhere(answer: Any, found: Window, layers: int) -> None:
    """Refuse windows that are no null for the found one."""
    windows = [tuple(window) for window in answer]
    if any(len(window) != len(found) for window in windows):
        raise Wrong(
            "Among the windows are some of another size: more layers do more, wherever they lie."
        )
    if any(window == found for window in windows):
        raise Wrong("The found window itself is among the windows that it is compared with.")
    if any(set(window) & set(found) for window in windows):
        raise Wrong(
            "Some windows overlap the found one: they alter a part of it, so they are no null."
        )
    _asked(windows, layers)
    if len(set(windows)) != len(windows):
        raise Wrong("Some windows are there twice.")
    every = [
        w
        for start in range(layers - len(found) + 1)
        if not set(w := tuple(range(start, start + len(found)))) & set(found)
    ]
    if len(windows) < len(every):
        raise Wrong(
            f"Of a model of {layers} layers only {len(windows)} windows are tried; there are more that share no layer with the found one."
        )
