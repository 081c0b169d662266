"""Neurons (Section 7, App. K): outputs of W_K and W_V that tell a style, ranked by z-score, and dropped.

A neuron is one output of a key or value matrix; it is scored at one token, over prompts in the style of an artist against the
same prompts without it.  Where the paper and the authors' code differ, `Request` has an option whose default is the paper's
reading, but for one: prompts of which images are made have no part in choosing the neurons (`overlap` has them take part).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Literal

import numpy as np
import pandas as pd
import torch

from ... import UserError
from ...drawing.layers import sites
from ...drawing.memory import Altered, Dropped, Row
from ...drawing.sampling import Settings, generate, image_key, provenance
from ...drawing.text import positions, token_ids
from ...models import Model, Scorer, load_scorer
from ...models.attention import project
from ...prompts import Styled
from ...scores import NOTHING, Interval, clip_score, columns, mean, ratio, wilson
from ...store import Store, key

Matrix = tuple[int, Literal["key", "value"]]
At = Literal["subject", "end"]
Drops = Mapping[str, tuple[Dropped, ...]]
NEURONS, WIDTH = (30, 50, 100), 1280  # so many of 1280, in each matrix (Fig. 10)
DOSES = (100, 160, 320, 640, 960, WIDTH)  # what it takes beyond the paper's numbers: to a quarter, a half, all of them
HALF = 640
_OPTIONS = {"at": ("subject", "end"), "to": ("zero", "neutral"), "deviation": ("sample", "population")}
# Where the paper and the authors' code differ, one by one and together; what is not named is the default.
READINGS: dict[str, dict] = {
    "the paper's, held-out prompts": {}, "the paper's": {"overlap": True}, "neutral mean": {"to": "neutral"},
    "end position": {"at": "end"},
    "end position, neutral mean": {"at": "end", "to": "neutral"},
    "the code's": {"at": "end", "to": "neutral", "overlap": True, "deviation": "population"},
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked about one artist, beside the model.

    Attributes:
        artist: whose style is to go.
        prompts: of all artists; with this artist's name put in they choose the neurons (K.1).
        tests: those of the artist of which images are made.
        layers: the controlling ones, of which neurons are dropped.
        seeds: of the first prompt's images; each further one of `prompts` begins 1000 higher.
        settings: of sampling.
        at: where neurons are read: the subject's last token (the paper), or "end": the last of all positions, padding, which
            the code reads.
        to: what they are set to: "zero" (the paper's drop-out), or "neutral": their mean over the prompts without a style, as
            the code does it.
        overlap: whether the artist's own prompts choose neurons too, as in the paper; else only those of other artists do.
        deviation: of a "sample", or of the "population" (the code); in groups of one size they give the same ranks.
    """

    artist: str
    prompts: tuple[Styled, ...]
    tests: tuple[Styled, ...]
    layers: tuple[int, ...]
    seeds: tuple[int, ...]
    settings: Settings
    at: At = "subject"
    to: Literal["zero", "neutral"] = "zero"
    overlap: bool = False
    deviation: Literal["sample", "population"] = "sample"

    def __post_init__(self) -> None:
        if not self.tests or any(p.artist != self.artist or p not in self.prompts for p in self.tests):
            raise UserError(f"Images are made of prompts of {self.artist!r} that the list has; it has those of "
                            f"{', '.join(dict.fromkeys(p.artist for p in self.prompts))}.")
        if not self.layers:
            raise UserError("Name at least one layer whose neurons are dropped.")
        for name, known in _OPTIONS.items():
            if getattr(self, name) not in known:
                raise UserError(f"{name!r} must be {' or '.join(map(repr, known))}, not {getattr(self, name)!r}.")

    def seeds_of(self, prompt: Styled) -> tuple[int, ...]:
        """The seeds of one prompt: its own, and the same whatever is done."""
        return tuple(1000 * self.prompts.index(prompt) + seed for seed in self.seeds)

    def selection(self) -> tuple[list[str], list[str]]:
        """Prompts that choose the neurons: with the artist's name put in, and without a style.

        Raises:
            UserError: fewer than two of them, of which no variance can be formed.
        """
        own = {p.plain.lower() for p in self.prompts if p.artist == self.artist}
        chosen = [p for p in self.prompts if self.overlap or p.plain.lower() not in own]
        if len(chosen) < 2:
            raise UserError(f"Neurons of {self.artist} are chosen by prompts of other artists: two or more, not {len(chosen)}.")
        return [p.by(self.artist) for p in chosen], [p.plain for p in chosen]


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Neurons of several matrices by |z|.

    Attributes:
        z: by matrix (layer, "key" or "value"): z-score of each neuron, 0 where it does not vary at all.
        neutral: by matrix: each neuron's mean over the prompts without a style.
    """

    z: Mapping[Matrix, np.ndarray]
    neutral: Mapping[Matrix, np.ndarray]

    def top(self, count: int) -> dict[Matrix, tuple[int, ...]]:
        """`count` in 1280 of each matrix's neurons, at least one: those with the largest |z|."""
        return {m: _first(np.argsort(-np.abs(z), kind="stable"), count) for m, z in self.z.items()}

    def random(self, count: int, seed: int) -> dict[Matrix, tuple[int, ...]]:
        """As many neurons of each matrix, drawn at random (the null); more of them hold the fewer."""
        rng = np.random.default_rng(seed)
        return {m: _first(rng.permutation(len(z)), count) for m, z in self.z.items()}

    def dropped(self, chosen: Mapping[Matrix, tuple[int, ...]], to: Literal["zero", "neutral"] = "zero") -> tuple[Dropped, ...]:
        """Interventions that set the chosen neurons to zero or to their neutral mean, at every token."""
        made = []
        for (layer, matrix), neurons in chosen.items():
            values = tuple(float(self.neutral[layer, matrix][i]) for i in sorted(neurons)) if to == "neutral" else ()
            made.append(Dropped(layer=layer, matrix=matrix, neurons=tuple(sorted(neurons)), values=values))
        return tuple(made)


