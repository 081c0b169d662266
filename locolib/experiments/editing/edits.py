"""Edits of a model: changes of weights, kept apart from the weights, applied and restored without a trace.

What LocoEdit, TIME, UCE and DiffQuickFix solve is one ridge regression with different keys, layers and weights; what
Concept Ablation and ESD-x train ends as a difference of weights too.  So all of them are an `Edit`.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import monotonic
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ... import UserError
from ...drawing.layers import sites
from ...drawing.text import Tokens, pairs
from ...models import Model
from ...models.attention import read
from ...models.encoders import encoders
from ...models.fingerprint import fingerprint
from ...models.memory import bring
from ...models.precision import exact
from ...prompts import Prompt

# Beyond it float64 gives fewer than six digits.  Size is no such limit: what an edit damages is measured (`judging`), not guessed.
LARGEST_CONDITION = 1e10
Told = tuple[str, str, list[tuple[int, int]]]
"""A prompt, what it should act like, and which tokens of the two are paired."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """What a method would change in a model.

    Attributes:
        method: how figures call it.
        deltas: by dotted path below the pipeline (``unet.mid_block...to_k.weight``), added to the weight of that name.
        sizes: relative size of each, its Frobenius norm divided by the weight's.
        condition: condition number of the system that was solved (the largest, over layers); NaN where nothing was solved.
        seconds: what it took.
        losses: of a method that trains: step -> loss (see `fine_tuning`).
    """

    method: str
    deltas: Mapping[str, Tensor] = field(repr=False)
    sizes: Mapping[str, float] = field(repr=False)
    condition: float
    seconds: float
    losses: Mapping[int, float] = field(default_factory=dict, repr=False)

    @property
    def size(self) -> float:
        """The largest relative size of a matrix's change."""
        return max(self.sizes.values(), default=0.0)

    @property
    def fingerprint(self) -> str:
        """Hash of the changes: part of the key of every image of the edited model."""
        found = hashlib.sha256()
        for path, delta in sorted(self.deltas.items()):
            found.update(path.encode() + delta.cpu().contiguous().numpy().tobytes())
        return found.hexdigest()[:32]

    def warning(self) -> str:
        """One sentence if the edit is out of the ordinary, else nothing."""
        if not self.size > 1e-6:
            return f"{self.method} changes next to nothing (relative size {self.size:.1e}): its keys and targets are the same."
        if self.condition > LARGEST_CONDITION:
            return f"{self.method} solved a system with condition number {self.condition:.0e}: a larger lambda makes it better posed."
        return ""


def edit(
    model: Model,
    method: str,
    deltas: Mapping[str, Tensor],
    *,
    condition: float = math.nan,
    seconds: float,
    losses: Mapping[int, float] | None = None,
) -> Edit:
    """An `Edit` with its relative sizes."""
    sizes = {
        path: float(
            delta.detach().float().norm()
            / parameter(model, path).detach().float().norm().to(delta.device)
        )
        for path, delta in deltas.items()
    }
    return Edit(
        method=method,
        deltas={path: delta.detach().float() for path, delta in deltas.items()},
        sizes=sizes,
        condition=condition,
        seconds=seconds,
        losses=losses or {},
    )


def parameter(model: Model, path: str) -> nn.Parameter:
    """A weight by its dotted path below the pipeline."""
    part, _, rest = path.partition(".")
    return getattr(model.pipeline, part).get_parameter(rest)


@contextmanager
def applied(model: Model, *edits: Edit) -> Iterator[Model]:
    """``with applied(model, edit) as edited:`` the same model with changed weights; on leaving they are bit-identical again.

    `edited` has a fingerprint of its own, so its images and runs are stored beside the plain model's.
    """
    before: dict[str, Tensor] = {}
    changed: dict[str, Tensor] = {}  # in float32, so that half weights are rounded once
    try:
        with torch.no_grad():
            for one in edits:
                for path, delta in one.deltas.items():
                    weight = parameter(model, path)
                    before.setdefault(path, weight.clone())
                    changed[path] = changed.get(path, weight.float()) + delta.to(weight.device)
            for path, weight in changed.items():
                parameter(model, path).copy_(weight)
        yield replace(model, marks=(*model.marks, *(one.fingerprint for one in edits)))
    finally:
        with torch.no_grad():
            for path, weight in before.items():
                parameter(model, path).copy_(weight)


def check_lambda(lambda_: float) -> None:
    """Refuse a lambda with which the system may have no answer."""
    if not 0 < lambda_ < math.inf:
        raise UserError(
            f"lambda must be above 0 and finite, not {lambda_}: with fewer keys than dimensions the system has no answer without it."
        )


@dataclass(frozen=True, kw_only=True)
class Solution:
    """What a closed form makes of every matrix W^ that reads the same keys: delta = W^ @ (left @ right).T, of rank n at most.

    Attributes:
        left, right: [width, n] and [n, width], float64.
        condition: condition number of X'X + lambda I.
    """

    left: Tensor
    right: Tensor
    condition: float

    def delta(self, weight: Tensor) -> Tensor:
        """The change [out, width] of a weight [out, width]; two thin products where there are few keys."""
        return exact(weight).to(self.left.device) @ self.right.T @ self.left.T


