"""Other methods that edit a text-to-image model (App. I), each as an `Edit`: the same prompts, the same pairs of tokens.

Closed form, here: TIME, UCE (keys and values of all layers) and DiffQuickFix (the text encoder's first self-attention).  Trained, in
`fine_tuning`: Concept Ablation (keys and values) and ESD-x (all of the cross-attention).  Each follows its paper's equations with
that paper's constants where they have a meaning at any width; docstrings say where not.
"""

from collections.abc import Sequence
from time import monotonic

import torch
from torch import Tensor

from ...drawing.hooks import recording
from ...drawing.layers import sites
from ...drawing.text import Tokens, token_ids
from ...models import Model, encoders, text_states
from ...prompts import Prompt
from .edits import Edit, closed_form, edit, ridge, told
from .fine_tuning import (
    Training,
    concept_ablation,
    curves,
    esd_x,
    fine_tuned,
    flat,
    plan_words,
    words,
)

__all__ = [
    "Training",
    "concept_ablation",
    "curves",
    "diffquickfix",
    "esd_x",
    "fine_tuned",
    "flat",
    "plan_words",
    "time",
    "uce",
    "words",
]


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
    """UCE (Gandikota et al. 2024, Eq. 7): as TIME, while every word of the texts in `keep` stays what it is.

    All rows weigh the same: their script's weight of what is kept is absent, as is what debiases.
    """
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
    SDXL has two such encoders: each is edited.  (App. I runs it in Stable Diffusion v1.5 and v2.1, Fig. 57.)
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
