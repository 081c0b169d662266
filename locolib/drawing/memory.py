"""A row's text memory: the keys and values that text sends into the cross-attention layers.

Everything the paper does to a UNet changes one thing, the K and V of some layers, and these do not depend on the time
step.  So they are computed once for each distinct prompt and layer, kept, and gathered by row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .. import UserError
from ..models import Encoded, Model
from ..models.attention import project, reader
from ..models.memory import KEPT, bring
from ..models.shapes import PerLayer, TextStates
from .layers import sites
from .text import Corrupted, encode


@dataclass(frozen=True, kw_only=True)
class Altered:
    """LocoGen's altered input: `layers` receive `prompt` instead of the row's own (Section 5.1.1, altered prediction).

    It acts on the conditional branch alone: the paper's eps(z_t, c, c', t).  With `positions` only these token positions of
    the layers' keys and values are the other prompt's; without, all are.
    """

    layers: tuple[int, ...]
    prompt: str
    positions: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """Dropped neurons (Section 7): outputs of one layer's W_K or W_V are set to fixed values, at every token.

    It acts on the conditional branch alone, as `Altered` does.

    Attributes:
        layer, matrix: which layer's keys or values.
        neurons: which of their outputs, counted over all heads.
        values: what they are set to, one for each; empty: zero.
    """

    layer: int
    matrix: Literal["key", "value"]
    neurons: tuple[int, ...]
    values: tuple[float, ...] = ()


Text = str | Corrupted
TOGETHER = 16  # prompts that a text encoder reads at once


@dataclass(frozen=True, kw_only=True)
class Row:
    """One image: a prompt, a seed, and what is done to it.

    Attributes:
        prompt: what the text encoder reads.
        seed: of the image's own noise generator.
        negative: the prompt of the unconditional branch.
        changes: interventions; where two alter the same layer, the later one counts; neurons are dropped after that.
        pooled: the prompt whose pooled text bypasses the layers (SDXL, DeepFloyd); None is the row's own.
        restored: dotted path of the UNet's module whose output is copied, at every step, from the same row with the clean
            prompt; for corrupted prompts (Section 4).
    """

    prompt: Text
    seed: int
    negative: str = ""
    changes: tuple[Altered | Dropped, ...] = ()
    pooled: str | None = None
    restored: str = ""

    def prompt_at(self, layer: int) -> Text:
        """The prompt that `layer` receives in the conditional branch."""
        told = [
            change.prompt
            for change in self.changes
            if isinstance(change, Altered) and layer in change.layers and not change.positions
        ]
        return told[-1] if told else self.prompt

    def prompts(self) -> set[Text]:
        """All prompts that this row needs text states of."""
        return {
            self.prompt,
            self.negative,
            self.bypassing,
            *(c.prompt for c in self.changes if isinstance(c, Altered)),
        }

    @property
    def bypassing(self) -> Text:
        """The prompt that bypasses the layers of the conditional branch, where the model has such a way."""
        return self.prompt if self.pooled is None else self.pooled


def check(rows: Iterable[Row], layers: int) -> None:
    """Refuse a row that alters a layer which the model does not have."""
    for row in rows:
        named = [
            layer
            for c in row.changes
            for layer in (c.layers if isinstance(c, Altered) else (c.layer,))
        ]
        outside = [layer for layer in named if not 0 <= layer < layers]
        if outside:
            raise UserError(
                f"Layer {outside[0]} is outside the model, whose layers are 0 to {layers - 1}."
            )


class KeysValues:
    """``with KeysValues(unet) as memory:`` makes every cross-attention layer read K and V from `memory`.

    On leaving, the layers are as they were before.
    """

    def __init__(self, unet: nn.Module) -> None:
        self.modules = [unet.get_submodule(site.path) for site in sites(unet)]
        self._readers = [reader(module) for module in self.modules]
        self._before: list[Any] = []

    def __enter__(self) -> "KeysValues":
        self._before = [module.processor for module in self.modules]
        for module, processor in zip(self.modules, self._readers):
            module.set_processor(processor)
        return self

    def __exit__(self, *error: object) -> None:
        for module, before in zip(self.modules, self._before):
            module.set_processor(before)
        for processor in self._readers:
            processor.text = processor.bias = None

    def load(
        self, keys: Sequence[PerLayer], values: Sequence[PerLayer], bias: Tensor | None = None
    ) -> None:
        """Give each layer its K and V, [rows, heads, tokens, d]; `bias` [1, tokens] is added to all attention logits."""
        for processor, key, value in zip(self._readers, keys, values, strict=True):
            processor.text, processor.bias = (key, value), bias

    def set(self, states: Sequence[TextStates], bias: Tensor | None = None) -> None:
        """Project each layer's own text states [rows, tokens, width] (with gradients: training uses this)."""
        pairs = [project(module, state) for module, state in zip(self.modules, states, strict=True)]
        self.load([k for k, _ in pairs], [v for _, v in pairs], bias)


