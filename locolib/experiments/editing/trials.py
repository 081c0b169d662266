"""What edits do to images: the same held-out prompts, seeds and scorer for every method (Figs. 8 and 57, App. F)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ... import UserError, scores
from ...drawing.sampling import Settings
from ...drawing.text import TOKENS, Tokens
from ...models import Model
from ...prompts import Prompt, Wording, about, halves, listed, reworded
from ...scores import Interval
from ...store import Store
from .. import locogen
from ..locogen import Request, Sweep, Window, by_unit, changes, label
from ..locogen.units import matters
from .edits import Edit, applied
from .locoedit import LAMBDA, locoedit

OWN: Wording = (
    "plain"  # our wording of what an edit is told, beside the paper's, which the prompts carry
)
BY_UNIT = ["effects", "hits", "strata"]  # columns of a row that hold a number for each unit
ALTERED, ALL_ALTERED = "located layers altered", "all layers altered"
RANDOM = 4  # windows whose mean is the null


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
    _plain: dict[Window, pd.DataFrame] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def attribute(self) -> str:
        return self.held.attribute

    @property
    def value(self) -> str:
        """The value that is edited."""
        return self.train[0].value

    @property
    def everywhere(self) -> Window:
        """All layers."""
        return tuple(range(self.model.spec.layers))

    def measured(self, *edits: Edit, altered: Window = ()) -> pd.DataFrame:
        """Scores of the held-out images (see `locogen.measure`) of the model under some edits, or with some layers altered."""
        if edits:
            with applied(self.model, *edits) as edited:
                return locogen.measure(edited, self.held, [altered], store=self.store)
        if altered not in self._plain:  # each row asks for the same few of them
            self._plain[altered] = locogen.measure(
                self.model, self.held, [altered], store=self.store
            )
        return self._plain[altered].copy()

    def units(self, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
        """What each unit says of an edit, or of the mean of several: effect, in points against the unedited model, and hit.

        Args:
            tables: of `measured`, one for each edit.

        Returns:
            A row for each unit (of `locogen.by_unit`): effect, how far the score moved the way in which it should; hit, the
            share of its images in which the scorer picks the target.
        """
        clean, found = self.measured(), []
        for table in tables:
            means = by_unit(pd.concat([clean, table.assign(layers="changed")]))[1]
            hits = table.groupby(list(means.index.names), sort=False).picks_target.mean()
            effect = changes(means, self.attribute)["changed"]
            found.append(pd.DataFrame({"effect": effect, "hit": hits}))
        return sum(found[1:], found[0]) / len(found)

    def row(
        self, name: str, tables: pd.DataFrame | Sequence[pd.DataFrame], change: Edit | None = None
    ) -> dict[str, Any]:
        """One line of a table of outcomes: effect in points, as shares of altering the located and all layers, and at what price.

        Args:
            tables: of `measured`; of several edits their mean, unit by unit, is told.

        Returns:
            ``points`` against the unedited model; ``share`` of altering the located layers, ``of all`` of altering all; ``target``,
            how often the scorer picks the target; ``matters``, the smallest effect that does; `BY_UNIT` [units], for paired
            differences.
        """
        seen = [tables] if isinstance(tables, pd.DataFrame) else list(tables)
        units, hits = self.units(seen), np.mean([table.picks_target for table in seen], axis=0)
        strata, effects = _strata(units), units.effect.to_numpy()
        parts = {
            "points": scores.mean(effects, strata),
            "share": self._share(effects, self.window, strata),
            "of all": self._share(effects, self.everywhere, strata),
            "target": replace(
                scores.proportion(hits, seen[0].prompt.to_numpy()), value=float(hits.mean())
            ),
        }
        cost = {name: getattr(change, name) for name in ("size", "condition", "seconds") if change}
        counted = {
            "matters": self.matters,
            "effects": tuple(effects.tolist()),
            "hits": tuple(units.hit.tolist()),
            "strata": strata,
            "unit": by_unit(seen[0])[0],
            "units": len(units),
            "images": len(seen[0]),
            "image": seen[0].image.iloc[0],
        }
        warned = {"warning": change.warning()} if change else {}
        return {"name": name} | scores.columns(parts) | cost | warned | counted

    def fewer(self) -> "Trial":
        """The same trial with half of the seeds, where many edits are compared."""
        return replace(
            self, held=replace(self.held, seeds=self.held.seeds[: -(-len(self.held.seeds) // 2)])
        )

    @property
    def matters(self) -> float:
        """The smallest effect that matters, in points: a tenth of what the scorer gives a picture for being of its own prompt."""
        return matters(self.measured())

    def locoedit(
        self,
        tokens: Tokens,
        layers: Window | None = None,
        *,
        lambda_: float = LAMBDA,
        wording: Wording | None = None,
    ) -> Edit:
        """LocoEdit from the training prompts, at the located layers or at others, told in the prompts' wording or in another."""
        return locoedit(
            self.model,
            reworded(self.train, wording) if wording else self.train,
            self.window if layers is None else layers,
            tokens=tokens,
            lambda_=lambda_,
        )

    def _share(
        self, effects: np.ndarray, altered: Window, strata: tuple[str, ...] | None
    ) -> Interval:
        reference = self.units([self.measured(altered=altered)]).effect.to_numpy()
        return scores.ratio(effects, reference, strata) if reference.mean() > 0 else scores.NOTHING

    def tried(self, named: Mapping[Any, Edit | Sequence[Edit]]) -> pd.DataFrame:
        """A row for altering the located layers, for altering all, and for each edit, or the mean of several under one name."""
        rows = [
            self.row(ALTERED, self.measured(altered=self.window)),
            self.row(ALL_ALTERED, self.measured(altered=self.everywhere)),
        ]
        for name, made in named.items():
            edits = [made] if isinstance(made, Edit) else list(made)
            rows.append(self.row(name, [self.measured(change) for change in edits], edits[0]))
        return pd.DataFrame(rows)


