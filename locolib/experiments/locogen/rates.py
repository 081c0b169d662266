"""How often LocoGen's rules are wrong, measured on simulated tables of the sizes that pages use.

Units differ in how strong an attribute is in them, and in what a window does: much where it holds a part of it, little where it
holds all or nothing, as in the miniatures' tables.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from ...claims import FAILED, HELD, Rate
from ...scores import Array, Effects, Verdict, judge, ratio, share
from . import comparing, report_outcomes
from .comparing import Beside
from .dependence import depends
from .layer_sets import Window, windows

LAYERS = 16
HELD_OUT = (3, 6, 9, 12)  # units of a half
Truth = dict[int, dict[int, float]]  # size -> start -> share; where nothing is said, 0
PLACE: Truth = {
    1: {8: 0.3, 9: 0.3},
    2: {7: 0.3, 8: 1.0, 9: 0.3},
}  # two layers, of which each alone has little


def effects(
    rng: np.random.Generator,
    shares: dict[int, float],
    m: int,
    n: int,
    *,
    full: float = 30.0,
    noise: float = 2.0,
) -> Effects:
    """A table of n units: effects of all windows of m layers, whose true shares are `shares` by their start."""
    true = np.array([shares.get(start, 0.0) for start in range(LAYERS - m + 1)])
    strength = full * np.clip(rng.normal(1, 0.35, n), 0.2, None)
    spread = 0.05 + 0.4 * np.sqrt(np.clip(4 * true * (1 - true), 0, 1))
    mine = true + rng.normal(0, 1, (n, len(true))) * spread
    return Effects(
        windows=strength[:, None] * mine + rng.normal(0, noise, (n, len(true))),
        full=strength + rng.normal(0, noise, n),
        matters=6.0,
    )


def judged(rng: np.random.Generator, truth: Truth, m: int, n: int, full: float = 30.0) -> Verdict:
    """The verdict for windows of m layers in a world of which all sizes up to a quarter of the layers were searched."""
    one, other = (effects(rng, truth.get(m, {}), m, n, full=full) for _ in range(2))
    sizes = range(1, m + 1) if m == LAYERS // 4 else ()
    every = [effects(rng, truth.get(k, {}), k, 2 * n, full=full) for k in sizes]
    return judge(one, other, m, searched=every, layers=LAYERS)


def _rate(worlds: int, seed: int, says: Callable[[np.random.Generator], bool]) -> float:
    """How often a rule says something in worlds drawn from `seed`."""
    rng = np.random.default_rng(seed)
    return float(np.mean([says(rng) for _ in range(worlds)]))


def _both(
    worlds: int,
    where_false: Callable[[np.random.Generator], bool],
    where_true: Callable[[np.random.Generator], bool],
    **told: Any,
) -> Rate:
    """A rule's two rates from what it says in a world where the claim is false, and in one where it is true."""
    return Rate(
        false_positive=_rate(worlds, 0, where_false),
        false_negative=1 - _rate(worlds, 1, where_true),
        worlds=worlds,
        **told,
    )


def _verdicts(worlds: int) -> list[Rate]:
    """Each verdict of `scores.judge`, at several sizes of the held-out half."""
    half: Truth = {2: {8: 0.5}}
    equal: Truth = {2: {3: 1.0, 8: 1.0}}
    controls: Truth = {4: {6: 0.9}}
    spread: Truth = {m: dict.fromkeys(range(LAYERS), 0.3) for m in range(1, 5)}

    def says(what: str, truth: Truth, m: int, n: int, full: float = 30.0) -> Any:
        return lambda rng: judged(rng, truth, m, n, full).verdict == what

    found = []
    for n in HELD_OUT:
        localised = says("localised", PLACE, 2, n)
        common = {
            "says": "localised",
            "n": n,
            "alternative": "one window of two layers has the whole effect",
        }
        found += [
            _both(worlds, says("localised", half, 2, n), localised, rule="a window is confirmed", null="the best window has half of the effect", **common),
            _both(worlds, says("localised", equal, 2, n), localised, rule="a window leads", null="two windows far apart have the whole effect", **common),
            _both(
                worlds, says("not localised", controls, 4, n), says("not localised", spread, 4, n),
                rule="no window controls", says="not localised", n=n,
                null="a window of four layers has 0.9 of the effect", alternative="every window has 0.3 of it",
            ),
            _both(
                worlds, says("no effect", {}, 2, n, 6.0), says("no effect", {}, 2, n, 0.0),
                rule="altering all layers changes nothing", says="no effect", n=n,
                null="it changes as much as matters (a tenth of the scorer's range)", alternative="it changes nothing",
            ),
        ]  # fmt: skip
    return found