def ridge(keys: Tensor, targets: Tensor, lambda_: float) -> Solution:
    """LocoEdit's closed form without the weights (Section 6.1, closed form).

    The paper's W = (X'X + lambda I)^-1 (X'Y + lambda W^) with Y = X_target W^ is W^ + P W^ in its row convention, where
    P = (X'X + lambda I)^-1 X' (X_target - X) does not depend on W^: one small system serves all layers.  Computed in float64,
    in whichever of its two forms is smaller: X' (X X' + lambda I)^-1 is the same as (X'X + lambda I)^-1 X'.

    Args:
        keys: X [n, width], what the text states were.
        targets: X_target [n, width], what they should act like; equal to `keys` where nothing should change.
        lambda_: the paper's lambda.
    """
    check_lambda(lambda_)
    x, change = exact(keys), exact(targets) - exact(keys)
    n, width = x.shape
    gram = x @ x.T if n < width else x.T @ x
    eye = torch.eye(len(gram), dtype=x.dtype, device=x.device)
    if n < width:
        left, right = torch.linalg.solve(gram + lambda_ * eye, x).T, change
    else:
        left, right = torch.linalg.solve(gram + lambda_ * eye, x.T @ change), eye
    values = torch.linalg.eigvalsh(gram).clamp(min=0)
    smallest = values[0] if n >= width else 0.0
    return Solution(
        left=left, right=right, condition=float((values[-1] + lambda_) / (smallest + lambda_))
    )


def staying(model: Model, texts: Sequence[str]) -> list[Told]:
    """Texts that must act as they do, at every position, padding included."""
    return [(text, text, [(i, i) for i in range(model.tokens)]) for text in texts]


def told(model: Model, prompts: Sequence[Prompt], tokens: Tokens) -> list[Told]:
    """Prompts, what an edit makes them act like (T_i^t of Section 6.1), and the paired positions of `tokens`."""
    if not prompts:
        raise UserError("There are no prompts to edit with.")
    return [
        (prompt.original, prompt.edit_target, pairs(model, prompt, tokens)) for prompt in prompts
    ]


@torch.no_grad()
def keys(
    model: Model, lines: Sequence[Told], layers: Sequence[int]
) -> Iterator[tuple[Tensor, Tensor]]:
    """X_orig and X_target [n, width] of Section 6.1 for each layer: text states as its matrices read them."""
    states = _states(model, [text for line in lines for text in line[:2]])
    bring(model, "unet")
    every = sites(model.unet)
    for layer in layers:
        seen = {
            text: read(model.unet.get_submodule(every[layer].path), state)[0]
            for text, state in states.items()
        }
        yield (
            torch.cat(
                [seen[original][[here for here, _ in which]] for original, _, which in lines]
            ),
            torch.cat([seen[target][[there for _, there in which]] for _, target, which in lines]),
        )


# Of each text encoder: the fingerprint that it had, and the states [1, tokens, width] of texts by it.  A page makes some hundred
# edits from the same texts.
_READ: WeakKeyDictionary[nn.Module, tuple[str, dict[str, Tensor]]] = WeakKeyDictionary()
TOGETHER, MOST = 32, 512  # texts that are encoded at once, and that are remembered


def _states(model: Model, texts: Sequence[str]) -> dict[str, Tensor]:
    """Text states [1, tokens, width] by text, remembered for as long as the text encoders do not change."""
    parts = list(encoders(model.pipeline).values())
    now = fingerprint(parts, f"{model.dtype} {model.device}")
    before, known = _READ.get(parts[0], ("", {}))
    if before != now or len(known) > MOST:
        known = {}
    new = [text for text in dict.fromkeys(texts) if text not in known]
    for i in range(0, len(new), TOGETHER):
        batch = new[i : i + TOGETHER]
        known |= {text: state[None] for text, state in zip(batch, model.encode(batch).states)}
    _READ[parts[0]] = now, known
    return known


def check_layers(layers: Sequence[int], count: int) -> None:
    """Refuse a layer that a model of `count` layers does not have."""
    if outside := [i for i in layers if not 0 <= i < count]:
        raise UserError(
            f"Layer {outside[0]} is outside the model, whose layers are 0 to {count - 1}."
        )


def closed_form(
    model: Model, method: str, lines: Sequence[Told], layers: Sequence[int], lambda_: float
) -> Edit:
    """W_K and W_V of some layers such that what is told first acts there like what is told second: LocoEdit, TIME, UCE.

    Raises:
        UserError: a layer outside the model, lambda not above 0.
    """
    every = sites(model.unet)
    check_layers(layers, len(every))
    started, deltas, conditions, x = monotonic(), {}, [], None
    for layer, (own, targets) in zip(layers, keys(model, lines, layers)):
        if x is None or not torch.equal(x, own):  # most layers read the same states: solved once
            x, solved = own, ridge(own, targets, lambda_)
            conditions.append(solved.condition)
        for path in (every[layer].key, every[layer].value):
            deltas[f"unet.{path}.weight"] = solved.delta(model.unet.get_submodule(path).weight)
    return edit(
        model,
        method,
        deltas,
        condition=max(conditions, default=math.nan),
        seconds=monotonic() - started,
    )
