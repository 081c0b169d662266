"""LocoEdit (Section 6.1): the keys and values of a few layers made to treat one phrase as another, in closed form.

Which text states are the keys is a choice (`text.TOKENS`): the paper says the subject's last token; the authors' code takes the
prompt's last one.

LocoEdit that spares (ours): the paper's system holds only pairs that change, so it is free in all other directions, and other
artists and plain photos change with it.  `sparing` adds rows that must stay, with themselves as targets, at all positions:
other values of the attribute, the edit's own targets, other prompts, and the empty prompt of the unconditional branch (`kept`).
UCE (Gandikota et al. 2024) keeps rows too, of all layers; this changes the located ones only.
"""

from collections.abc import Sequence

from ...drawing.text import Tokens
from ...models import Model
from ...prompts import (
    ATTRIBUTES,
    Prompt,
    generic_halves,
    generic_of,
    listed,
    others,
    revalued,
    reworded,
)
from .edits import Edit, closed_form, staying, told

LAMBDA = 0.01  # lambda_K and lambda_V of App. H
SPARES = "LocoEdit that spares"


def locoedit(
    model: Model,
    prompts: Sequence[Prompt],
    layers: Sequence[int],
    *,
    tokens: Tokens = "subject",
    lambda_: float = LAMBDA,
) -> Edit:
    """W_K and W_V of `layers` such that each original prompt acts there like its target (Section 6.1, objective).

    Prompts of several attributes or values together are one edit of all of them.

    Raises:
        UserError: no prompts, a layer outside the model, unknown tokens, lambda not above 0.
    """
    return closed_form(model, "LocoEdit", told(model, prompts, tokens), layers, lambda_)


def kept(
    known: Sequence[Prompt], value: str, train: Sequence[Prompt], *, bundled: bool = True
) -> tuple[str, ...]:
    """The texts that must stay when `value` is edited by the prompts `train`.

    Args:
        known: prompts of the attribute, of which those about other values stay: the training prompts with another artist in
            them for a style, else those that name another value.
        bundled: whether the model is a miniature, whose generic prompts are of its own world.

    Returns:
        Those; the targets; the study's prompts about other attributes; half of the generic prompts (`judging` asks the other
        half); the empty prompt.  None names the value.  A few generic prompts are not enough: where a layer holds all objects,
        those that no row names move with the edited one.
    """
    attribute = train[0].attribute
    if attribute == "style":
        stay = [
            revalued(prompt, other).original for other in others(known, value) for prompt in train
        ]
    else:
        stay = [prompt.original for prompts in others(known, value).values() for prompt in prompts]
    besides = [
        prompt.original
        for other in ATTRIBUTES
        if other != attribute
        for prompt in listed(other, printed=not bundled)
    ]
    told, asked = generic_halves([value], generic_of(bundled))
    texts = [
        *stay,
        *(text for prompt in train for text in (prompt.target, prompt.edit_target)),
        *besides,
        *told,
        "",
    ]
    return tuple(
        text
        for text in dict.fromkeys(texts)
        if value.lower() not in text.lower() and text not in asked
    )


def sparing(
    model: Model,
    prompts: Sequence[Prompt],
    layers: Sequence[int],
    keep: Sequence[str],
    *,
    tokens: Tokens = "onward",
    lambda_: float = LAMBDA,
) -> Edit:
    """W_K and W_V of `layers` such that each original acts there like its target, while every text of `keep` acts as it does.

    A style becomes the prompt without the artist (ours): these are captions that every model has seen, "in the style of a
    painting" is none that a planted model knows.

    Raises:
        UserError: no prompts, a layer outside the model, unknown tokens, lambda not above 0.
    """
    lines = told(model, reworded(prompts, "plain"), tokens)
    return closed_form(model, SPARES, [*lines, *staying(model, keep)], layers, lambda_)
