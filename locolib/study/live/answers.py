"""What was found beforehand: LocoGen's window, and shares for the menu's prompts, by pictures and by backward passes."""

from typing import Any

import numpy as np

from ...drawing.sampling import Settings
from ...experiments import locogen, profiles
from ...experiments.attribution import attribute as attributed
from ...experiments.locogen import SEED, Request, Window
from ...experiments.locogen import page as locogen_page
from ...models import Model
from ...prompts import choose, read
from ...store import Store
from .choices import READY


def asked(model: Model, attribute: str) -> Request:
    """The menu's ready prompts about an attribute, one picture of each."""
    settings = Settings(steps=model.spec.steps, guidance=model.spec.guidance)
    return Request(
        prompts=choose(read(attribute), READY[attribute]), seeds=(SEED,), settings=settings
    )


def first_order(model: Model) -> dict[str, list[float]]:
    """First-order shares of all layers for the menu's prompts, by their words, at every other step (see `attribution.attribute`)."""
    found: dict[str, list[float]] = {}
    for attribute in READY:
        request = asked(model, attribute)
        for prompt, row in zip(request.prompts, attributed(model, request, every=2).layers):
            found[prompt.original] = [round(float(value), 3) for value in row]
    return found


def swept(model: Model, store: Store) -> dict[str, dict[str, Any]]:
    """LocoGen's shares of all windows for the menu's prompts, by their words; windows are as large as the known one.

    Returns:
        For each prompt m, and a share for each window; none where altering all layers moves its score by less than what
        matters (`locogen.units.matters`).
    """
    found = {}
    for attribute in READY:
        m = model.spec.m[attribute]
        done = locogen.sweep(model, asked(model, attribute), m, store=store)
        change = locogen.changes(locogen.by_unit(done.table, "prompt")[1], attribute)
        limit = np.nan_to_num(done.effects.matters)
        for prompt, row in change.iterrows():
            full = row[locogen.label(tuple(range(done.layers)))]
            shares = row[[locogen.label(window) for window in done.windows]] / full
            told = [round(float(share), 3) for share in shares] if full > limit else []
            found[str(prompt)] = {"m": m, "shares": told}
    return found


def located(model: Model, attribute: str, store: Store) -> Window:
    """The window that LocoGen confirms, asked as the study's quick size asks it; () where it confirms none."""
    request = locogen_page.request(profiles.profile("quick"), model.spec, read(attribute))
    done = locogen.search(model, request, store=store)[-1]
    return done.found if done.localised else ()
