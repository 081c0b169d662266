"""LocoEdit (Section 6.1): the keys and values of a few layers made to treat one phrase as another, in closed form.

Which text states are the keys is a choice (`text.TOKENS`): the paper says the subject's last token; the authors' code takes the
prompt's last one.

LocoEdit that spares (ours): the paper's system holds only pairs that change, so it is free in all other directions, and other
artists and plain photos change with it.  `sparing` adds rows that must stay, with themselves as targets, at all positions:
other values of the attribute, the edit's own targets, some generic prompts, and the empty prompt of the unconditional branch.
UCE (Gandikota et al. 2024) keeps rows too, of all layers; this changes the located ones only.
"""

from collections.abc import Sequence

from .edits import Edit, closed_form, staying, told
from .models import Model
from .prompts import Prompt, generic_halves, others, revalued
from .text import Tokens

LAMBDA = 0.01  # lambda_K and lambda_V of App. H
SPARES = "LocoEdit that spares"
GENERIC = 8  # generic prompts among the rows that must stay


def locoedit(
    model: Model, prompts: Sequence[Prompt], layers: Sequence[int], *, tokens: Tokens = "subject", lambda_: float = LAMBDA,
) -> Edit:
    """W_K and W_V of `layers` such that each original prompt acts there like its target (Section 6.1).

    Prompts of several attributes or values together are one edit of all of them.

    Raises:
        UserError: no prompts, a layer outside the model, unknown tokens, lambda not above 0.
    """
    return closed_form(model, "LocoEdit", told(model, prompts, tokens), layers, lambda_)


def kept(known: Sequence[Prompt], value: str, train: Sequence[Prompt], *, generic: Sequence[str] | None = None) -> tuple[str, ...]:
    """The texts that must stay when `value` is edited by the prompts `train`.

    Args:
        known: prompts of the attribute, of which those about other values stay: the training prompts with another artist in
            them for a style, else those that name another value.
        generic: prompts that no edit is about; default: eight whose objects `judging` does not ask for.
    """
    if generic is None:
        pool = generic_halves([value])[0]
        generic = pool[:: max(1, len(pool) // GENERIC)][:GENERIC]
    if train[0].attribute == "style":
        stay = [revalued(prompt, other).original for other in others(known, value) for prompt in train]
    else:
        stay = [prompt.original for prompts in others(known, value).values() for prompt in prompts]
    texts = [*stay, *(prompt.target for prompt in train), *generic, ""]
    changed = {prompt.original for prompt in train}
    return tuple(text for text in dict.fromkeys(texts) if text not in changed)


def sparing(model: Model, prompts: Sequence[Prompt], layers: Sequence[int], keep: Sequence[str], *, tokens: Tokens = "onward",
            lambda_: float = LAMBDA) -> Edit:
    """W_K and W_V of `layers` such that each original acts there like its target, while every text of `keep` acts as it does.

    Raises:
        UserError: no prompts, a layer outside the model, unknown tokens, lambda not above 0.
    """
    return closed_form(model, SPARES, [*told(model, prompts, tokens), *staying(model, keep)], layers, lambda_)
