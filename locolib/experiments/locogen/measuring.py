"""Layer sets altered, images made and scored: the tables from which every answer of LocoGen is read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic

import pandas as pd

from ... import UserError
from ...drawing.memory import Altered, Row
from ...drawing.provenance import provenance
from ...drawing.sampling import Settings, generate, image_keys
from ...drawing.text import check_prompts
from ...models import Model, Scorer, load_scorer
from ...prompts import Prompt, revalued
from ...store import Store, key
from .layer_sets import Window, label
from .scoring import scored

SEED = 1000  # the seeds of a sweep's first prompt are SEED, SEED + 1, ...; each further prompt begins SEED higher


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
        A tidy table, a row for each image: layers (as "8-9", "" for clean), those of `scored`, image (its key in the store).
    """
    scorer = scorer or load_scorer(model.spec.scorer)
    asked = {
        "model": model.fingerprint,
        "scorer": scorer.fingerprint,
        "request": request,
        "sets": list(sets),
        "table": 3,
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
    keys = image_keys(model, plan, request.settings)
    parts = []
    for i, altered in enumerate(sets):
        table = scored(
            images[i * count : (i + 1) * count],
            request.prompts,
            [request.seeds_of(number) for number in range(len(request.prompts))],
            scorer,
            model.spec.bundled,
        )
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
