"""What edits do to images: the same held-out prompts, seeds and scorer for every method (Figs. 8 and 57, Table 1, App. F and L)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import bootstrap, spearmanr

from ... import UserError, scores
from ...drawing.memory import Row
from ...drawing.sampling import Settings, generate
from ...drawing.text import TOKENS, Tokens
from ...models import Model, load_scorer
from ...prompts import Prompt, about, halves, read
from ...scores import Interval, wilson
from ...store import Store
from .. import locogen
from ..locogen import SEED, Request, Sweep, Window, by_unit, changes, label
from .edits import Edit, applied
from .locoedit import LAMBDA, locoedit


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One value of one attribute that is edited away or updated, with prompts that the edits see and prompts that they do not.

    Attributes:
        model, store: where edits are tried, and where images are kept.
        train: prompts from which edits are made.
        held: the request on which they are judged: other prompts, own seeds.
        window: the located layers.
    """

    model: Model
    store: Store
    train: tuple[Prompt, ...]
    held: Request
    window: Window

    @property
    def attribute(self) -> str:
        return self.held.attribute

    def measured(self, *edits: Edit, altered: Window = ()) -> pd.DataFrame:
        """Scores of the held-out images (see `locogen.measure`) of the model under some edits, or with some layers altered."""
        with applied(self.model, *edits) as edited:
            return locogen.measure(
                edited if edits else self.model, self.held, [altered], store=self.store
            )

    def effect(self, table: pd.DataFrame) -> np.ndarray:
        """Effect in points [units] against the unedited model: how far the score moved the way in which it should."""
        both = pd.concat([self.measured(), table.assign(layers="changed")])
        return changes(by_unit(both)[1], self.attribute)["changed"].to_numpy()

    def row(self, name: str, table: pd.DataFrame, change: Edit | None = None) -> dict[str, Any]:
        """One line of a table of outcomes: effect in points, as shares of altering the located and all layers, and at what price.

        ``share`` is of altering the located layers, ``of all`` of altering all; ``target`` says how often the scorer picks the target.
        """
        effect, hits = self.effect(table), table.picks_target
        parts = {
            "points": scores.mean(effect),
            "share": self._share(effect, self.window),
            "of all": self._share(effect, tuple(range(self.model.spec.layers))),
            "target": wilson(int(hits.sum()), len(hits)),
        }
        cost = (
            {
                "size": change.size,
                "condition": change.condition,
                "seconds": change.seconds,
                "warning": change.warning(),
            }
            if change
            else {}
        )
        counted = {
            "unit": by_unit(table)[0],
            "units": len(effect),
            "images": len(table),
            "image": table.image.iloc[0],
        }
        return {"name": name} | scores.columns(parts) | cost | counted

    def locoedit(
        self, tokens: Tokens, layers: Window | None = None, *, lambda_: float = LAMBDA
    ) -> Edit:
        """LocoEdit from the training prompts, at the located layers or at others."""
        return locoedit(
            self.model,
            self.train,
            self.window if layers is None else layers,
            tokens=tokens,
            lambda_=lambda_,
        )

    def _share(self, effect: np.ndarray, altered: Window) -> Interval:
        reference = self.effect(self.measured(altered=altered))
        return scores.ratio(effect, reference) if reference.mean() > 0 else scores.NOTHING

    def tried(self, named: Mapping[str, Edit]) -> pd.DataFrame:
        """A row for altering the located layers, for altering all, and for each edit."""
        every = tuple(range(self.model.spec.layers))
        rows = [
            self.row("located layers altered", self.measured(altered=self.window)),
            self.row("all layers altered", self.measured(altered=every)),
        ]
        return pd.DataFrame(
            [
                *rows,
                *(self.row(name, self.measured(change), change) for name, change in named.items()),
            ]
        )


def trial(model: Model, asked: Request, value: str, window: Window, *, store: Store) -> Trial:
    """A trial of one value: every other prompt about it makes the edit, the rest judge it."""
    train, held = halves(about(asked.prompts, value))
    if not held:
        raise UserError(
            f"There is only one prompt about {value!r}: none would be left to judge the edit by."
        )
    return Trial(
        model=model, store=store, train=train, held=replace(asked, prompts=held), window=window
    )


def by_tokens(one: Trial, *, lambda_: float = LAMBDA, prompts: int | None = None) -> pd.DataFrame:
    """LocoEdit at the located layers with each choice of tokens, judged on the training prompts: what an editor can see beforehand.

    Args:
        prompts: how many of them judge; None: all.
    """
    seen = replace(one, held=replace(one.held, prompts=one.train[:prompts]))
    return seen.tried({tokens: seen.locoedit(tokens, lambda_=lambda_) for tokens in TOKENS})


