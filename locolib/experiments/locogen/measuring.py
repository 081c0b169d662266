"""Layer sets altered, images made and scored: the tables from which every answer of LocoGen is read."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic

import numpy as np
import pandas as pd

from ... import UserError
from ...drawing.memory import Altered, Row
from ...drawing.provenance import provenance
from ...drawing.sampling import Settings, generate, image_key
from ...drawing.text import check_prompts
from ...models import Model, Scorer, load_scorer
from ...prompts import Prompt, revalued, swapped
from ...scores import Effects, Interval, clip_score, columns, mean, share, wilson
from ...store import Store, key

Window = tuple[int, ...]
SEED = 1000  # the seeds of a sweep's first prompt are SEED, SEED + 1, ...; each further prompt begins SEED higher


def windows(layers: int, m: int, stride: int = 1) -> list[Window]:
    """All M - m + 1 windows of exactly m adjacent layers; with a `stride`, those that begin at 0, stride, 2 stride, ..."""
    if not 1 <= m <= layers:
        raise UserError(
            f"m must be from 1 to {layers}, the number of cross-attention layers of this model, not {m}."
        )
    if stride < 1:
        raise UserError(f"stride must be at least 1, not {stride}.")
    return [tuple(range(start, start + m)) for start in range(0, layers - m + 1, stride)]


def seeds(count: int) -> tuple[int, ...]:
    """`count` seeds, those of the study's first prompts (see `Request.seeds_of`)."""
    if not 1 <= count <= SEED:
        raise UserError(f"seeds must be from 1 to {SEED}, not {count}.")
    return tuple(range(SEED, SEED + count))


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of a sweep, beside the model: prompts, seeds, which layer sets to alter, how to sample.

    Attributes:
        prompts: pairs of one attribute.
        seeds: of the first prompt's images; see `seeds_of` for the others.
        settings: sampling.
        bare_target: use App. C's bare "a painting" for style, which removes the object too.
        pooled_target: what bypasses the layers (SDXL, DeepFloyd) says the target too, in every altered image.
    """

    prompts: tuple[Prompt, ...]
    seeds: tuple[int, ...]
    settings: Settings
    bare_target: bool = False
    pooled_target: bool = False

    def __post_init__(self) -> None:
        if not self.prompts:
            raise UserError("There are no prompts to sweep over.")

    @property
    def attribute(self) -> str:
        return self.prompts[0].attribute

    def seeds_of(self, number: int) -> tuple[int, ...]:
        """The seeds of prompt `number`: its own, so that noise is independent between prompts, and the same in every set."""
        return tuple(SEED * number + seed for seed in self.seeds)

    def about(self, value: str) -> "Request":
        """The same request with one value of the attribute, an artist say, in all its prompts."""
        return replace(
            self, prompts=tuple(dict.fromkeys(revalued(prompt, value) for prompt in self.prompts))
        )

    def target(self, prompt: Prompt) -> str:
        return "a painting" if self.bare_target and prompt.attribute == "style" else prompt.target


def rows(request: Request, altered: Window) -> list[Row]:
    """One row for each prompt and seed, with the layers `altered` receiving the target prompt."""
    made = []
    for i, prompt in enumerate(request.prompts):
        target = request.target(prompt)
        changes = (Altered(layers=altered, prompt=target),) if altered else ()
        pooled = target if altered and request.pooled_target else None
        made += [
            Row(prompt=prompt.original, seed=seed, changes=changes, pooled=pooled)
            for seed in request.seeds_of(i)
        ]
    return made


def candidates(prompt: Prompt, prompts: Sequence[Prompt]) -> list[str]:
    """Texts among which the scorer picks what an image shows: the target, then the original with every known value.

    A value that the target names is not among them a second time: a fact may be updated to what another row begins with.
    """
    values = [prompt.value, *(p.value for p in prompts if not _names(prompt, p.value))]
    return list(
        dict.fromkeys(
            [
                prompt.target,
                prompt.original,
                *(swapped(prompt.original, prompt.value, v) for v in values[1:]),
            ]
        )
    )


def _names(prompt: Prompt, value: str) -> bool:
    """Whether the prompt's own value, or its target, is this one."""
    own = value == prompt.value
    return own or bool(re.search(rf"\b{re.escape(value)}\b", prompt.target, re.IGNORECASE))