def _first(order: np.ndarray, count: int) -> tuple[int, ...]:
    """The first of a matrix's neurons in some order: `count` in 1280 of them, at least one; none if `count` is 0."""
    if not 0 <= count <= WIDTH:
        raise UserError(f"The number of neurons is counted in {WIDTH}: from 0 to {WIDTH}, not {count}.")
    return tuple(int(i) for i in order[: max(min(count, 1), round(count * len(order) / WIDTH))])


class Activations:
    """Keys and values of some layers at one token of a prompt, computed once for each prompt and artist."""

    def __init__(self, model: Model, layers: Sequence[int]) -> None:
        self._model, every = model, sites(model.unet)
        if outside := [layer for layer in layers if not 0 <= layer < len(every)]:
            raise UserError(f"Layer {outside[0]} is outside the model, whose layers are 0 to {len(every) - 1}.")
        self._modules = {layer: model.unet.get_submodule(every[layer].path) for layer in layers}
        self._kept: dict[tuple[str, str], dict[str, dict[Matrix, np.ndarray]]] = {}

    def of(self, prompts: Sequence[str], *, artist: str = "", at: At = "subject") -> dict[Matrix, np.ndarray]:
        """[prompts, neurons] by matrix, at the artist's last token (of a prompt without: its last word), or at the end."""
        named = [(prompt, artist if artist in prompt.lower() else "") for prompt in prompts]
        for prompt, name in dict.fromkeys(named):
            if (prompt, name) not in self._kept:
                self._kept[prompt, name] = self._read(prompt, name)
        found = [self._kept[one][at] for one in named]
        return {matrix: np.stack([rows[matrix] for rows in found]) for matrix in found[0]}

    @torch.no_grad()
    def _read(self, prompt: str, artist: str) -> dict[str, dict[Matrix, np.ndarray]]:
        ids, states = token_ids(self._model, prompt), self._model.encode([prompt]).states
        word = ids.index(self._model.tokenizer.eos_token_id) - 1
        last = positions(self._model, prompt, artist).last_subject if artist else word
        found: dict[str, dict[Matrix, np.ndarray]] = {"subject": {}, "end": {}}
        for layer, module in self._modules.items():
            for matrix, kept in zip(("key", "value"), project(module, states)):
                for at, place in (("subject", last), ("end", len(ids) - 1)):
                    found[at][layer, matrix] = kept[0, :, place].flatten().double().cpu().numpy()
        return found