class TextMemory:
    """K and V of every distinct prompt, and its pooled text where there is one: computed once and gathered by row."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._modules = [model.unet.get_submodule(site.path) for site in sites(model.unet)]
        self._encoded: dict[Text, Encoded] = {}  # on the CPU: small, and few enough for any plan
        self.forget()

    def __len__(self) -> int:
        """Prompts whose keys and values are kept."""
        return len(self._number)

    def forget(self) -> None:
        """Let go of keys and values; what the text encoders gave stays, so that they are not needed again."""
        self._number: dict[Text, int] = {}
        self._kept: list[tuple[PerLayer, PerLayer]] = []  # per layer: K and V, rows are prompts
        self._pooled: Tensor | None = None  # rows are prompts

    def trim(self) -> None:
        """Forget keys and values if they take more than `models.memory.KEPT`."""
        if sum(part.nbytes for pair in self._kept for part in pair) > KEPT:
            self.forget()

    @torch.no_grad()
    def encode(self, prompts: Iterable[Text]) -> None:
        """Text states of prompts not seen before (a prompt's depend on it alone, up to rounding); corrupted ones one by one.

        Of a whole plan at once, before the first image: then a text encoder that leaves the device need not come again.
        """
        new = sorted({p for p in prompts if p not in self._encoded}, key=repr)
        for prompt in new:
            if not isinstance(prompt, str):
                self._keep([prompt], encode(self._model, prompt))
        plain = [prompt for prompt in new if isinstance(prompt, str)]
        for i in range(0, len(plain), TOGETHER):
            self._keep(plain[i : i + TOGETHER], self._model.encode(plain[i : i + TOGETHER]))

    def _keep(self, prompts: Sequence[Text], made: Encoded) -> None:
        states, pooled = made.states.cpu(), None if made.pooled is None else made.pooled.cpu()
        for i, prompt in enumerate(prompts):
            own = None if pooled is None else pooled[i : i + 1]
            self._encoded[prompt] = Encoded(states=states[i : i + 1], pooled=own)

    @torch.no_grad()
    def prepare(self, prompts: Iterable[Text]) -> None:
        """Compute K and V of prompts of which none are kept."""
        new = sorted({prompt for prompt in prompts if prompt not in self._number}, key=repr)
        if not new:
            return
        self.encode(new)
        bring(self._model, "unet")
        encoded, device = [self._encoded[prompt] for prompt in new], self._model.device
        states = torch.cat([e.states for e in encoded]).to(device)
        if encoded[0].pooled is not None:
            more = [e.pooled.to(device) for e in encoded if e.pooled is not None]
            self._pooled = torch.cat([*([] if self._pooled is None else [self._pooled]), *more])
        for layer, module in enumerate(self._modules):
            key, value = (part.contiguous() for part in project(module, states))
            if self._number:
                keys, values = self._kept[layer]
                self._kept[layer] = torch.cat([keys, key]), torch.cat([values, value])
            else:
                self._kept.append((key, value))
        self._number |= {prompt: len(self._number) + i for i, prompt in enumerate(new)}

    def gather(
        self, rows: Sequence[Row], *, guided: bool
    ) -> tuple[list[PerLayer], list[PerLayer], Tensor | None]:
        """Each layer's K and V for a batch, [rows or 2 * rows, heads, tokens, d], and pooled text: unconditional rows first."""
        self.prepare(set().union(*(row.prompts() for row in rows)))
        before = [self._number[row.negative] for row in rows] if guided else []
        keys, values = [], []
        places: dict[tuple[int, ...], Tensor] = {}  # most layers are told the same
        for layer, (key, value) in enumerate(self._kept):
            told = tuple(self._number[row.prompt_at(layer)] for row in rows)
            if told not in places:
                places[told] = torch.tensor([*before, *told], device=key.device)
            index = places[told]
            keys.append(_dropped(self._placed(key[index], key, rows, layer), rows, layer, "key"))
            values.append(
                _dropped(self._placed(value[index], value, rows, layer), rows, layer, "value")
            )
        bypassing = [*before, *(self._number[row.bypassing] for row in rows)]
        return keys, values, None if self._pooled is None else self._pooled[bypassing]

    def _placed(
        self, gathered: PerLayer, kept: Tensor, rows: Sequence[Row], layer: int
    ) -> PerLayer:
        """Put another prompt's K or V at single token positions of the conditional rows, which are the last ones (in place)."""
        for row, own in zip(rows, gathered[-len(rows) :]):  # [heads, tokens, d]
            for change in row.changes:
                if isinstance(change, Altered) and change.positions and layer in change.layers:
                    own[:, list(change.positions)] = kept[self._number[change.prompt]][
                        :, list(change.positions)
                    ]
        return gathered


def _dropped(gathered: PerLayer, rows: Sequence[Row], layer: int, matrix: str) -> PerLayer:
    """Set the neurons that rows drop in this layer, in the conditional rows, which are the last ones (in place)."""
    for row, kept in zip(rows, gathered[-len(rows) :]):  # [heads, tokens, d]
        for change in row.changes:
            if isinstance(change, Dropped) and (change.layer, change.matrix) == (layer, matrix):
                neurons = torch.tensor(
                    change.neurons, dtype=torch.long
                )  # long also where there are none
                head, place = neurons // kept.shape[-1], neurons % kept.shape[-1]
                values = torch.tensor(
                    change.values or [0.0] * len(change.neurons),
                    dtype=kept.dtype,
                    device=kept.device,
                )
                kept[head, :, place] = values[:, None]
    return gathered