def _measure(images: np.ndarray, request: Request, scorer: Scorer) -> pd.DataFrame:
    """CLIP-Score of images [prompts * seeds] in the order of `rows`, and whether the scorer picks the target's value."""
    embedded = scorer.images(images).reshape(len(request.prompts), len(request.seeds), -1)
    parts = []
    for i, (prompt, seen) in enumerate(zip(request.prompts, embedded)):
        texts = candidates(prompt, request.prompts)
        known = scorer.texts([prompt.scored, *texts])
        pick = (seen @ known[1:].T).argmax(-1)
        # A place is only removed, so every other place is as good as none: there the target is "not the original's".
        hit = pick != texts.index(prompt.original) if prompt.attribute == "place" else pick == 0
        parts.append(
            pd.DataFrame(
                {
                    "prompt": prompt.original,
                    "value": prompt.value,
                    "seed": request.seeds_of(i),
                    "score": clip_score(seen, known[0]),
                    "picks_target": hit,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def measure(
    model: Model,
    request: Request,
    sets: Sequence[Window],
    *,
    store: Store,
    scorer: Scorer | None = None,
) -> pd.DataFrame:
    """Generate and score the images of every layer set in `sets` (the empty one is the clean image).

    Returns:
        A tidy table, a row for each image: layers (as "8-9", "" for clean), prompt, value, seed, score, picks_target,
        image (its key in the store).
    """
    scorer = scorer or load_scorer(model.spec.scorer)
    asked = {
        "model": model.fingerprint,
        "scorer": scorer.fingerprint,
        "request": request,
        "sets": list(sets),
        "table": 2,
    }
    name = f"{model.name}-{request.attribute}-{key(asked)[:12]}"
    if (kept := store.run(name)) is not None:
        return kept[0]
    check_prompts(model, request.prompts)
    started = monotonic()
    plan = [row for altered in sets for row in rows(request, altered)]
    images = generate(
        model, plan, request.settings, store=store, label=f"{model.name} {request.attribute}"
    )
    count = len(request.prompts) * len(request.seeds)
    keys = [image_key(model, row, request.settings) for row in plan]
    parts = []
    for i, altered in enumerate(sets):
        table = _measure(images[i * count : (i + 1) * count], request, scorer)
        parts.append(table.assign(layers=label(altered), image=keys[i * count : (i + 1) * count]))
    table = pd.concat(parts, ignore_index=True)
    store.put_run(
        name,
        table,
        provenance(
            model,
            request.settings,
            scorer,
            prompts=len(request.prompts),
            seeds=request.seeds,
            minutes=(monotonic() - started) / 60,
            attribute=request.attribute,
        ),
        keys,
    )
    return table


def label(altered: Window) -> str:
    """A layer set in words: "8-9", "3", "0,4-5", "" for none."""
    runs: list[list[int]] = []
    for layer in altered:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def labelled(text: str) -> Window:
    """The layers that a `label` names: (0, 4, 5) of "0,4-5".

    Raises:
        ValueError: it is none.
    """
    ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
    return tuple(layer for part in ends for layer in range(part[0], part[-1] + 1))


def effects(
    table: pd.DataFrame,
    sets: Sequence[Window],
    layers: int,
    attribute: str,
    prompts: Sequence[Prompt] | None = None,
) -> Effects:
    """Effects [units, sets] and of all layers [units], on all prompts of a table or on some.

    Seeds are averaged within a prompt; with fewer than 8 prompts a unit is one seed of one prompt.
    """
    if prompts is not None:
        table = table[table.prompt.isin([p.original for p in prompts])]
    change = changes(by_unit(table)[1], attribute)
    return Effects(
        windows=change[[label(s) for s in sets]].to_numpy(),
        full=change[label(tuple(range(layers)))].to_numpy(),
        starts=tuple(min(s, default=-1) for s in sets),
    )


def changes(mean: pd.DataFrame, attribute: str) -> pd.DataFrame:
    """Effects [units, layer sets] of mean scores: how far each moved the way in which it should (up for facts)."""
    return (1 if attribute == "fact" else -1) * mean.sub(mean[""], axis=0)


def by_unit(table: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """What the bootstrap draws ("prompt", or "image" with fewer than 8 prompts), and mean scores [units, layer sets]."""
    prompts = table.prompt.nunique() >= 8
    scores = table.groupby(
        ["prompt", "layers"] if prompts else ["prompt", "seed", "layers"], sort=False
    ).score.mean()
    return "prompt" if prompts else "image", scores.unstack("layers")


def summary(
    table: pd.DataFrame, sets: Sequence[Window], layers: int, attribute: str
) -> pd.DataFrame:
    """A row for each layer set of a table of `measure`: score, share and rate of the target with 95% intervals.

    Returns:
        layers, kind (clean, all, window), start, m, score, share, picks_target (each with _low and _high), unit, units
        (what the bootstrap draws: prompts, or images where there are fewer than 8 prompts), images.
    """
    unit, scores = by_unit(table)
    found = effects(table, sets, layers, attribute)
    rows = []
    for i, altered in enumerate(sets):
        part = table[table.layers == label(altered)]
        kind = "clean" if not altered else "all" if len(altered) == layers else "window"
        known = (
            {"clean": 0.0, "all": 1.0}.get(kind) if found.full.mean() > 0 else np.nan
        )  # known, or not defined at all
        parts = {
            "score": mean(scores[label(altered)].to_numpy()),
            "share": share(found, i)
            if known is None
            else Interval(value=known, low=known, high=known),
            "picks_target": wilson(int(part.picks_target.sum()), len(part)),
        }
        rows.append(
            {
                "layers": label(altered),
                "kind": kind,
                "start": min(altered, default=-1),
                "m": len(altered),
            }
            | columns(parts)
            | {"unit": unit, "units": len(scores), "images": len(part)}
        )
    return pd.DataFrame(rows)


def window_label(start: int, m: int) -> str:
    """The `label` of the window of m layers from `start`."""
    return label(tuple(range(start, start + m)))
