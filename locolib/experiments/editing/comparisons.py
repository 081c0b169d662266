"""What the pages on editing compare: LocoEdit and its controls, lambdas, windows, several values at once, other methods, models."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import pandas as pd

from ...drawing.sampling import Settings
from ...drawing.text import Tokens
from ...prompts import Prompt, reworded
from ...scores import columns, interval
from .. import locogen
from ..locogen import Request, Sweep
from . import fine_tuning, specificity, trials
from .edits import Edit, applied
from .locoedit import LAMBDA, SPARES, locoedit
from .specificity import (
    APART,
    DIFFQUICKFIX,
    EVERY,
    PAPER,
    Make,
    asked_values,
    locoedits,
    of_value,
    solved,
)
from .trials import OWN, Trial, random_windows

LAMBDAS = (1e-4, LAMBDA, 1.0, 100.0)


def _made(one: Trial, makers: Mapping[str, Make]) -> dict[str, Edit]:
    return {name: make(one) for name, make in makers.items()}


def apart(one: Trial) -> list[Edit]:
    """The paper's edit at several random windows, none with a layer of the located one: their mean is the null."""
    windows = random_windows(one.model.spec.layers, one.window)
    return [one.locoedit("subject", window) for window in windows]


def controls(one: Trial, tokens: Tokens) -> pd.DataFrame:
    """LocoEdit at the located layers (as the paper has it, ours, sparing); the paper's at random windows and at all layers."""
    everywhere = one.locoedit("subject", one.everywhere)
    return one.tried(_made(one, locoedits(tokens)) | {APART: apart(one), EVERY: everywhere})


def by_lambda(one: Trial) -> pd.DataFrame:
    """The paper's edit against lambda (App. H), at the located layers."""
    rows = []
    for lambda_ in LAMBDAS:
        change = one.locoedit("subject", lambda_=lambda_)
        rows.append(one.row(PAPER, one.measured(change), change) | {"lambda": lambda_})
    return pd.DataFrame(rows)


def against(everywhere: pd.DataFrame, done: Sweep) -> pd.DataFrame:
    """Edits at every window beside LocoGen's share of it."""
    return everywhere.assign(
        located=done.curve.set_index("start").share.reindex(everywhere.start).to_numpy()
    )


def trained(one: Trial, steps: int | None = None) -> dict[str, Edit]:
    """The baselines that are fine-tuned (App. I), in natural models, as there: a planted one has its answer from us.

    Args:
        steps: at most; None: until their loss is flat (see `fine_tuning`).
    """
    if one.model.spec.planted:
        return {}
    return fine_tuning.fine_tuned(one.model, one.train, one.held.settings, steps=steps)


def methods(one: Trial, tokens: Tokens, tuned: Mapping[str, Edit]) -> dict[str, Edit]:
    """Every editing method, from the same training prompts: LocoEdit as the paper has it, ours, and sparing; the baselines by their
    own tokens; `tuned` are those of `trained`.
    """
    return _made(one, locoedits(tokens) | solved()) | dict(tuned)


def every_value(one: Trial, made: Mapping[str, Edit], count: int) -> pd.DataFrame:
    """Edited value x asked values (see `specificity.matrix`): all methods edit the page's own value; of a style, where all prompts
    fit all artists, the paper's edit, the sparing one and DiffQuickFix edit each in turn.
    """
    whole: dict[str, Make] = {}
    if one.attribute == "style":
        whole = {
            name: make
            for name, make in (locoedits("subject") | solved()).items()
            if name in (PAPER, SPARES, DIFFQUICKFIX)
        }
    once = {name: change for name, change in made.items() if name not in whole}
    return specificity.matrix(one, whole, trained=once, count=count)


def many(one: Trial, tokens: Tokens, settings: Settings) -> dict[str, pd.DataFrame]:
    """Several artists in one solve, then the solve without the page's own: what is removed of each, as share of altering the located layers.

    Returns:
        By condition a row for each artist: name, share with its interval, images.
    """
    each = {artist: trial_of(one, artist, settings) for artist in asked_values(one)}

    def removed(without: str | None) -> pd.DataFrame:
        edited: list[Prompt] = []
        for artist, other in each.items():
            edited += [] if artist == without else other.train
        change = locoedit(one.model, edited, one.window, tokens=tokens)
        rows = {artist: other.row("", other.measured(change)) for artist, other in each.items()}
        return pd.DataFrame(
            [
                {"name": artist, "images": row["images"]} | columns({"share": interval(row)})
                for artist, row in rows.items()
            ]
        )

    return {"all edited": removed(None), f"{one.value} left out": removed(one.value)}


def trial_of(one: Trial, artist: str, settings: Settings, *, images: int = 6) -> Trial:
    """The same trial of another artist, on few images, told in our wording."""
    held = replace(one.held, seeds=one.held.seeds[:1], settings=settings)
    other = of_value(replace(one, held=held), artist)
    few = replace(other.held, prompts=other.held.prompts[:images])
    return replace(other, train=reworded(other.train, OWN), held=few)


def relocated(one: Trial, tokens: Tokens, asked: Request) -> Sweep:
    """LocoGen on the model with our edit, for the artist who was edited away: is the style anywhere now?"""
    few = replace(asked.about(one.value), prompts=asked.about(one.value).prompts[:12])
    with applied(one.model, one.locoedit(tokens, wording=OWN)) as edited:
        return locogen.sweep(edited, few, len(one.window), store=one.store)


def tried(
    one: Trial, tokens: Tokens | Literal["auto"], *, pictures: int, whole: bool = True
) -> tuple[Tokens, pd.DataFrame]:
    """(our tokens, outcomes) of `makers` on held-out prompts, and of the paper's edit at random windows.

    Args:
        tokens: as `text.TOKENS`; "auto": the smallest edit that does it on so many of the training prompts.
        pictures: how many those are.
        whole: False: the paper's edit and the sparing one alone, whose tokens need no choice.
    """
    if not whole:
        few = {name: make for name, make in makers("subject").items() if name in (PAPER, SPARES)}
        return "subject", one.tried(_made(one, few) | {APART: apart(one)})
    if tokens == "auto":
        tokens = trials.best_tokens(trials.by_tokens(one, prompts=pictures, wording=OWN))
    return tokens, one.tried(_made(one, makers(tokens)) | {APART: apart(one)})


def makers(tokens: Tokens) -> dict[str, Make]:
    """What is made in each of several models: LocoEdit as the paper has it, ours, sparing; DiffQuickFix."""
    return locoedits(tokens) | {DIFFQUICKFIX: solved()[DIFFQUICKFIX]}


def others(one: Trial, tokens: Tokens, *, count: int, most: int) -> pd.DataFrame:
    """How often other values are still seen when the page's own one is edited (see `specificity.matrix`)."""
    return specificity.matrix(one, {}, trained=_made(one, makers(tokens)), count=count, most=most)
