"""Causal tracing (Section 4; Basu et al. 2023): which states of a corrupted run, once clean again, bring the picture back?

The subject's token embeddings are corrupted by noise, one state is copied from the clean run, and the CLIP-Score says how
much of what was lost comes back: the state's *indirect effect*, here as a share of what the corruption took away.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

import pandas as pd

from ... import UserError
from ...drawing.memory import Row
from ...drawing.provenance import provenance
from ...drawing.sampling import Settings, generate, image_key
from ...drawing.text import Corrupted
from ...models import Model, load_scorer
from ...prompts import Prompt
from ...scores import NOTHING, Effects, Interval, clip_score, columns, mean, ratio, share
from ...store import Store, key
from .states import State

NOISE = (
    3.0  # standard deviations of the subjects' embeddings, as in language models (Meng et al. 2022)
)
CLEAN, CORRUPTED, AGAIN = PLAIN = (
    "clean",
    "corrupted",
    "other noise",
)  # images in which nothing is restored
SEED = 1000  # between the seeds of two prompts
OTHER = 10**6  # between the noise of CORRUPTED and that of AGAIN
MANY = 8  # prompts, from which on they are the units of the bootstrap


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
        if self.size < 0:
            raise UserError(f"The size of the noise must be at least 0, not {self.size}.")


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
        A row for each image: state (one of PLAIN, or the state's name), attribute, prompt, seed, score (with the original
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
        "trace": 3,
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
    keys = [image_key(model, made, request.settings) for made in rows]
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
        (getattr(state, "name", state), prompt.attribute, prompt.original, seed)
        for prompt, seed in of
        for state in restored
    ]
    return pd.DataFrame(told, columns=["state", "attribute", "prompt", "seed"])


def effects(table: pd.DataFrame, chosen: Sequence[State | str]) -> Effects:
    """What comes back by each state and what the corruption takes away: (restored or clean) minus corrupted, in points.

    Seeds are averaged within a prompt; with fewer than 8 prompts a unit is one seed of one prompt.
    """
    unit = ["prompt"] if table.prompt.nunique() >= MANY else ["prompt", "seed"]
    scores = table.pivot_table(values="score", index=unit, columns="state", sort=False)
    back = scores.sub(scores[CORRUPTED], axis=0)
    return Effects(
        windows=back[[getattr(state, "name", state) for state in chosen]].to_numpy(),
        full=back[CLEAN].to_numpy(),
    )


def lost(table: pd.DataFrame) -> Interval:
    """What the corruption takes away, in points of CLIP-Score; while its interval includes 0 no share is formed."""
    return mean(effects(table, ()).full)


def indirect(table: pd.DataFrame, chosen: Sequence[State]) -> pd.DataFrame:
    """Each state's indirect effect as a share of what was lost, with its 95% interval (Figs. 2 and 3).

    Returns:
        A row for each state: state, index, kind, part, where, layer (of a text encoder; else -1), share, share_low,
        share_high (NaN where the corruption takes nothing away), unit ("prompt" or "image"), units, images.
    """
    found, any_lost = effects(table, chosen), lost(table).low > 0
    unit, rows = "prompt" if table.prompt.nunique() >= MANY else "image", []
    for i, state in enumerate(chosen):
        back = share(found, i) if any_lost else NOTHING
        rows.append(
            {
                "state": state.name,
                "index": state.index,
                "kind": state.kind,
                "part": state.part,
                "where": state.where,
                "layer": state.text.layer if state.text else -1,
                "share": back.value,
                "share_low": back.low,
                "share_high": back.high,
                "unit": unit,
                "units": len(found.full),
                "images": int((table.state == state.name).sum()),
            }
        )
    return pd.DataFrame(rows)


def redrawn(table: pd.DataFrame) -> Interval:
    """The share that comes back when nothing is restored but the noise is drawn anew: how much depends on the draw.

    A state that does nothing shows 0 and not this, as it is compared with the same draw.
    """
    return share(effects(table, [AGAIN]), 0) if lost(table).low > 0 else NOTHING


def at_random(table: pd.DataFrame, chosen: Sequence[State]) -> Interval:
    """The share to expect of a state drawn at random from `chosen`: their mean."""
    found = effects(table, chosen)
    return (
        ratio(found.windows.mean(-1), found.full, found.strata) if lost(table).low > 0 else NOTHING
    )


def runner_up(table: pd.DataFrame, chosen: Sequence[State], index: int) -> Interval:
    """What the best other state brings back as a part of what one state does; the best other one is the best on average."""
    if lost(table).low <= 0:
        return NOTHING
    others = [i for i in range(len(chosen)) if i != index]
    back = effects(table, chosen).windows
    best = others[int(back[:, others].mean(0).argmax())]
    return ratio(back[:, best], back[:, index])


def by_size(
    model: Model, request: Request, sizes: Sequence[float], *, table: pd.DataFrame, store: Store
) -> pd.DataFrame:
    """How the corrupted score depends on the size of the noise.

    Args:
        table: of `trace` of this request, whose images serve for its own size and for the clean score.

    Returns:
        A row for each size: size; clean, corrupted, lost (points, each with _low and _high); images.
    """
    rows, traced = [], table[table.state.isin((CLEAN, CORRUPTED))]
    for size in sizes:
        table = traced
        if size != request.size:
            other = trace(model, replace(request, size=size), (), store=store, plain=(CORRUPTED,))
            table = pd.concat([traced[traced.state == CLEAN], other])
        scores = table.pivot_table(
            values="score", index=["prompt", "seed"], columns="state", sort=False
        )
        parts = {
            "clean": mean(scores[CLEAN].to_numpy()),
            "corrupted": mean(scores[CORRUPTED].to_numpy()),
            "lost": lost(table),
        }
        rows.append({"size": size, **columns(parts), "images": len(scores)})
    return pd.DataFrame(rows)
