"""What the lesson works with: a planted model in parts small enough to be put together again by hand."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ... import UserError
from ...drawing.layers import sites
from ...drawing.memory import KeysValues
from ...drawing.text import positions, token_ids
from ...models import find, load, load_scorer
from ...models.shapes import Images
from ...prompts import Prompt, about, choose, halves, read
from ...scores import clip_score

TOGETHER = 32  # pictures that are drawn at once
SEED = 1000  # of the first pair; each further one begins as much higher
Guided = Callable[[Tensor, Tensor, float], Tensor]
Told = tuple[Sequence[str], Sequence[str]]
"""What one picture's layers read: the prompts of the plain branch, and those of the told branch, one for each layer."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two prompts that differ in one attribute.

    Attributes:
        original: with the attribute.
        target: without it.
        value: the attribute's value in `original`, such as an artist.
        seed: of the noise from which all pictures of this pair begin.
    """

    original: str
    target: str
    value: str
    seed: int


def _pairs(prompts: Sequence[Prompt], first: int = 1) -> list[Pair]:
    return [
        Pair(original=p.original, target=p.target, value=p.value, seed=SEED * (first + i))
        for i, p in enumerate(prompts)
    ]


class Bench:
    """The planted model in parts, its scorer, and pairs of prompts.

    Attributes:
        choosing, confirming: pairs of one attribute in two halves that see all its values.
        taught: pairs about one value, for an edit.
        kept: a pair about that value which the edit was not told of, and one about another value.
        modules: the cross-attention modules, in the order in which a picture passes them; `to_k` and `to_v` are their matrices.
        guidance: the scale s of classifier-free guidance.
        steps: of sampling.
    """

    def __init__(
        self, name: str = "planted-sd-v1-5", *, attribute: str = "style", steps: int = 0
    ) -> None:
        spec = find(name)
        if not spec.planted or spec.layers != 16:
            raise UserError(f"The lesson is about planted-sd-v1-5 and its like, not {name}.")
        self.model = load(name)
        self.steps, self.guidance = steps or spec.steps, spec.guidance
        self._scorer, self._states = load_scorer(spec.scorer), dict[str, Tensor]()
        self._kept: dict[Any, np.ndarray] = {}
        self.modules: list[Any] = [self.unet.get_submodule(s.path) for s in sites(self.unet)]
        prompts = read(attribute)
        few = choose(prompts, 12)
        self.choosing, self.confirming = (
            _pairs(half, 1 + 100 * i) for i, half in enumerate(halves(few))
        )
        values = list(dict.fromkeys(prompt.value for prompt in prompts))
        told, other = (_pairs(about(prompts, value)[:4], 300) for value in (values[0], values[-1]))
        self.taught, self.kept = told[:-1], [told[-1], other[0]]

    @property
    def unet(self) -> Any:
        return self.model.unet

    @property
    def layers(self) -> int:
        """How many cross-attention layers there are."""
        return len(self.modules)

    def tokens(self, prompt: str) -> list[str]:
        """A prompt's tokens [positions], from the start token on; padding is written as the end-of-text token is."""
        names = self.model.tokenizer.convert_ids_to_tokens(token_ids(self.model, prompt))
        return [name.removesuffix("</w>") for name in names]

    def position(self, prompt: str, words: str) -> int:
        """The position of the last token of some words of a prompt."""
        return positions(self.model, prompt, words).last_subject

    def states(self, prompt: str) -> Tensor:
        """A prompt's text states [positions, width], what every layer is given; padding has states too."""
        if prompt not in self._states:
            self._states[prompt] = self.model.encode([prompt]).states[0]
        return self._states[prompt]

    @torch.no_grad()
    def draw(self, told: Sequence[Told], seeds: Sequence[int], guided: Guided) -> Images:
        """Pictures [n, height, width, 3], uint8; one that was drawn before, by the same function and matrices, is not drawn again.

        Args:
            told: for each picture what its layers read, in the plain and in the told branch.
            seeds: of each picture's noise.
            guided: (plain prediction, told prediction, s) -> the prediction that is taken.
        """
        if len(told) != len(seeds):
            raise UserError(f"Each picture needs a seed: here are {len(told)} and {len(seeds)}.")
        for branch in (branch for one in told for branch in one):
            if isinstance(branch, str) or len(branch) != self.layers:
                raise UserError(f"Each branch needs a list of {self.layers} prompts, one a layer.")
        mark = sum(float(m.to_k.weight.sum() + m.to_v.weight.sum()) for m in self.modules)
        keys = [
            (guided, mark, tuple(plain), tuple(branch), seed)
            for (plain, branch), seed in zip(told, seeds)
        ]
        new = list(dict.fromkeys(key for key in keys if key not in self._kept))
        for i in range(0, len(new), TOGETHER):
            part = new[i : i + TOGETHER]
            made = self._drawn([key[2:4] for key in part], [key[4] for key in part], guided)
            self._kept.update(zip(part, made))
        return np.stack([self._kept[key] for key in keys])

    def _drawn(self, told: Sequence[Told], seeds: Sequence[int], guided: Guided) -> Images:
        scheduler = self.model.pipeline.scheduler
        scheduler.set_timesteps(self.steps)
        latents = torch.stack([self.model.noise(self.model.generator(seed)) for seed in seeds])
        rows = [*(plain for plain, _ in told), *(branch for _, branch in told)]
        with KeysValues(self.unet) as memory:
            memory.set(
                [torch.stack([self.states(row[i]) for row in rows]) for i in range(self.layers)]
            )
            for t in scheduler.timesteps:
                both = torch.cat([latents, latents])
                plain, altered = self.unet(both, t, encoder_hidden_states=None).sample.chunk(2)
                predicted = guided(plain, altered, self.guidance)
                latents = scheduler.step(predicted, t, latents).prev_sample
        return self.model.decode(latents)

    def score(self, images: Images, texts: Sequence[str]) -> np.ndarray:
        """CLIP-Scores [n], in points, of pictures with one text each."""
        seen = self._scorer.images(np.asarray(images))
        return clip_score(seen, self._scorer.texts(list(texts)))

    @contextmanager
    def edited(self, weights: Mapping[int, Sequence[Tensor]]) -> Iterator[None]:
        """``with bench.edited({layer: (W_K, W_V)}):`` the model with other matrices; on leaving it is as it was."""
        places = [
            (matrix.weight, new)
            for layer, pair in weights.items()
            for matrix, new in zip(
                (self.modules[layer].to_k, self.modules[layer].to_v), pair, strict=True
            )
        ]
        before = [weight.detach().clone() for weight, _ in places]
        try:
            with torch.no_grad():
                for weight, new in places:
                    weight.copy_(new)
            yield
        finally:
            with torch.no_grad():
                for (weight, _), old in zip(places, before):
                    weight.copy_(old)
