"""Does the place depend on the prompt?  (Section 5.2, Figs. 7 and 40: in DeepFloyd it does, in the other models not.)

What differs between two prompts may differ between any two, or between values of the attribute: between van Gogh and Monet.
Only the second is a place that depends on what is asked, so values are compared with what prompts of one value differ by.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb

import numpy as np
from scipy.stats import t as student

from ...scores import CERTIFIED, Array
from .layer_sets import label
from .searching import Sweep
from .units import changes

EXACT = 2000  # labellings up to which all are tried; else that many are drawn
LEVEL = 0.05
NOTHING = 0.1  # of the mean effect of all layers: a value whose own is less has no share


@dataclass(frozen=True, kw_only=True)
class Dependence:
    """Whether an attribute's place depends on its value.

    Attributes:
        between: part of the variance of the prompts' maps that lies between values, corrected for chance (omega squared).
        p: of the permutation test: labellings of the prompts that put at least as much between values.
        values, prompts: how many were compared.
        least: the value whose prompts have the smallest share at the window that the other values' prompts choose.
        share, low: that share, and its lower bound (one-sided 97.5%, of the spread within all values).
        own: share of all prompts at the window that the other prompts of the same value choose.
        by: whose maps were compared: those of pictures, or of backward passes.
    """

    between: float
    p: float
    values: int
    prompts: int
    least: str
    share: float
    low: float
    own: float
    by: str = "pictures"

    @property
    def same(self) -> bool:
        """Whether one place serves all: for every value the window that the other values choose surely has more than half of the effect."""
        return self.low > CERTIFIED

    @property
    def apart(self) -> bool:
        """Whether values have places of their own: some value has less than half of the effect at the others' window, the prompts
        of one value find windows that have more, and values differ more than the prompts of one value do (p at most LEVEL).
        """
        return self.share < CERTIFIED < self.own and self.p <= LEVEL

    def __str__(self) -> str:
        low = f"at least {self.low:.2f}" if np.isfinite(self.low) else "no lower bound"
        low = "n too small" if np.isnan(self.low) else low
        told = (
            "not testable"
            if np.isnan(self.p)
            else f"{self.between:.2f} of the variance lies between values, p = {self.p:.3f}"
        )
        if self.by != "pictures":
            told = f"by {self.by}, {told}"
        own = (
            ""
            if np.isnan(self.own)
            else f"; at the window of the same value's other prompts the share is {self.own:.2f}"
        )
        if not np.isfinite(self.share):
            return f"{told}; altering all layers does nothing, so that no share is defined"
        return f"{told}{own}; at the window that the other values choose, {self.least} has a share of {self.share:.2f} ({low})"


def depends(effects: Array, full: Array, values: Sequence[str], *, seed: int = 0) -> Dependence:
    """Whether the place depends on the value, from effects [prompts, windows] and of all layers [prompts].

    A prompt's map is its row of effects scaled to length 1, so that it is where and not how strongly that is compared.
    """
    labels = np.asarray(values)
    known, codes = np.unique(labels, return_inverse=True)
    length = np.linalg.norm(effects, axis=1, keepdims=True)
    maps = effects / np.where(length > 0, length, 1)
    between, p = permuted(maps, codes, seed=seed)
    shares, lows = _elsewhere(effects, full, codes)
    least = int(np.argmin(np.where(np.isnan(shares), np.inf, shares)))
    return Dependence(
        between=between,
        p=p,
        values=len(known),
        prompts=len(labels),
        least=str(known[least]),
        share=float(shares[least]),
        low=float(lows.min()),
        own=_own(effects, full, codes),
    )


def _own(effects: Array, full: Array, codes: Array) -> float:
    """Share of the prompts at the window that the others of their value choose; NaN where no value has two prompts."""
    pairs = [
        (i, np.flatnonzero((codes == v) & (np.arange(len(codes)) != i)))
        for i, v in enumerate(codes)
    ]
    found = [
        (effects[i, effects[rest].mean(0).argmax()], full[i]) for i, rest in pairs if len(rest)
    ]
    whole = sum(all_layers for _, all_layers in found)
    return float(sum(mine for mine, _ in found) / whole) if found and whole > 0 else np.nan


def permuted(maps: Array, codes: Array, *, seed: int = 0) -> tuple[float, float]:
    """(omega squared, p) of the between-value part of the variance of rows [prompts, windows] (PERMANOVA, Anderson 2001).

    NaN where there are no two values, or no value has two prompts.
    """
    sizes = np.bincount(codes)
    n, k = len(codes), len(sizes)
    if k < 2 or n == k:
        return np.nan, np.nan
    centred = maps - maps.mean(0)
    total = float((centred**2).sum())
    gram = centred @ centred.T

    def explained(some: Array) -> Array:
        """Between-value sums of squares of labellings [labellings, prompts]."""
        found = np.zeros(len(some))
        for value, size in enumerate(sizes):
            of = (some == value).astype(float)
            found += np.einsum("ln,nm,lm->l", of, gram, of, optimize=True) / size
        return found

    own = float(explained(codes[None])[0])
    every = _labellings(codes, seed)
    p = float((explained(every) >= own - 1e-9 * total).mean()) if total > 0 else 1.0
    within = (total - own) / (n - k)
    omega = (own - (k - 1) * within) / (total + within) if total > 0 else 0.0
    return omega, p


def _labellings(codes: Array, seed: int) -> Array:
    """All ways to label the prompts with as many of each value [labellings, prompts], or EXACT drawn ones and the true one."""
    left, count = len(codes), 1
    for size in Counter(codes.tolist()).values():
        count *= comb(left, size)
        left -= size
    if count <= EXACT:
        sizes = np.bincount(codes)
        return np.array(list(_all(tuple(range(len(codes))), list(enumerate(sizes)), len(codes))))
    rng = np.random.default_rng(seed)
    return np.concatenate([codes[None], rng.permuted(np.tile(codes, (EXACT, 1)), axis=1)])


def _all(free: tuple[int, ...], sizes: list[tuple[int, int]], n: int) -> Iterator[Array]:
    """Every labelling of the prompts that are `free`, the others 0."""
    if not sizes:
        yield np.zeros(n, int)
        return
    (value, size), rest = sizes[0], sizes[1:]
    for chosen in combinations(free, size):
        for made in _all(tuple(i for i in free if i not in chosen), rest, n):
            made[list(chosen)] = value
            yield made


def _elsewhere(effects: Array, full: Array, codes: Array) -> tuple[Array, Array]:
    """For each value its share at the window that the other values' prompts choose, and a lower bound: ([values], [values]).

    The bound asks of which share x the mean of (effect - x effect of all layers) is surely above 0; the spread is that of
    prompts within their values, taken as equally wide in all.  NaN where no value has two prompts; a value for which altering
    all layers does nothing has no share and no bound.
    """
    sizes = np.bincount(codes)
    degrees = len(codes) - len(sizes)
    chosen = [int(effects[codes != v].mean(0).argmax()) for v in range(len(sizes))]
    mine = np.array([effects[i, chosen[v]] for i, v in enumerate(codes)])
    mean, whole = np.bincount(codes, mine) / sizes, np.bincount(codes, full) / sizes
    moved = whole > max(0.0, NOTHING * full.mean())
    shares = mean / np.where(moved, whole, np.nan)
    if degrees < 1:
        return shares, np.full(len(sizes), np.nan)
    grid = np.linspace(-1, 1.5, 251)
    off = (mine - mean[codes])[:, None] - grid * (full - whole[codes])[:, None]
    spread = np.sqrt((off**2).sum(0) / degrees)  # [grid]
    sure = (mean[:, None] - grid * whole[:, None]) > (
        student.ppf(0.975, degrees) * spread / np.sqrt(sizes)[:, None]
    )
    first = np.where(sure.all(1), len(grid), (~sure).argmax(1))
    return shares, np.where((first > 0) & moved, grid[np.maximum(first - 1, 0)], -np.inf)


def by_value_of(done: Sweep) -> Dependence:
    """Whether the place depends on the value of the attribute, from the maps of a sweep's prompts.

    Where backward passes named the windows, the maps are theirs, of all windows.
    """
    if done.proposed:
        maps = done.proposed.of_windows(done.m)
        whole = done.proposed.shares.sum(1)
        values = [prompt.value for prompt in done.proposed.prompts]
        return replace(depends(maps, whole, values), by="backward passes")
    mean = done.table.groupby(["prompt", "layers"], sort=False).score.mean().unstack("layers")
    change = changes(mean, done.attribute)
    value = done.table.groupby("prompt", sort=False).value.first()[change.index]
    return depends(
        change[[label(w) for w in done.windows]].to_numpy(),
        change[label(tuple(range(done.layers)))].to_numpy(),
        value.tolist(),
    )
