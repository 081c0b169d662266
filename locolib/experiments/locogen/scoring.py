"""What the scorer is asked of a picture: how well it shows its prompt, whether it shows the target's value, and how far it is from unrelated texts."""

import re
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
import pandas as pd

from ...models import Scorer
from ...prompts import GENERIC_COLUMNS, Prompt, generic_of, read_csv, swapped
from ...scores import clip_score


def candidates(prompt: Prompt, prompts: Sequence[Prompt]) -> list[str]:
    """Texts among which the scorer picks what an image shows: the target, then the original with every known value.

    A value that the target names is not among them a second time: a fact may be updated to what another row begins with.
    """
    return list(_candidates(prompt, tuple(prompts)))


@lru_cache(maxsize=4096)  # a sweep asks for the same ones with every layer set
def _candidates(prompt: Prompt, prompts: tuple[Prompt, ...]) -> tuple[str, ...]:
    values = [prompt.value, *(p.value for p in prompts if not _names(prompt, p.value))]
    others = (swapped(prompt.original, prompt.value, value) for value in values[1:])
    return tuple(dict.fromkeys((prompt.target, prompt.original, *others)))


def _names(prompt: Prompt, value: str) -> bool:
    """Whether the prompt's own value, or its target, is this one."""
    own = value == prompt.value
    return own or bool(re.search(rf"\b{re.escape(value)}\b", prompt.target, re.IGNORECASE))


@lru_cache(maxsize=4096)
def unrelated(prompt: Prompt, bundled: bool) -> tuple[str, ...]:
    """Generic prompts (App. L) that share neither object nor place with a prompt or its target: one for each object."""
    told = f"{prompt.original} {prompt.target}".lower()
    return tuple(
        text
        for text, *words in _generic(bundled)
        if not any(re.search(rf"\b{re.escape(word.lower())}\b", told) for word in words)
    )


@cache
def _generic(bundled: bool) -> tuple[tuple[str, str, str], ...]:
    """(prompt, object, place) of one generic prompt for each object; neighbours differ in their place."""
    table = read_csv(generic_of(bundled), GENERIC_COLUMNS)
    of_object = [
        list(zip(rows.prompt, rows.object, rows.location))
        for _, rows in table.groupby("object", sort=False)
    ]
    return tuple(rows[i % len(rows)] for i, rows in enumerate(of_object))


def scored(
    images: np.ndarray,
    prompts: Sequence[Prompt],
    seeds: Sequence[Sequence[int]],
    scorer: Scorer,
    bundled: bool,
) -> pd.DataFrame:
    """What the scorer says of images [prompts * seeds], prompt by prompt.

    Returns:
        A row for each image: prompt, value, seed; score (with the scored text), own (with the original prompt; NaN where a
        picture has one colour throughout and so shows nothing), unrelated (the mean of `unrelated`), picks_target.
    """
    embedded = scorer.images(images).reshape(len(prompts), len(seeds[0]), -1)
    blank = (images.reshape(len(images), -1).std(1) == 0).reshape(len(prompts), -1)
    columns: dict[str, list[np.ndarray]] = {}
    for i, (prompt, seen) in enumerate(zip(prompts, embedded)):
        texts, apart = candidates(prompt, prompts), unrelated(prompt, bundled)
        known = scorer.texts([prompt.scored, *texts, *apart])
        pick = (seen @ known[1 : 1 + len(texts)].T).argmax(-1)
        at = texts.index(prompt.original)
        # A place is only removed, so every other place is as good as none: there the target is "not the original's".
        hit = pick != at if prompt.attribute == "place" else pick == 0
        said = {
            "prompt": prompt.original,
            "value": prompt.value,
            "seed": np.array(seeds[i]),
            "score": clip_score(seen, known[0]),
            "own": np.where(blank[i], np.nan, clip_score(seen, known[1 + at])),
            "unrelated": clip_score(seen[:, None], known[1 + len(texts) :]).mean(1),
            "picks_target": hit,
        }
        for name, part in said.items():
            columns.setdefault(name, []).append(np.broadcast_to(part, len(seen)))
    return pd.DataFrame({name: np.concatenate(parts) for name, parts in columns.items()})