def _searched(rng: np.random.Generator, truth: Truth, n: int) -> tuple[bool, int, int]:
    """(confirmed, m, start) of a search for the smallest size, whose halves are the same for all sizes."""
    for m in range(1, LAYERS // 4 + 1):
        one, other = (effects(rng, truth.get(m, {}), m, n) for _ in range(2))
        found = judge(one, other, m, layers=LAYERS)
        if found.verdict == "localised":
            return True, m, found.start
    return False, m, found.start


def _search(worlds: int, n: int) -> list[Rate]:
    """The search for the smallest m: several sizes are tried, so that one may pass by luck."""
    half: Truth = {m: {8: 0.5} for m in range(1, 5)}
    return [
        _both(
            worlds,
            lambda rng: _searched(rng, half, n)[0],
            lambda rng: _searched(rng, PLACE, n) == (True, 2, 8),
            rule="the smallest m is found",
            says="localised at any of m = 1 to 4",
            n=n,
            null="the best window of each size has half of the effect",
            alternative="the right window of the right size is named",
        ),
        _both(
            worlds,
            lambda rng: _searched(rng, {**PLACE, 1: {8: 0.6}}, n)[:2] == (True, 1),
            lambda rng: _searched(rng, PLACE, n)[:2] == (True, 2),
            rule="m is the fewest layers (App. G)",
            says="held: the search stops at m",
            n=n,
            null="m = 1 is claimed, which has 0.6 of the effect",
            alternative="m = 2 is claimed, which has all of it",
        ),
    ]


def _beside(
    rng: np.random.Generator, shares: dict[int, float], known: int, n: int
) -> tuple[Verdict, Beside]:
    """A verdict for windows of two layers, and the known window that begins at `known` beside it."""
    one, other = (effects(rng, shares, 2, n) for _ in range(2))
    verdict = judge(one, other, 2, layers=LAYERS)
    best, mine = other.windows[:, verdict.start], other.windows[:, known]
    lead = ratio(best - mine, other.full)
    window, found = _window(known, 2), _window(verdict.start, 2)
    return verdict, Beside(
        window=window,
        share=share(other, known),
        behind=lead,
        tied=not lead.low > 0,
        destroyed=False,
        overlap=len(set(window) & set(found)),
        nested=comparing.nested(window, found),
        chance=np.nan,
    )


def _window(start: int, m: int) -> Window:
    return tuple(range(start, start + m))


def _agreement(worlds: int, n: int) -> list[Rate]:
    """The paper's window beside the found one: agreement, and disagreement."""
    part, tie = {8: 1.0, 9: 0.4}, {8: 0.97, 9: 0.95}

    def says(
        what: str, shares: dict[int, float], known: Callable[[np.random.Generator], int]
    ) -> Any:
        def one(rng: np.random.Generator) -> bool:
            verdict, beside = _beside(rng, shares, known(rng), n)
            localised = verdict.verdict == "localised"
            return report_outcomes.agreement(localised, verdict.verdict, beside) == what

        return one

    def next_(rng: np.random.Generator) -> int:
        return 9

    def any_(rng: np.random.Generator) -> int:
        return int(rng.choice([i for i in range(LAYERS - 1) if i != 8]))

    common: dict[str, Any] = {"n": n, "says": "held: nested, or it controls too"}
    yes = says(HELD, tie, next_)
    return [
        _both(worlds, says(HELD, part, next_), yes, rule="the paper's window agrees", null="the window beside it has 0.4 of the effect", alternative="a window with one layer in common has as much: a tie", **common),
        _both(worlds, says(HELD, PLACE[2], any_), says(HELD, PLACE[2], lambda _: 8), rule="a window drawn at random agrees", null="the paper's window is any other, drawn at random", alternative="the paper's window is the right one", **common),
        _both(
            worlds, says(FAILED, tie, next_), says(FAILED, part, next_), n=n,
            rule="the paper's window fails", says="did not hold: it is shown not to control",
            null="it has as much as the found one: a tie", alternative="it has 0.4 of the effect",
        ),
    ]  # fmt: skip


def _world(
    rng: np.random.Generator, places: Sequence[int], prompts: int
) -> tuple[Array, Array, list[str]]:
    """Effects [prompts, windows] and of all layers of values that have their windows at `places`."""
    parts = [effects(rng, {p - 1: 0.3, p: 1.0, p + 1: 0.3}, 2, prompts) for p in places]
    values = [str(v) for v in range(len(places)) for _ in range(prompts)]
    full = np.concatenate([part.full for part in parts])
    return np.concatenate([part.windows for part in parts]), full, values


def _dependence(worlds: int) -> list[Rate]:
    """Whether the place depends on the value: six artists of two or four prompts, four facts of three."""
    found = []
    for values, prompts in ((6, 2), (4, 3), (6, 4)):
        same, own = [8] * values, [3, 8, 12, 8, 5, 10][:values]
        one_off = [8] * (values - 1) + [3]

        def says(what: str, places: Sequence[int], prompts: int = prompts) -> Any:
            return lambda rng: (
                report_outcomes.dependence(depends(*_world(rng, places, prompts))) == what
            )

        size: dict[str, Any] = {"n": values * prompts}
        words = f"{values} values of {prompts} prompts"
        found += [
            _both(worlds, says(HELD, same), says(HELD, own), rule=f"the place depends on the value ({words})", says="held", null="all values have one place", alternative="values have places of their own", **size),
            _both(worlds, says(FAILED, one_off), says(FAILED, same), rule=f"the place is the same for all values ({words})", says="did not hold (it does not depend)", null="one value has another place", alternative="all values have one place", **size),
        ]  # fmt: skip
    return found


def _twin(rng: np.random.Generator, place: int, n: int) -> SimpleNamespace:
    """What `report_outcomes.same_place` reads of an answer of two layers in a model with one place."""
    one, other = (
        effects(rng, {place - 1: 0.3, place: 1.0, place + 1: 0.3}, 2, n) for _ in range(2)
    )
    verdict, every = judge(one, other, 2, layers=LAYERS), windows(LAYERS, 2)

    def held_out(sets: Sequence[Window]) -> Effects:
        return replace(other, windows=other.windows[:, [every.index(w) for w in sets]], starts=())

    sweep = SimpleNamespace(
        m=2, windows=every, found=_window(verdict.start, 2), held_out=held_out, localised=verdict.verdict == "localised"
    )  # fmt: skip
    return SimpleNamespace(sweeps=(sweep,), done=sweep, at=None)


def _twins(worlds: int, n: int) -> list[Rate]:
    """Whether two models keep an attribute in the same place."""

    def says(what: str, other: Callable[[np.random.Generator], int]) -> Any:
        def one(rng: np.random.Generator) -> bool:
            twins: list[Any] = [_twin(rng, 8, n), _twin(rng, other(rng), n)]
            return report_outcomes.same_place(twins[0], twins[1]) == what

        return one

    return [
        _both(
            worlds,
            says(HELD, lambda rng: int(rng.choice([i for i in range(LAYERS - 1) if i != 8]))),
            says(HELD, lambda _: 8),
            rule="two models keep it in the same place",
            says="held: nested, or each controls in the other",
            n=n,
            null="the other model has another place, drawn at random",
            alternative="the place is the same",
        )
    ]


def rates(worlds: int = 400) -> list[Rate]:
    """The error rates of all rules of LocoGen's pages."""
    return [
        *_verdicts(worlds),
        *_search(worlds, 9),
        *_agreement(worlds, 6),
        *_agreement(worlds, 9),
        *_dependence(worlds),
        *_twins(worlds, 9),
    ]
