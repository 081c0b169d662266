"""What the pages on editing compare: LocoEdit and its controls, lambdas, windows, several values at once, other methods, models."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd

from ...drawing.sampling import Settings
from ...drawing.text import Tokens
from ...prompts import read
from ...scores import Interval, columns, mean
from .. import locogen
from ..locogen import Request, Sweep, Window, label
from . import baselines, specificity, trials
from .edits import Edit, applied
from .locoedit import LAMBDA, SPARES, locoedit
from .specificity import APART, OURS, PAPER, Make, locoedits, solved
from .trials import Trial

LAMBDAS = (1e-4, LAMBDA, 1.0, 100.0)


def controls(one: Trial, tokens: Tokens, apart: Window) -> pd.DataFrame:
    """LocoEdit at the located layers (as the paper has it, by the chosen tokens, sparing), at a random window, at all layers."""
    return one.tried({name: make(one) for name, make in locoedits(tokens, apart).items()})


def by_lambda(one: Trial, tokens: Tokens, apart: Window) -> pd.DataFrame:
    """LocoEdit against lambda, at the located layers and at a random window."""
    rows = []
    for where, layers in (
        ("located layers", one.window),
        (f"random window ({label(apart)})", apart),
    ):
        for lambda_ in LAMBDAS:
            change = one.locoedit(tokens, layers, lambda_=lambda_)
            rows.append(
                one.row(where, one.measured(change), change) | {"where": where, "lambda": lambda_}
            )
    return pd.DataFrame(rows)


def against(everywhere: pd.DataFrame, done: Sweep) -> pd.DataFrame:
    """Edits at every window beside LocoGen's share of it."""
    return everywhere.assign(
        located=done.curve.set_index("start").share.reindex(everywhere.start).to_numpy()
    )


def trained(one: Trial) -> dict[str, Edit]:
    """The baselines that are fine-tuned, which do not edit facts (App. I)."""
    if one.attribute == "fact":
        return {}
    training, settings = baselines.Training(), one.held.settings
    return {
        "Concept Ablation": baselines.concept_ablation(one.model, one.train, training, settings),
        "ESD-x": baselines.esd_x(one.model, one.train, training, settings),
    }


def methods(one: Trial, tokens: Tokens, tuned: Mapping[str, Edit]) -> dict[str, Edit]:
    """Every editing method, from the same training prompts: LocoEdit as the paper has it, by the chosen tokens, and sparing; the baselines by
    their own tokens; `tuned` are those of `trained`.
    """
    own = {
        name: make
        for name, make in locoedits(tokens, one.window).items()
        if name in (PAPER, OURS, SPARES)
    }
    return {name: make(one) for name, make in (own | solved()).items()} | dict(tuned)


def every_value(
    one: Trial, tokens: Tokens, apart: Window, tuned: Mapping[str, Edit], count: int
) -> pd.DataFrame:
    """Edited value x other values (see `specificity.matrix`) of all methods and controls; those of `tuned` edit the page's own value alone."""
    return specificity.matrix(one, locoedits(tokens, apart) | solved(), trained=tuned, count=count)


def many(
    one: Trial, tokens: Tokens, artists: Sequence[str], settings: Settings
) -> dict[str, pd.DataFrame]:
    """All artists in one solve, then the solve without one: what is removed of each artist, as share of altering the located layers.

    Returns:
        By condition a row for each artist: name, share with its interval, images.
    """
    each = {artist: trial_of(one, artist, settings) for artist in artists}
    train, images = (
        {artist: t.train for artist, t in each.items()},
        len(next(iter(each.values())).held.prompts),
    )

    def removed(without: str | None) -> dict[str, Interval]:
        edited = [
            prompt for artist, prompts in train.items() if artist != without for prompt in prompts
        ]
        change = locoedit(one.model, edited, one.window, tokens=tokens)
        return {artist: share_of(t, t.measured(change)) for artist, t in each.items()}

    every, alone = removed(None), {artist: removed(artist) for artist in artists}
    others = {
        artist: mean(np.array([found.value for name, found in left.items() if name != artist]))
        for artist, left in alone.items()
    }
    found = {
        "all edited": every,
        "he alone left out": {artist: left[artist] for artist, left in alone.items()},
        "the others then, mean": others,
    }
    return {
        what: pd.DataFrame(
            [
                {"name": artist, "images": images} | columns({"share": share})
                for artist, share in shares.items()
            ]
        )
        for what, shares in found.items()
    }


def trial_of(one: Trial, artist: str, settings: Settings, *, images: int = 6) -> Trial:
    """The same trial of another artist, on few images."""
    other = trials.trial(
        one.model,
        Request(prompts=read("style"), seeds=one.held.seeds[:1], settings=settings),
        artist,
        one.window,
        store=one.store,
    )
    return replace(other, held=replace(other.held, prompts=other.held.prompts[:images]))


def share_of(one: Trial, table: pd.DataFrame) -> Interval:
    """Effect of a table's images as share of altering the located layers."""
    row = one.row("", table)
    return Interval(value=row["share"], low=row["share_low"], high=row["share_high"])


def relocated(one: Trial, tokens: Tokens, asked: Request, artist: str) -> dict[str, Sweep]:
    """LocoGen on the edited model, for the edited artist and for another one."""
    other = next(prompt.value for prompt in asked.prompts if prompt.value != artist)
    asked = replace(asked, prompts=asked.prompts[::2])  # twice 17 layer sets: half of the prompts
    with applied(one.model, one.locoedit(tokens)) as edited:
        return {
            f"{name} ({'edited away' if name == artist else 'not edited'})": locogen.sweep(
                edited, asked.about(name), len(one.window), store=one.store
            )
            for name in (artist, other)
        }


def tried(
    one: Trial, tokens: Tokens | Literal["auto"], *, pictures: int
) -> tuple[Tokens, pd.DataFrame]:
    """(tokens, outcomes): LocoEdit at the located layers (the paper's, by the chosen tokens, sparing) and at a random window, on held-out prompts.

    Args:
        tokens: as `text.TOKENS`; "auto": the smallest edit that does it on so many of the training prompts.
        pictures: how many those are.
    """
    if tokens == "auto":
        tokens = trials.best_tokens(trials.by_tokens(one, prompts=pictures))
    return tokens, one.tried({name: make(one) for name, make in makers(one, tokens).items()})


def makers(one: Trial, tokens: Tokens) -> dict[str, Make]:
    """LocoEdit at the located layers and at a random window."""
    made = locoedits(tokens, trials.random_window(one.model.spec.layers, one.window, seed=0))
    return {name: made[name] for name in (PAPER, OURS, SPARES, APART)}


def others(one: Trial, tokens: Tokens, *, count: int) -> pd.DataFrame:
    """How often other values are still seen when the page's own one is edited (see `specificity.matrix`)."""
    return specificity.matrix(
        one,
        {},
        trained={name: make(one) for name, make in makers(one, tokens).items()},
        count=count,
    )