def _strata(units: pd.DataFrame) -> tuple[str, ...] | None:
    """Where units are images, the prompts within which they were drawn."""
    return tuple(units.index.get_level_values("prompt")) if "seed" in units.index.names else None


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
    known = listed(attribute, printed=not model.spec.bundled, edited=True)
    asked = Request(prompts=known, seeds=(locogen.SEED,), settings=settings)
    one = trial(model, asked, value, tuple(range(start, start + done.m)), store=store)
    seeds = locogen.seeds(max(1, round(pictures / len(one.held.prompts))))
    return replace(one, held=replace(one.held, prompts=one.held.prompts[:pictures], seeds=seeds))


def by_tokens(
    one: Trial,
    *,
    lambda_: float = LAMBDA,
    prompts: int | None = None,
    wording: Wording | None = None,
) -> pd.DataFrame:
    """LocoEdit at the located layers with each choice of tokens, judged on the training prompts: what an editor can see beforehand.

    Args:
        prompts: how many of them judge; None: all.
        wording: of what the edit is told; None: the prompts' own, which is the paper's.
    """
    seen = replace(one, held=replace(one.held, prompts=one.train[:prompts]))
    made: dict[str, Edit] = {}
    for tokens in TOKENS:
        made[tokens] = one.locoedit(tokens, lambda_=lambda_, wording=wording)
    return seen.tried(made)


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


def by_window(
    one: Trial, tokens: Tokens, *, lambda_: float = LAMBDA, wording: Wording | None = None
) -> pd.DataFrame:
    """LocoEdit at every window of the located one's size: does it work where LocoGen finds the attribute (cf. Hase et al. 2023)?"""
    every = locogen.windows(one.model.spec.layers, len(one.window))
    rows = []
    for window in every:
        change = one.locoedit(tokens, window, lambda_=lambda_, wording=wording)
        rows.append(one.row(label(window), one.measured(change), change))
    return pd.DataFrame(rows).assign(start=[window[0] for window in every])


def random_windows(
    layers: int, window: Window, count: int = RANDOM, *, seed: int = 0
) -> list[Window]:
    """`count` windows of the same size, or all there are, none with a layer of the located one: their mean is the null.

    (One alone may hold a part of the attribute by chance.)
    """
    apart = [w for w in locogen.windows(layers, len(window)) if not set(w) & set(window)]
    if not apart:
        raise UserError(
            f"No window of {len(window)} layers is disjoint from layers {label(window)}."
        )
    order = np.random.default_rng(seed).permutation(len(apart))[:count]
    return [apart[i] for i in sorted(order)]
