"""LocoGen (Algorithm 1, Section 5): which adjacent cross-attention layers control an attribute?

Windows of m layers receive the target prompt while all others keep the original one.  The effect of a window is how far
the CLIP-Score moves; its share is that effect divided by the effect of altering all layers.  See `scores` for the rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from time import monotonic

import numpy as np
import pandas as pd

from . import UserError
from .memory import Altered, Row
from .models import Model, Scorer, load_scorer
from .prompts import Prompt, halves
from .runs import Store, key, versions
from .sampling import Settings, generate, image_key
from .scores import CONTROLS, Effects, Interval, Verdict, clip_score, judge, resample, share, shares, wilson

Window = tuple[int, ...]
SEED = 1000  # the seeds of a sweep's first prompt are SEED, SEED + 1, ...; each further prompt begins SEED higher


def windows(layers: int, m: int) -> list[Window]:
    """All M - m + 1 windows of exactly m adjacent layers."""
    if not 1 <= m <= layers:
        raise UserError(f"m must be from 1 to {layers}, the number of cross-attention layers of this model, not {m}.")
    return [tuple(range(start, start + m)) for start in range(layers - m + 1)]


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
    """

    prompts: tuple[Prompt, ...]
    seeds: tuple[int, ...]
    settings: Settings
    bare_target: bool = False

    def __post_init__(self) -> None:
        if not self.prompts:
            raise UserError("There are no prompts to sweep over.")

    @property
    def attribute(self) -> str:
        return self.prompts[0].attribute

    def seeds_of(self, number: int) -> tuple[int, ...]:
        """The seeds of prompt `number`: its own, so that noise is independent between prompts, and the same in every set."""
        return tuple(SEED * number + seed for seed in self.seeds)

    def target(self, prompt: Prompt) -> str:
        return "a painting" if self.bare_target and prompt.attribute == "style" else prompt.target


def rows(request: Request, altered: Window) -> list[Row]:
    """One row for each prompt and seed, with the layers `altered` receiving the target prompt."""
    return [Row(prompt=p.original, seed=s, changes=(Altered(layers=altered, prompt=request.target(p)),) if altered else ())
            for i, p in enumerate(request.prompts) for s in request.seeds_of(i)]


def candidates(prompt: Prompt, prompts: Sequence[Prompt]) -> list[str]:
    """Texts among which the scorer picks what an image shows: the target, then the original with every known value."""
    values = [prompt.value, *(p.value for p in prompts if p.value != prompt.value)]
    return list(dict.fromkeys([prompt.target, *(prompt.original.replace(prompt.value, v) for v in values)]))


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
        parts.append(pd.DataFrame({"prompt": prompt.original, "value": prompt.value, "seed": request.seeds_of(i),
                                   "score": clip_score(seen, known[0]), "picks_target": hit}))
    return pd.concat(parts, ignore_index=True)


def measure(model: Model, request: Request, sets: Sequence[Window], *, store: Store, scorer: Scorer | None = None) -> pd.DataFrame:
    """Generate and score the images of every layer set in `sets` (the empty one is the clean image).

    Returns:
        A tidy table, a row for each image: layers (as "8-9", "" for clean), prompt, value, seed, score, picks_target,
        image (its key in the store).
    """
    scorer = scorer or load_scorer(model.spec.scorer)
    asked = {"model": model.fingerprint, "scorer": scorer.fingerprint, "request": request, "sets": list(sets), "table": 2}
    name = f"{model.name}-{request.attribute}-{key(asked)[:12]}"
    if (kept := store.run(name)) is not None:
        return kept[0]
    started = monotonic()
    plan = [row for altered in sets for row in rows(request, altered)]
    images = generate(model, plan, request.settings, store=store, label=f"{model.name} {request.attribute}")
    count = len(request.prompts) * len(request.seeds)
    keys = [image_key(model, row, request.settings) for row in plan]
    parts = []
    for i, altered in enumerate(sets):
        table = _measure(images[i * count : (i + 1) * count], request, scorer)
        parts.append(table.assign(layers=label(altered), image=keys[i * count : (i + 1) * count]))
    table = pd.concat(parts, ignore_index=True)
    store.put_run(name, table, provenance(model, request, scorer, minutes=(monotonic() - started) / 60), keys)
    return table


