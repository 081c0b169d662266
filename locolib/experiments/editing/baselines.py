"""Other methods that edit a text-to-image model (App. I), each as an `Edit`: the same prompts, the same pairs of tokens.

Closed form: TIME, UCE (keys and values of all layers) and DiffQuickFix (the text encoder's first self-attention).  Fine-tuned:
Concept Ablation (keys and values) and ESD-x (all of the cross-attention).  Each follows its paper's equations with that paper's
constants where they have a meaning at any width; docstrings say where not.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from ...drawing.hooks import recording
from ...drawing.layers import sites
from ...drawing.memory import KeysValues, Row, TextMemory
from ...drawing.sampling import Settings, denoise
from ...drawing.text import Tokens, encode, token_ids
from ...models import Encoded, Model, encoders, text_states
from ...prompts import Prompt
from .edits import Edit, closed_form, edit, ridge, told


def time(
    model: Model, prompts: Sequence[Prompt], *, tokens: Tokens = "onward", lambda_: float = 0.1
) -> Edit:
    """TIME (Orgad et al. 2023, Eq. 5): keys and values of *all* layers, lambda = 0.1, no other text kept in place."""
    return closed_form(
        model, "TIME", told(model, prompts, tokens), range(len(sites(model.unet))), lambda_
    )


def uce(
    model: Model,
    prompts: Sequence[Prompt],
    keep: Sequence[str],
    *,
    tokens: Tokens = "onward",
    lambda_: float = 0.1,
) -> Edit:
    """UCE (Gandikota et al. 2024, Eq. 7): as TIME, while every word of the texts in `keep` stays what it is."""
    end = model.tokenizer.eos_token_id
    kept = [
        (text, text, [(i, i) for i in range(token_ids(model, text).index(end) + 1)])
        for text in keep
    ]
    return closed_form(
        model, "UCE", [*told(model, prompts, tokens), *kept], range(len(sites(model.unet))), lambda_
    )


@torch.no_grad()
def diffquickfix(
    model: Model, prompts: Sequence[Prompt], *, tokens: Tokens = "subject", lambda_: float = 0.01
) -> Edit:
    """DiffQuickFix (Basu et al. 2023): the output matrix of the text encoder's first self-attention, in closed form.

    Its keys are what that matrix reads at the paired tokens of the original; its values what it gives at those of the target.
    SDXL has two such encoders: each is edited.
    """
    started, deltas, conditions = monotonic(), {}, []
    for name, encoder in encoders(model.pipeline).items():
        first = next(
            state.path
            for state in text_states(model.pipeline)
            if state.encoder == name and state.kind == "attention"
        )
        path = (
            f"{first}.out_proj"
            if hasattr(encoder.get_submodule(first), "out_proj")
            else f"{first}.o"
        )  # CLIP's name, or T5's
        own: list[Tensor] = []
        targets: list[Tensor] = []
        with recording({"read": encoder.get_submodule(path)}, inputs=True) as seen:
            for original, target, which in told(model, prompts, tokens):
                for text, kept, side in ((original, own, 0), (target, targets, 1)):
                    model.encode([text])
                    kept.append(seen["read"][0, [pair[side] for pair in which]])
        solved = ridge(torch.cat(own), torch.cat(targets), lambda_)
        deltas[f"{name}.{path}.weight"] = solved.delta(encoder.get_submodule(path).weight)
        conditions.append(solved.condition)
    return edit(
        model, "DiffQuickFix", deltas, condition=max(conditions), seconds=monotonic() - started
    )


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a fine-tuned baseline is trained.

    Attributes:
        steps, batch: of Adam, and images of each.
        rate: learning rate; the papers' 1e-5 and 2e-6 are for weights ten times as wide, trained for longer.
        seed: of the images, the noise and the time steps.
    """

    steps: int = 60
    batch: int = 8
    rate: float = 3e-4
    seed: int = 0


Predict = Callable[[Encoded], Tensor]
"""What the model as it was predicts of one noisy batch, told these texts [batch, ...]."""


