"""Which neurons tell a style (Section 7): z-scores of the outputs of W_K and W_V, and how they rank."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ... import UserError
from ...drawing.layers import sites
from ...drawing.memory import Dropped
from ...drawing.sampling import Settings
from ...drawing.text import positions, token_ids
from ...models import Model
from ...models.attention import project
from ...models.memory import bring
from ...prompts import Styled

Matrix = tuple[int, Literal["key", "value"]]


At = Literal["subject", "end"]


NEURONS, WIDTH = (30, 50, 100), 1280  # so many of 1280, in each matrix (Fig. 10)


_OPTIONS = {
    "at": ("subject", "end"),
    "to": ("zero", "neutral"),
    "deviation": ("sample", "population"),
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
        if not self.tests or any(
            p.artist != self.artist or p not in self.prompts for p in self.tests
        ):
            raise UserError(
                f"Images are made of prompts of {self.artist!r} that the list has; it has those of "
                f"{', '.join(dict.fromkeys(p.artist for p in self.prompts))}."
            )
        if not self.layers:
            raise UserError("Name at least one layer whose neurons are dropped.")
        for name, known in _OPTIONS.items():
            if getattr(self, name) not in known:
                raise UserError(
                    f"{name!r} must be {' or '.join(map(repr, known))}, not {getattr(self, name)!r}."
                )

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
            raise UserError(
                f"Neurons of {self.artist} are chosen by prompts of other artists: two or more, not {len(chosen)}."
            )
        return [p.by(self.artist) for p in chosen], [p.plain for p in chosen]


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Neurons of several matrices by ``|z|``.

    Attributes:
        z: by matrix (layer, "key" or "value"): z-score of each neuron, 0 where it does not vary at all.
        neutral: by matrix: each neuron's mean over the prompts without a style.
    """

    z: Mapping[Matrix, np.ndarray]
    neutral: Mapping[Matrix, np.ndarray]

    def top(self, count: int) -> dict[Matrix, tuple[int, ...]]:
        """`count` in 1280 of each matrix's neurons, at least one: those with the largest ``|z|``."""
        return {m: _first(np.argsort(-np.abs(z), kind="stable"), count) for m, z in self.z.items()}

    def random(self, count: int, seed: int) -> dict[Matrix, tuple[int, ...]]:
        """As many neurons of each matrix, drawn at random (the null); more of them hold the fewer."""
        rng = np.random.default_rng(seed)
        return {m: _first(rng.permutation(len(z)), count) for m, z in self.z.items()}

    def dropped(
        self, chosen: Mapping[Matrix, tuple[int, ...]], to: Literal["zero", "neutral"] = "zero"
    ) -> tuple[Dropped, ...]:
        """Interventions that set the chosen neurons to zero or to their neutral mean, at every token."""
        made = []
        for (layer, matrix), neurons in chosen.items():
            values = (
                tuple(float(self.neutral[layer, matrix][i]) for i in sorted(neurons))
                if to == "neutral"
                else ()
            )
            made.append(
                Dropped(layer=layer, matrix=matrix, neurons=tuple(sorted(neurons)), values=values)
            )
        return tuple(made)


def _first(order: np.ndarray, count: int) -> tuple[int, ...]:
    """The first of a matrix's neurons in some order: `count` in 1280 of them, at least one; none if `count` is 0."""
    if not 0 <= count <= WIDTH:
        raise UserError(
            f"The number of neurons is counted in {WIDTH}: from 0 to {WIDTH}, not {count}."
        )
    return tuple(int(i) for i in order[: max(min(count, 1), round(count * len(order) / WIDTH))])


class Activations:
    """Keys and values of some layers at one token of a prompt, computed once for each prompt and artist."""

    def __init__(self, model: Model, layers: Sequence[int]) -> None:
        self._model, every = model, sites(model.unet)
        if outside := [layer for layer in layers if not 0 <= layer < len(every)]:
            raise UserError(
                f"Layer {outside[0]} is outside the model, whose layers are 0 to {len(every) - 1}."
            )
        self._modules = {layer: model.unet.get_submodule(every[layer].path) for layer in layers}
        self._kept: dict[tuple[str, str], dict[str, dict[Matrix, np.ndarray]]] = {}

    def of(
        self, prompts: Sequence[str], *, artist: str = "", at: At = "subject"
    ) -> dict[Matrix, np.ndarray]:
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
        bring(self._model, "unet")
        found: dict[str, dict[Matrix, np.ndarray]] = {"subject": {}, "end": {}}
        for layer, module in self._modules.items():
            key, value = project(module, states)
            matrices: dict[Literal["key", "value"], Tensor] = {"key": key, "value": value}
            for matrix, kept in matrices.items():
                for at, place in (("subject", last), ("end", len(ids) - 1)):
                    found[at][layer, matrix] = kept[0, :, place].flatten().cpu().double().numpy()
        return found


def z_scores(
    styled: np.ndarray, plain: np.ndarray, *, deviation: Literal["sample", "population"] = "sample"
) -> np.ndarray:
    """(mean1 - mean2) / sqrt(s1^2 / n1 + s2^2 / n2) of each neuron, [n1, neurons] and [n2, neurons].

    Section 7 names a z-score and prints no formula.  A neuron that does not vary in either group has none and gets 0, so that it
    ranks last (in the authors' code a division by zero would rank it first).
    """
    free = 1 if deviation == "sample" else 0
    spread = np.sqrt(styled.var(0, ddof=free) / len(styled) + plain.var(0, ddof=free) / len(plain))
    one, other = styled.mean(0), plain.mean(0)
    varies = spread > 1e-7 * np.maximum(
        np.abs(one), np.abs(other)
    )  # else it is the rounding of float32 that varies
    return np.divide(one - other, spread, out=np.zeros_like(one), where=varies)


def rank(known: Activations, request: Request, *, shuffled: int | None = None) -> Ranking:
    """Rank the neurons of the layers' W_K and W_V by how far prompts with the style differ from prompts without.

    Args:
        shuffled: a seed; deal the prompts into the two groups at random: what ``|z|`` is when there is nothing to find.
    """
    one, other = (
        known.of(texts, artist=request.artist, at=request.at) for texts in request.selection()
    )
    neutral = {matrix: rows.mean(0) for matrix, rows in other.items()}
    if shuffled is not None:
        order = np.random.default_rng(shuffled).permutation(2 * len(next(iter(one.values()))))
        dealt = {
            matrix: np.split(np.concatenate([one[matrix], other[matrix]])[order], 2)
            for matrix in one
        }
        one, other = ({matrix: halves[side] for matrix, halves in dealt.items()} for side in (0, 1))
    return Ranking(
        z={m: z_scores(one[m], other[m], deviation=request.deviation) for m in one}, neutral=neutral
    )