def best_tokens(table: pd.DataFrame, *, near: float = 0.1) -> Tokens:
    """The choice of tokens that does what altering the same layers does with the smallest change of the matrices.

    Of those whose share lies within `near` of 1 (above 1 an edit destroys), or else of the nearest one; a larger change than
    is needed costs prompts that the edit is not about.  Where altering does nothing there is nothing to choose by: the paper's.
    """
    tried = table[table.name.isin(TOKENS)].dropna(subset="share")
    if tried.empty:
        return "subject"
    off = (tried.share - 1).abs()
    good = tried[off <= max(near, off.min())]
    best: Tokens = good.name[good["size"].idxmin()]
    return best


def by_window(one: Trial, tokens: Tokens, *, lambda_: float = LAMBDA) -> pd.DataFrame:
    """LocoEdit at every window of the located one's size: does it work where LocoGen finds the attribute (cf. Hase et al. 2023)?"""
    seeds = one.held.seeds[
        : -(-len(one.held.seeds) // 2)
    ]  # there are many windows: half of the images of each
    one = replace(one, held=replace(one.held, seeds=seeds))
    every = locogen.windows(one.model.spec.layers, len(one.window))
    edits = {label(window): one.locoedit(tokens, window, lambda_=lambda_) for window in every}
    rows = [one.row(name, one.measured(change), change) for name, change in edits.items()]
    return pd.DataFrame(rows).assign(start=[window[0] for window in every])


def random_window(layers: int, window: Window, seed: int) -> Window:
    """A window of the same size without a layer in common, drawn from `seed`: the control."""
    apart = [w for w in locogen.windows(layers, len(window)) if not set(w) & set(window)]
    if not apart:
        raise UserError(
            f"No window of {len(window)} layers is disjoint from layers {label(window)}."
        )
    return apart[int(np.random.default_rng(seed).integers(len(apart)))]


def rank_correlation(x: np.ndarray, y: np.ndarray, *, seed: int = 0) -> Interval:
    """Spearman's rank correlation of two columns [n], with a 95% percentile interval of a bootstrap over the n pairs."""
    found = bootstrap(
        (x, y),
        lambda a, b: spearmanr(a, b).statistic,
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=1000,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(
        value=float(spearmanr(x, y).statistic), low=float(found.low), high=float(found.high)
    )


def generic(
    model: Model,
    texts: Sequence[str],
    changes: Mapping[str, Edit],
    settings: Settings,
    *,
    store: Store,
) -> pd.DataFrame:
    """App. L: CLIP-Score of generic prompts, which no edit is about, before and after edits, with the paired difference.

    Returns:
        A row for the model as it is and one for each edit: name, score, difference, moved (mean absolute change of a pixel's
        channel, of 255 levels; each with _low, _high), prompts.
    """
    scorer, rows = (
        load_scorer(model.spec.scorer),
        [Row(prompt=text, seed=SEED * i) for i, text in enumerate(texts)],
    )
    wanted, plain = (
        scorer.texts(list(texts)),
        generate(model, rows, settings, store=store, label="generic prompts, no edit"),
    )
    found, levels = (
        {"no edit": scores.clip_score(scorer.images(plain), wanted)},
        {"no edit": np.zeros(len(texts))},
    )
    for name, change in changes.items():
        with applied(model, change) as edited:
            images = generate(edited, rows, settings, store=store, label=f"generic prompts, {name}")
        found[name] = scores.clip_score(scorer.images(images), wanted)
        levels[name] = np.abs(images.astype(float) - plain).mean((1, 2, 3))
    return pd.DataFrame(
        [
            {"name": name}
            | scores.columns(
                {
                    "score": scores.mean(value),
                    "difference": scores.mean(value - found["no edit"]),
                    "moved": scores.mean(levels[name]),
                }
            )
            | {"prompts": len(texts), "images": len(texts)}
            for name, value in found.items()
        ]
    )


def trial_at(
    model: Model,
    attribute: str,
    value: str,
    done: Sweep,
    settings: Settings,
    pictures: int,
    *,
    store: Store,
) -> Trial:
    """The trial of one value at the window that a sweep names, with seeds enough for about `pictures` held-out images."""
    start = done.verdict.start
    asked = Request(prompts=read(attribute), seeds=(locogen.SEED,), settings=settings)
    one = trial(model, asked, value, tuple(range(start, start + done.m)), store=store)
    seeds = locogen.seeds(max(1, round(pictures / len(one.held.prompts))))
    return replace(one, held=replace(one.held, prompts=one.held.prompts[:pictures], seeds=seeds))