def concept_ablation(
    model: Model, prompts: Sequence[Prompt], training: Training, settings: Settings
) -> Edit:
    """Concept Ablation (Kumari et al. 2023, Eq. 4, model-based): told the original, predict what the target would have given.

    It trains the keys and values of all layers, on pictures of the targets.
    """
    trained = [path for site in sites(model.unet) for path in (site.key, site.value)]
    return _finetuned(
        model,
        "Concept Ablation",
        prompts,
        trained,
        lambda was, original, target, nothing: was(target),
        training,
        settings,
        shown="target",
    )


def esd_x(
    model: Model,
    prompts: Sequence[Prompt],
    training: Training,
    settings: Settings,
    *,
    negative: float = 1.0,
) -> Edit:
    """ESD-x (Gandikota et al. 2023, Eq. 7): told the original, predict its opposite as seen from no text at all.

    It trains all of the cross-attention, on noised pictures of the originals (the authors denoise part of the way instead).  It
    has no target: it erases, and does not say what comes in its place.
    """
    trained = [
        f"{site.path}.{name}"
        for site in sites(model.unet)
        for name, module in model.unet.get_submodule(site.path).named_modules()
        if isinstance(module, nn.Linear)
    ]

    def away(was: Predict, original: Encoded, target: Encoded, nothing: Encoded) -> Tensor:
        plain = was(nothing)
        return plain - negative * (was(original) - plain)

    return _finetuned(model, "ESD-x", prompts, trained, away, training, settings, shown="original")


def _finetuned(
    model: Model,
    method: str,
    prompts: Sequence[Prompt],
    trained: Sequence[str],
    goal: Callable[..., Tensor],
    training: Training,
    settings: Settings,
    *,
    shown: str,
) -> Edit:
    """Train some matrices of a copy of the UNet so that, told the original, it predicts `goal`; the model stays as it is."""
    started, rng = monotonic(), torch.Generator().manual_seed(training.seed)
    student = copy.deepcopy(model.unet).requires_grad_(False)
    weights = {
        f"{path}.weight": student.get_submodule(path).weight.requires_grad_() for path in trained
    }
    optimizer = torch.optim.Adam(weights.values(), lr=training.rate)
    known = [
        [encode(model, text) for text in texts]
        for texts in zip(*((p.original, p.target, "") for p in prompts))
    ]
    rows = [Row(prompt=getattr(p, shown), seed=training.seed + i) for i, p in enumerate(prompts)]
    pictures = denoise(model, rows, settings, TextMemory(model))
    with KeysValues(student) as learning, KeysValues(model.unet) as frozen:
        for _ in tqdm(range(training.steps), desc=method, mininterval=5):
            pick = torch.randint(len(prompts), (training.batch,), generator=rng).tolist()
            t = torch.randint(
                model.pipeline.scheduler.config.num_train_timesteps,
                (training.batch,),
                generator=rng,
            ).to(model.device)
            noise = torch.randn(pictures[pick].shape, generator=rng).to(pictures)
            noisy = model.pipeline.scheduler.add_noise(pictures[pick], noise, t)
            original, target, nothing = (_together([texts[i] for i in pick]) for texts in known)
            with torch.no_grad():
                wanted = goal(
                    lambda text: _predicted(model, model.unet, frozen, noisy, t, text),
                    original,
                    target,
                    nothing,
                )
            loss = F.mse_loss(_predicted(model, student, learning, noisy, t, original), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    deltas = {
        f"unet.{path}": weight.detach() - model.unet.get_parameter(path)
        for path, weight in weights.items()
    }
    return edit(model, method, deltas, seconds=monotonic() - started)


def _together(texts: Sequence[Encoded]) -> Encoded:
    """One batch of texts."""
    pooled = (
        None
        if texts[0].pooled is None
        else torch.cat([text.pooled for text in texts if text.pooled is not None])
    )
    return Encoded(states=torch.cat([text.states for text in texts]), pooled=pooled)


def _predicted(
    model: Model, unet: nn.Module, memory: KeysValues, noisy: Tensor, t: Tensor, text: Encoded
) -> Tensor:
    """What a UNet predicts of a noisy batch (DeepFloyd: without the variance)."""
    memory.set([text.states] * len(memory.modules))
    return unet(noisy, t, **model.conditions(text.pooled)).sample[:, : noisy.shape[1]]