def provenance(model: Model, request: Request, scorer: Scorer, *, minutes: float) -> dict:
    """What the numbers were computed with; the foot of every page."""
    return {"model": model.name, "weights": model.fingerprint, "scorer": scorer.name, "attribute": request.attribute,
            "prompts": len(request.prompts), "seeds": list(request.seeds), "steps": request.settings.steps,
            "guidance": request.settings.guidance, "device": str(model.device), "minutes": round(minutes, 2), **versions()}


def label(altered: Window) -> str:
    """A layer set in words: "8-9", "3", "0,4-5", "" for none."""
    runs: list[list[int]] = []
    for layer in altered:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """All windows of one size, measured.

    Attributes:
        model, attribute, m, layers: what was swept.
        table: a row for each image, see `measure`.
        verdict: DESIGN section 6's answer.
        argbest: the paper's own rule, plain argmin of the mean score (argmax for facts).
        curve: a row for each window: start, mean score, share, picks_target, destroyed, similarity.
    """

    model: str
    attribute: str
    m: int
    layers: int
    table: pd.DataFrame = field(repr=False)
    verdict: Verdict
    argbest: int
    curve: pd.DataFrame = field(repr=False)


def effects(table: pd.DataFrame, sets: Sequence[Window], layers: int, attribute: str, prompts: Sequence[Prompt] | None = None) -> Effects:
    """Effects [units, sets] and of all layers [units], on all prompts of a table or on some.

    Seeds are averaged within a prompt; with fewer than 8 prompts a unit is one seed of one prompt.
    """
    if prompts is not None:
        table = table[table.prompt.isin([p.original for p in prompts])]
    _, mean = _by_unit(table)
    sign = 1 if attribute == "fact" else -1
    change = sign * mean.sub(mean[""], axis=0)
    return Effects(windows=change[[label(s) for s in sets]].to_numpy(), full=change[label(tuple(range(layers)))].to_numpy())


