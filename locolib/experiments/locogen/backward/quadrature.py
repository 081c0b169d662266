"""Integrals of gradients along a path whose function may leap: points are put where it rises, until the sum is known to be right.

Along the path from clean to altered text a model often does nothing for a long way and then everything at once.  The integral
of each piece must equal the rise of the function over it, which is known; so every piece has its own error, and only those that
err are cut again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

STEEP = 0.5  # a piece over which the function rises by more is cut before gradients are asked for
FLAT = 0.05  # a piece over which it rises by less gets one point
THIN = 1 / 256  # no piece is cut below this width
ROUNDS = 4  # of cutting the pieces that err

Point = tuple[int, float]
"""(prompt, place on its path from 0 to 1)"""
Evaluate = Callable[[Sequence[Point], bool], tuple[Tensor, Tensor | None]]
"""(points, whether to go backward) to the function [points] and the gradients' parts [points, parts], or None."""


@dataclass
class Piece:
    """A piece of one prompt's path: its ends, the function there, and what was found on it.

    Attributes:
        prompt, low, high, before, after: whose it is, its ends, the function's values there.
        parts: [parts], the integral over the piece; None before `_solve`.
        middle: the function at its middle, where it was seen.
    """

    prompt: int
    low: float
    high: float
    before: float
    after: float
    parts: Tensor | None = None
    middle: float | None = None

    @property
    def rise(self) -> float:
        return self.after - self.before

    @property
    def error(self) -> float:
        """The sum of its parts minus the rise."""
        assert self.parts is not None
        return float(self.parts.sum()) - self.rise

    def cut(self, value: float) -> list["Piece"]:
        """Its two halves; `value` is the function between them."""
        middle = (self.low + self.high) / 2
        return [
            Piece(self.prompt, self.low, middle, self.before, value),
            Piece(self.prompt, middle, self.high, value, self.after),
        ]


def integrate(evaluate: Evaluate, prompts: int, gap: float) -> tuple[Tensor, int]:
    """Integrals over [0, 1] of gradients' parts, for a function that is 0 at 0 and 1 at 1 on the path of each prompt.

    Args:
        evaluate: see `Evaluate`.
        gap: the largest error of a prompt's sum that is accepted, as far as ROUNDS allow.

    Returns:
        The parts [prompts, parts], float64, and how many points went backward.
    """
    pieces = [Piece(i, 0.0, 1.0, 0.0, 1.0) for i in range(prompts)]
    points = _solve(evaluate, pieces, 3)
    poor = [piece for piece in pieces if abs(piece.error) > gap]
    if poor:
        good = [piece for piece in pieces if abs(piece.error) <= gap]
        fresh = _flattened(evaluate, poor)
        points += _solve(evaluate, fresh)
        pieces = good + fresh
    for _ in range(ROUNDS):
        wrong = _wrong(pieces, gap)
        if not wrong:
            break
        kept = [piece for piece in pieces if not any(piece is one for one in wrong)]
        fresh = _halved(evaluate, wrong)
        points += _solve(evaluate, fresh, 3)
        pieces = kept + fresh
    found = [
        torch.stack([p.parts for p in pieces if p.prompt == i and p.parts is not None]).sum(0)
        for i in range(prompts)
    ]
    return torch.stack(found), points


def _wrong(pieces: Sequence[Piece], gap: float) -> list[Piece]:
    """The pieces to be cut: of prompts whose errors add up to more than `gap`, those that err most."""
    found = []
    for prompt in dict.fromkeys(piece.prompt for piece in pieces):
        own = [piece for piece in pieces if piece.prompt == prompt]
        if abs(sum(piece.error for piece in own)) > gap:
            worst = max(abs(piece.error) for piece in own)
            found += [p for p in own if abs(p.error) >= worst / 2 and p.high - p.low > THIN]
    return found


def _halved(evaluate: Evaluate, pieces: Sequence[Piece]) -> list[Piece]:
    """Both halves of each piece, by the values at their middles: those not seen before are asked for."""
    unseen = [piece for piece in pieces if piece.middle is None]
    if unseen:
        values, _ = evaluate([(p.prompt, (p.low + p.high) / 2) for p in unseen], False)
        for piece, value in zip(unseen, values.tolist()):
            piece.middle = value
    return [half for piece in pieces for half in piece.cut(float(piece.middle or 0.0))]


def _flattened(evaluate: Evaluate, pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces cut, without gradients, until the function rises by no more than STEEP over each, or they are THIN."""
    done, todo = [], list(pieces)
    while todo:
        steep = [p for p in todo if abs(p.rise) > STEEP and p.high - p.low > THIN]
        done += [p for p in todo if not any(p is one for one in steep)]
        todo = _halved(evaluate, steep)
    return done


def _solve(evaluate: Evaluate, pieces: Sequence[Piece], order: int = 0) -> int:
    """Gauss and Legendre's rule on each piece, of 1 point where the function is flat, else 3; returns the points used."""
    orders = [order or (1 if abs(piece.rise) < FLAT else 3) for piece in pieces]
    rules = {count: np.polynomial.legendre.leggauss(count) for count in set(orders)}
    plan = [
        (
            i,
            piece.low + (piece.high - piece.low) * (1 + node) / 2,
            (piece.high - piece.low) * weight / 2,
        )
        for i, (piece, count) in enumerate(zip(pieces, orders))
        for node, weight in zip(*rules[count])
    ]
    values, parts = evaluate([(pieces[i].prompt, place) for i, place, _ in plan], True)
    assert parts is not None
    weights = torch.tensor([weight for _, _, weight in plan], dtype=torch.float64)
    into = torch.tensor([i for i, _, _ in plan])
    sums = torch.zeros(len(pieces), parts.shape[1], dtype=torch.float64)
    sums.index_add_(0, into, parts * weights[:, None])
    for i, piece in enumerate(pieces):
        piece.parts = sums[i]
        at = (into == i).nonzero().flatten()
        piece.middle = float(values[at[len(at) // 2]])  # an odd rule has a node there
    return len(plan)
