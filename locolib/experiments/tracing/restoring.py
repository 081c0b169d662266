"""Causal tracing (Section 4; Basu et al. 2023): which states of a corrupted run, once clean again, bring the picture back?

The subject's token embeddings are corrupted by noise, one state is copied from the clean run, and the CLIP-Score says how
much of what was lost comes back: the state's *indirect effect*, here as a share of what the corruption took away.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

import pandas as pd

from ... import UserError
from ...drawing.memory import Row
from ...drawing.provenance import provenance
from ...drawing.sampling import Settings, generate, image_keys
from ...drawing.text import Corrupted
from ...models import Model, load_scorer
from ...prompts import Prompt
from ...scores import ENOUGH, NOTHING, Effects, Interval, clip_score, columns, mean, ratio, share
from ...store import Store, key
from .states import State

NOISE = 10.0  # standard deviations of the subjects' embeddings; with 3, as in language models, most facts stay readable
CLEAN, CORRUPTED, AGAIN = PLAIN = (
    "clean",
    "corrupted",
    "other noise",
)  # images in which nothing is restored
SEED = 1000  # between the seeds of two prompts
OTHER = 10**6  # between the noise of CORRUPTED and that of AGAIN
VALUES = 10  # of an attribute, from which on they are the units, and not their prompts


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of a tracing, beside the model.

    Attributes:
        prompts: their originals are traced.
        seeds: of the first prompt's images; each further prompt begins SEED higher, so that its noise is its own.
        settings: of sampling.
        size: of the noise, in standard deviations of the subject's token embeddings, see `text.Corrupted`.
    """

    prompts: tuple[Prompt, ...]
    seeds: tuple[int, ...]
    settings: Settings
    size: float = NOISE

    def __post_init__(self) -> None:
        if not self.prompts:
            raise UserError("There are no prompts to trace.")
        if not 0 <= self.size < math.inf:
            raise UserError(
                f"The size of the noise must be at least 0 and finite, not {self.size}."
            )


def row(request: Request, prompt: Prompt, seed: int, state: State | str) -> Row:
    """The image of one prompt and seed with `state` restored; or CLEAN, CORRUPTED, AGAIN."""
    if state == CLEAN:
        return Row(prompt=prompt.original, seed=seed)
    noise = seed + OTHER if state == AGAIN else seed
    told = Corrupted(prompt=prompt.original, subject=prompt.subject, size=request.size, seed=noise)
    if isinstance(state, str):
        return Row(prompt=told, seed=seed)
    if state.text:
        return Row(
            prompt=replace(told, restored=state.text, where=state.where or "last"), seed=seed
        )
    return Row(prompt=told, seed=seed, restored=state.path)


def trace(
    model: Model,
    request: Request,
    chosen: Sequence[State],
    *,
    store: Store,
    plain: Sequence[str] = PLAIN,
) -> pd.DataFrame:
    """Score the clean images, the corrupted ones, and the corrupted ones with each state of `chosen` restored.

    Args:
        plain: which of PLAIN are made: CLEAN, CORRUPTED, and AGAIN, which is corrupted by noise drawn anew.

    Returns:
        A row for each image: state (one of PLAIN, or the state's name), attribute, value, prompt, seed, score (with the original
        prompt, also for facts: what is traced is the prompt's own picture), image (its key in the store).

    Raises:
        UserError: a prompt's subject is not among the tokens that the encoder reads.
    """
    scorer = load_scorer(model.spec.scorer)
    restored: tuple[State | str, ...] = (*plain, *chosen)
    asked = {
        "model": model.fingerprint,
        "scorer": scorer.fingerprint,
        "request": request,
        "states": restored,
        "trace": 4,
    }
    name = f"{model.name}-trace-{key(asked)[:12]}"
    if (kept := store.run(name)) is not None:
        return kept[0]
    started = monotonic()
    # Prompt by prompt, so that a batch needs few clean rows to copy from.
    of = [
        (prompt, SEED * i + seed)
        for i, prompt in enumerate(request.prompts)
        for seed in request.seeds
    ]
    rows = [row(request, prompt, seed, state) for prompt, seed in of for state in restored]
    images = scorer.images(
        generate(model, rows, request.settings, store=store, label=f"{model.name} tracing")
    )
    texts = scorer.texts([prompt.original for prompt, _ in of])
    keys = image_keys(model, rows, request.settings)
    scores = clip_score(images.reshape(len(of), len(restored), -1), texts[:, None]).ravel()
    table = _named(of, restored).assign(score=scores, image=keys)
    how: dict[str, Any] = {
        "prompts": len(request.prompts),
        "seeds": request.seeds,
        "noise": request.size,
    }
    minutes = (monotonic() - started) / 60
    facts = provenance(model, request.settings, scorer, minutes=minutes, **how)
    store.put_run(name, table, facts, keys)
    return table