def z_scores(styled: np.ndarray, plain: np.ndarray, *, deviation: Literal["sample", "population"] = "sample") -> np.ndarray:
    """(mean1 - mean2) / sqrt(s1^2 / n1 + s2^2 / n2) of each neuron, [n1, neurons] and [n2, neurons].

    Section 7 names a z-score and prints no formula.  A neuron that does not vary in either group has none and gets 0, so that it
    ranks last (in the authors' code a division by zero would rank it first).
    """
    free = 1 if deviation == "sample" else 0
    spread = np.sqrt(styled.var(0, ddof=free) / len(styled) + plain.var(0, ddof=free) / len(plain))
    one, other = styled.mean(0), plain.mean(0)
    varies = spread > 1e-7 * np.maximum(np.abs(one), np.abs(other))  # else it is the rounding of float32 that varies
    return np.divide(one - other, spread, out=np.zeros_like(one), where=varies)


def rank(known: Activations, request: Request, *, shuffled: int | None = None) -> Ranking:
    """Rank the neurons of the layers' W_K and W_V by how far prompts with the style differ from prompts without.

    Args:
        shuffled: a seed; deal the prompts into the two groups at random: what |z| is when there is nothing to find.
    """
    one, other = (known.of(texts, artist=request.artist, at=request.at) for texts in request.selection())
    neutral = {matrix: rows.mean(0) for matrix, rows in other.items()}
    if shuffled is not None:
        order = np.random.default_rng(shuffled).permutation(2 * len(next(iter(one.values()))))
        dealt = {matrix: np.split(np.concatenate([one[matrix], other[matrix]])[order], 2) for matrix in one}
        one, other = ({matrix: halves[side] for matrix, halves in dealt.items()} for side in (0, 1))
    return Ranking(z={m: z_scores(one[m], other[m], deviation=request.deviation) for m in one}, neutral=neutral)


def drops(ranking: Ranking, request: Request, *, top: Sequence[int] = NEURONS, random: Sequence[int] = NEURONS[-1:]) -> Drops:
    """Interventions by name: "30", "50", "100" of the highest |z|, and "random 100": as many drawn at random."""
    seed = int(key({"random": request.artist})[:8], 16)
    chosen = {str(count): ranking.top(count) for count in top}
    chosen |= {f"random {count}": ranking.random(count, seed) for count in random}
    return {name: ranking.dropped(neurons, request.to) for name, neurons in chosen.items()}


def doses(ranking: Ranking, other: Ranking, request: Request) -> Drops:
    """All of `drops` up to all neurons, and as many of the highest |z| of another artist ("other 100")."""
    every = drops(ranking, request, top=(*NEURONS[:-1], *DOSES), random=DOSES)
    return every | {f"other {name}": made for name, made in drops(other, request, top=DOSES, random=()).items()}


def readings(known: Activations, request: Request) -> Drops:
    """100 and 640 neurons, and 640 random ones, in each of `READINGS`: names such as "the code's: 100"."""
    plain, found = {"at": "subject", "to": "zero", "overlap": False, "deviation": "sample"}, {}
    for reading, options in READINGS.items():
        asked = replace(request, **plain | options)
        made = drops(rank(known, asked), asked, top=(NEURONS[-1], HALF), random=(HALF,))
        found |= {f"{reading}: {name}": change for name, change in made.items()}
    return found


def _rows(request: Request, dropped: Drops) -> Iterator[Row]:
    for name in ("clean", *dropped, "altered"):
        for prompt in request.tests:
            changes = (Altered(layers=request.layers, prompt=prompt.plain),) if name == "altered" else dropped.get(name, ())
            yield from (Row(prompt=prompt.prompt, seed=seed, changes=changes) for seed in request.seeds_of(prompt))