def _by_unit(table: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """What the bootstrap draws ("prompt", or "image" with fewer than 8 prompts), and mean scores [units, layer sets]."""
    prompts = table.prompt.nunique() >= 8
    mean = table.groupby(["prompt", "layers"] if prompts else ["prompt", "seed", "layers"], sort=False).score.mean()
    return "prompt" if prompts else "image", mean.unstack("layers")


def sweep(model: Model, request: Request, m: int, *, store: Store, searched: Sequence[Effects] = ()) -> Sweep:
    """Algorithm 1 for one m: all windows of m layers, with the verdict and the paper's own argmin/argmax.

    Args:
        searched: effects of the smaller sizes, when a search calls (see `scores.judge`).
    """
    layers = model.spec.layers
    every = windows(layers, m)
    table = measure(model, request, [(), tuple(range(layers)), *every], store=store)
    everything = effects(table, every, layers, request.attribute)
    curve = _curve(table, every, layers, shares(everything))
    choose, confirm = (effects(table, every, layers, request.attribute, half) for half in split(request.prompts))
    verdict = judge(choose, confirm, m, searched=[*searched, everything], layers=layers, destroyed=curve.destroyed.to_numpy())
    best = curve.score.idxmax() if request.attribute == "fact" else curve.score.idxmin()
    return Sweep(model=model.name, attribute=request.attribute, m=m, layers=layers, table=table, verdict=verdict,
                 argbest=int(curve.start[best]), curve=curve)


def split(prompts: tuple[Prompt, ...]) -> tuple[tuple[Prompt, ...], tuple[Prompt, ...]]:
    """The half that chooses and the half that confirms; a single prompt must do both (the claim is about it alone)."""
    return halves(prompts) if len(prompts) > 1 else (prompts, prompts)


def _curve(table: pd.DataFrame, every: Sequence[Window], layers: int, share: np.ndarray) -> pd.DataFrame:
    mean = table.groupby("layers")[["score", "picks_target"]].mean()
    curve = mean.loc[[label(w) for w in every]].reset_index().assign(start=[w[0] for w in every], share=share)
    limit = mean.picks_target[label(tuple(range(layers)))] / 2
    return curve.assign(destroyed=(curve.share >= CONTROLS) & (curve.picks_target < limit))


def search(model: Model, request: Request, *, store: Store, largest: int | None = None) -> list[Sweep]:
    """The smallest m with a window that is confirmed (Section 5.1.2): sweeps m = 1, 2, ... and stops at the first.

    Returns:
        The sweeps done, in order; the last one holds the answer.  It ends at `largest` (default M / 4), or at the first
        size where altering everything has no effect.
    """
    layers = model.spec.layers
    done: list[Sweep] = []
    searched: list[Effects] = []
    for m in range(1, (largest or max(1, layers // 4)) + 1):
        done.append(sweep(model, request, m, store=store, searched=searched))
        searched.append(effects(done[-1].table, windows(layers, m), layers, request.attribute))
        if done[-1].verdict.verdict in ("localised", "no effect"):
            break
    return done


def summary(table: pd.DataFrame, sets: Sequence[Window], layers: int, attribute: str) -> pd.DataFrame:
    """A row for each layer set of a table of `measure`: score, share and rate of the target with 95% intervals.

    Returns:
        layers, kind (clean, all, window), start, m, score, share, picks_target (each with _low and _high), unit, units
        (what the bootstrap draws: prompts, or images where there are fewer than 8 prompts), images.
    """
    unit, mean = _by_unit(table)
    found = effects(table, sets, layers, attribute)
    rows = []
    for i, altered in enumerate(sets):
        part = table[table.layers == label(altered)]
        kind = "clean" if not altered else "all" if len(altered) == layers else "window"
        known = {"clean": 0.0, "all": 1.0}.get(kind) if found.full.mean() > 0 else np.nan  # known, or not defined at all
        parts = {"score": resample(np.mean, mean[label(altered)].to_numpy()),
                 "share": share(found, i) if known is None else Interval(value=known, low=known, high=known),
                 "picks_target": wilson(int(part.picks_target.sum()), len(part))}
        rows.append({"layers": label(altered), "kind": kind, "start": min(altered, default=-1), "m": len(altered)}
                    | {f"{name}{end}": getattr(part, at) for name, part in parts.items()
                       for end, at in (("", "value"), ("_low", "low"), ("_high", "high"))}
                    | {"unit": unit, "units": len(mean), "images": len(part)})
    return pd.DataFrame(rows)


def summary_of(done: Sweep) -> pd.DataFrame:
    """`summary` of a sweep: clean, all layers, and every window of its size."""
    return summary(done.table, [(), tuple(range(done.layers)), *windows(done.layers, done.m)], done.layers, done.attribute)


def check_planting(model: Model, request: Request, window: tuple[int, int], *, store: Store) -> pd.DataFrame:
    """A planting checked without LocoGen: alter the window only, all but the window, each single layer, each part of it.

    Args:
        window: the planted (start, m).

    Returns:
        A table of `summary` whose kinds are clean, all, window, all but the window, part of the window, single layer.
    """
    layers = model.spec.layers
    planted = tuple(range(window[0], window[0] + window[1]))
    parts = [p for size in range(2, len(planted)) for p in combinations(planted, size)]
    rest = tuple(i for i in range(layers) if i not in planted)
    sets = list(dict.fromkeys([(), tuple(range(layers)), *windows(layers, 1), planted, rest, *parts]))
    found = summary(measure(model, request, sets, store=store), sets, layers, request.attribute)
    kinds = {label(planted): "window", label(rest): "all but the window"} | {label(p): "part of the window" for p in parts}
    singles = {str(i): "part of the window" if i in planted and len(planted) > 1 else "single layer" for i in range(layers)}
    order = ["clean", "all", "window", "all but the window", "part of the window", "single layer"]
    found = found.assign(kind=found.layers.map(singles | kinds).fillna(found.kind))
    return found.sort_values("kind", key=lambda kind: kind.map(order.index), kind="stable").reset_index(drop=True)


def by_size(model: Model, request: Request, start: int, *, store: Store) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Windows of m = 1, 2, ... layers from one start (Figs. 55 and 56): (table of `measure`, its `summary`)."""
    layers = model.spec.layers
    sets = [(), tuple(range(layers)), *(tuple(range(start, start + m)) for m in range(1, layers - start + (start > 0)))]
    table = measure(model, request, sets, store=store)
    return table, summary(table, sets, layers, request.attribute).assign(start=lambda t: t.start.where(t.kind != "clean", start))