def _named(of: Sequence[tuple[Prompt, int]], restored: Sequence[State | str]) -> pd.DataFrame:
    """Which image is which, in the order of the rows of `trace`."""
    told = [
        (getattr(state, "name", state), prompt.attribute, prompt.value, prompt.original, seed)
        for prompt, seed in of
        for state in restored
    ]
    return pd.DataFrame(told, columns=["state", "attribute", "value", "prompt", "seed"])


def by_attribute(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of a table of `trace` by attribute: they are judged apart, as the paper's claims are about each."""
    return {str(name): part for name, part in table.groupby("attribute", sort=False)}


def unit(table: pd.DataFrame) -> str:
    """What counts as one of n: a value of the attribute where there are VALUES, else a prompt, else an image of a given prompt."""
    return (
        "value"
        if table.value.nunique() >= VALUES
        else "prompt"
        if table.prompt.nunique() >= ENOUGH
        else "image"
    )


def effects(table: pd.DataFrame, chosen: Sequence[State | str]) -> Effects:
    """What comes back by each state and what the corruption takes away: (restored or clean) minus corrupted, in points.

    What lies within a `unit` is averaged; images are drawn within their prompts.
    """
    index = {"value": ["value"], "prompt": ["prompt"], "image": ["prompt", "seed"]}[unit(table)]
    scores = table.pivot_table(values="score", index=index, columns="state", sort=False)
    back = scores.sub(scores[CORRUPTED], axis=0)
    return Effects(
        windows=back[[getattr(state, "name", state) for state in chosen]].to_numpy(),
        full=back[CLEAN].to_numpy(),
        strata=tuple(scores.index.get_level_values("prompt")) if len(index) == 2 else None,
    )


def lost(table: pd.DataFrame) -> Interval:
    """What the corruption takes away, in points of CLIP-Score; while its interval includes 0 no share is formed."""
    found = effects(table, ())
    return mean(found.full, found.strata)


def formed(table: pd.DataFrame) -> bool:
    """Whether shares are formed: what the corruption takes away lies above 0, or has too few units for an interval."""
    return not lost(table).low <= 0 and lost(table).value > 0


def indirect(table: pd.DataFrame, chosen: Sequence[State]) -> pd.DataFrame:
    """Each state's indirect effect as a share of what was lost, with its 95% interval, by attribute (Figs. 2 and 3).

    Returns:
        A row for each attribute and state: attribute, state, index, kind, part, where, layer (of a text encoder; else -1),
        output, share, share_low, share_high (NaN where the corruption takes nothing away), unit, units, images.
    """
    rows = []
    for attribute, part in by_attribute(table).items():
        found, any_lost = effects(part, chosen), formed(part)
        for i, state in enumerate(chosen):
            rows.append(
                {
                    "attribute": attribute,
                    "state": state.name,
                    "index": state.index,
                    "kind": state.kind,
                    "part": state.part,
                    "where": state.where,
                    "layer": state.text.layer if state.text else -1,
                    "output": state.output,
                    **columns({"share": share(found, i) if any_lost else NOTHING}),
                    "unit": unit(part),
                    "units": len(found.full),
                    "images": int((part.state == state.name).sum()),
                }
            )
    return pd.DataFrame(rows)


def redrawn(table: pd.DataFrame) -> Interval:
    """The share that comes back when nothing is restored but the noise is drawn anew: how much depends on the draw.

    A state that does nothing shows 0 and not this, as it is compared with the same draw.
    """
    return share(effects(table, [AGAIN]), 0) if formed(table) else NOTHING


def at_random(table: pd.DataFrame, chosen: Sequence[State]) -> Interval:
    """The share to expect of a state drawn at random from `chosen`: their mean."""
    if not formed(table):
        return NOTHING
    found = effects(table, chosen)
    return ratio(found.windows.mean(-1), found.full, found.strata)


def by_size(
    model: Model, request: Request, sizes: Sequence[float], *, table: pd.DataFrame, store: Store
) -> pd.DataFrame:
    """How the corrupted score depends on the size of the noise.

    Args:
        table: of `trace` of this request, whose images serve for its own size and for the clean score.

    Returns:
        A row for each size: size; clean, corrupted, lost (points, each with _low and _high; prompts are drawn
        within their attributes); prompts.
    """
    rows, traced = [], table[table.state.isin((CLEAN, CORRUPTED))]
    for size in sizes:
        table = traced
        if size != request.size:
            other = trace(model, replace(request, size=size), (), store=store, plain=(CORRUPTED,))
            table = pd.concat([traced[traced.state == CLEAN], other])
        scores = table.pivot_table(
            values="score", index=["attribute", "prompt"], columns="state", sort=False
        )
        of = scores.index.get_level_values("attribute").to_numpy()
        parts = {
            "clean": mean(scores[CLEAN].to_numpy(), of),
            "corrupted": mean(scores[CORRUPTED].to_numpy(), of),
            "lost": mean((scores[CLEAN] - scores[CORRUPTED]).to_numpy(), of),
        }
        rows.append({"size": size, **columns(parts), "prompts": len(scores)})
    return pd.DataFrame(rows)