def measure(model: Model, request: Request, dropped: Drops, *, store: Store, scorer: Scorer | None = None) -> pd.DataFrame:
    """Score an artist's images (Fig. 10): clean ones, with neurons `dropped`, and with the layers given the plain prompt.

    Returns:
        A row for each image: artist, condition ("clean", those of `dropped`, "altered"), prompt, seed, style (CLIP-Score with
        "style of <artist>"), object (with the prompt without the style), picks_object (whether the scorer finds the image
        nearer to that than to those of the other tests), image (its key in the store).
    """
    scorer = scorer or load_scorer(model.spec.scorer)
    asked = {"model": model.fingerprint, "scorer": scorer.fingerprint, "request": request, "dropped": dropped, "neurons": 1}
    name = f"{model.name}-neurons-{request.artist.replace(' ', '_')}-{key(asked)[:12]}"
    if (kept := store.run(name)) is not None:
        return kept[0]
    started, rows = monotonic(), list(_rows(request, dropped))
    once = {row: number for number, row in enumerate(dict.fromkeys(rows))}  # the same may be done under two names
    images = generate(model, list(once), request.settings, store=store, label=f"{model.name} {request.artist}")
    keys = [image_key(model, row, request.settings) for row in once]
    table = _scores(scorer.images(images)[[once[row] for row in rows]], request, ("clean", *dropped, "altered"), scorer)
    table = table.assign(image=[keys[once[row]] for row in rows])
    minutes = (monotonic() - started) / 60
    store.put_run(name, table, provenance(model, request.settings, scorer, prompts=len(request.tests), seeds=request.seeds, minutes=minutes), keys)
    return table


def _scores(seen: np.ndarray, request: Request, names: Sequence[str], scorer: Scorer) -> pd.DataFrame:
    """The table of `measure` from embeddings of images, in the order of `_rows`."""
    tests, each = request.tests, len(request.seeds)
    seen = seen.reshape(len(names), len(tests), each, -1)
    texts = scorer.texts([f"style of {request.artist}", *(p.plain for p in tests)])
    hits = (seen @ texts[1:].T).argmax(-1) == np.arange(len(tests))[:, None]
    told = [(p.prompt, seed) for p in tests for seed in request.seeds_of(p)] * len(names)
    return pd.DataFrame(told, columns=["prompt", "seed"]).assign(
        artist=request.artist, condition=np.repeat(names, len(tests) * each), style=clip_score(seen, texts[0]).ravel(),
        object=clip_score(seen, texts[1:, None]).ravel(), picks_object=hits.ravel())


def by_unit(table: pd.DataFrame, column: str = "style") -> tuple[str, pd.DataFrame]:
    """What the bootstrap draws ("prompt", or "image" with fewer than 8 prompts), and mean scores [units, conditions]."""
    prompts = table.prompt.nunique() >= 8
    index = ["artist", "prompt"] if prompts else ["artist", "prompt", "seed"]
    return "prompt" if prompts else "image", table.pivot_table(values=column, index=index, columns="condition", sort=False)


def removed(table: pd.DataFrame, condition: str, but: str = "clean") -> Interval:
    """How much of the style a condition removes, less what `but` does, as a share of what altering removes (NaN: nothing)."""
    scores = by_unit(table)[1]
    full = (scores["clean"] - scores["altered"]).to_numpy()
    return ratio((scores[but] - scores[condition]).to_numpy(), full) if mean(full).low > 0 else NOTHING


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each condition: style, object, share (see `removed`) and picks_object, each with its 95% interval.

    Returns:
        condition, style, object, share, picks_object (each with _low and _high), unit, units, images.
    """
    unit, style = by_unit(table)
    thing, rows = by_unit(table, "object")[1], []
    for name in style.columns:
        hits = table[table.condition == name].picks_object
        parts = {"style": mean(style[name].to_numpy()), "object": mean(thing[name].to_numpy()), "share": removed(table, name),
                 "picks_object": wilson(int(hits.sum()), len(hits))}
        rows.append({"condition": name} | columns(parts)
                    | {"unit": unit, "units": len(style), "images": len(hits)})
    return pd.DataFrame(rows)
