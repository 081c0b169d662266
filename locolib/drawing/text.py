"""Prompts as text encoders see them: where the subject, the end and the padding stand; clean and corrupted states.

Positions come from the tokenizer, never from a literal: the paper's "last subject token" (Section 6.1) is the last token of
the subject, which in "Monet style painting of a person" is not the last token of the prompt (see the book's page switchboard).
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .. import Notice, UserError
from ..models import Encoded, Model, TextState, encoders
from ..prompts import Prompt
from .hooks import all_of, copying, replacing
from .words import by_letters

Tokens = Literal["subject", "last", "onward", "eos", "all"]
TOKENS: dict[Tokens, str] = {
    "subject": "the subject's last token (the paper)",
    "last": "the prompt's last token (the authors' code)",
    "onward": "from the subject's last token onward, padding included",
    "eos": "the end-of-text token",
    "all": "all tokens",
}


@dataclass(frozen=True, kw_only=True)
class Positions:
    """Token positions of one prompt, counted from 0 with the start token.

    Attributes:
        subject: positions of the subject's tokens, in order.
        last_subject: the last of them.
        eos: position of the end-of-text token.
        pads: positions after it.
    """

    subject: tuple[int, ...]
    eos: int
    pads: tuple[int, ...]

    @property
    def last_subject(self) -> int:
        return self.subject[-1]


def token_ids(model: Model, prompt: str) -> list[int]:
    """Ids of a prompt as the text encoder receives it, padded to the tokenizer's length."""
    return model.token_ids([prompt])[0].tolist()


def positions(model: Model, prompt: str, subject: str) -> Positions:
    """Where `subject` stands in `prompt`; its last occurrence, if there are several.

    Raises:
        UserError: the subject's tokens do not occur, or lie behind the encoder's last position.
    """
    ids, found = token_ids(model, prompt), _at(model, prompt, subject)
    if not found:
        raise UserError(
            f"The subject {subject!r} does not occur in {prompt!r} within {len(ids)} tokens; name words of the prompt."
        )
    eos = ids.index(model.tokenizer.eos_token_id)
    return Positions(subject=found, eos=eos, pads=tuple(range(eos + 1, len(ids))))


def _at(model: Model, prompt: str, subject: str) -> tuple[int, ...]:
    """Positions of the subject's tokens where they occur last in a prompt, before its end; none where they do not."""
    every = _everywhere(model, prompt, subject)
    return every[-1] if every else ()


def _everywhere(model: Model, prompt: str, words: str) -> list[tuple[int, ...]]:
    """Positions of some words' tokens in a prompt, before its end, once for each time that they occur."""
    ids, wanted = token_ids(model, prompt), [number for number, _, _ in model.pieces(words)]
    end = ids.index(model.tokenizer.eos_token_id)
    found = [
        tuple(range(i, i + len(wanted)))
        for i in range(end - len(wanted) + 1)
        if wanted and ids[i : i + len(wanted)] == wanted
    ]
    return found or [at for at in by_letters(model, prompt, words, ids[0]) if at[-1] < end]


def read_and_cut(model: Model, prompt: str) -> tuple[str, str]:
    """A prompt in two parts: what the text encoder reads, and what it never does because it takes no more tokens ("" nearly always)."""
    text, pieces = model.spelt(prompt), model.pieces(prompt)
    end = pieces[model.room][2] if len(pieces) > model.room else len(text)
    return text[:end], text[end:].strip()


def special(model: Model, prompt: str) -> str:
    """A special token that is written out in a prompt, such as ``<|endoftext|>``: the tokenizer takes it for its own."""
    known = {
        mark for mark in model.tokenizer.all_special_tokens if len(mark) > 1
    }  # one sign, "!", is only a padding's name
    if (unknown := model.tokenizer.unk_token) != model.tokenizer.eos_token:
        known -= {
            unknown
        }  # T5's: what stands for a letter that it does not know was not written out
    return next((name for _, name, _ in model.pieces(prompt) if name in known), "")


def warn_unread(model: Model, texts: Sequence[str]) -> None:
    """A `Notice` for each text given by hand of which the model does not read all as words: a special token, or words behind its last token."""
    for text in dict.fromkeys(texts):
        if mark := special(model, text):
            warnings.warn(
                f"{model.name} reads {mark!r} in {text!r} as a sign of its own and not as words; remove it.",
                Notice,
                stacklevel=2,
            )
        if behind := read_and_cut(model, text)[1]:
            warnings.warn(
                f"{model.name} reads {model.tokens} tokens of a prompt, and never these words at the end of one: {behind!r}.",
                Notice,
                stacklevel=2,
            )


def check_prompts(model: Model, prompts: Sequence[Prompt], where: str = "") -> None:
    """Refuse prompts of which the model does not read what counts.

    Args:
        where: the file that they were read from; without it a prompt is named by its words.

    Raises:
        UserError: one contains a special token; the value or the subject stands behind the last token that the encoder reads,
            or the target's end does, unless the original ends so too; the subject is no tokens of the original, or the target's
            subject none of what an edit is told; or the original and the target are the same tokens.
    """
    for i, prompt in enumerate(prompts):
        place = f"{where}, row {prompt.row or i + 2}" if where else f"Prompt {prompt.original!r}"
        for column in ("original", "target", "edit_target"):
            text = getattr(prompt, column)
            if mark := special(model, text):
                raise UserError(
                    f"{place}, column {column!r}: {model.name} reads {mark!r} as a sign of its own and not as words; remove it."
                )
            if lost := _lost(model, prompt, column):
                raise UserError(
                    f"{place}, column {column!r}: {model.name} reads {model.tokens} tokens, and {lost!r} stands behind them; shorten the prompt."
                )
        if token_ids(model, prompt.original) == token_ids(model, prompt.target):
            raise UserError(
                f"{place}, column 'target': to the tokenizer of {model.name} {prompt.target!r} is the same as the original, "
                "so altering it can have no effect; name another target."
            )
        for column, words, text, of in (
            ("subject", prompt.subject, prompt.original, "the original"),
            ("target_subject", prompt.target_subject, prompt.edit_target, "what an edit is told"),
        ):
            if (words or column == "subject") and not _at(model, text, words):
                raise UserError(
                    f"{place}, column {column!r}: {words!r} is no whole word of {of} to the tokenizer of {model.name}; name whole words."
                )


def _lost(model: Model, prompt: Prompt, column: str) -> str:
    """Words that count and that the model never reads, of the original or a target: "" where it reads them."""
    text, behind = read_and_cut(model, getattr(prompt, column))
    if column != "original":  # what both prompts end in says nothing of how they differ
        return (
            "" if model.spelt(prompt.original).rstrip().lower().endswith(behind.lower()) else behind
        )
    return next(
        (
            word
            for word in (prompt.value, prompt.subject)
            if behind and word.lower() not in text.lower()
        ),
        "",
    )


def check_tokens(tokens: str) -> None:
    """Refuse a choice of tokens that there is not."""
    if tokens not in TOKENS:
        raise UserError(f"Unknown tokens {tokens!r}; choose one of {', '.join(TOKENS)}.")


def pairs(model: Model, prompt: Prompt, tokens: Tokens) -> list[tuple[int, int]]:
    """(position in the original, position in the edit's target) of each token that an edit maps, and what it should act like.

    The subject's last token is paired with the last token of the target's subject (Section 6.1: c_i^t of T_i^t).  Where a
    prompt names no such subject it is the target's last word, or what stands in the subject's place: where words follow the
    subject in both prompts, they are paired with each other.
    """
    check_tokens(tokens)
    here, there = token_ids(model, prompt.original), token_ids(model, prompt.edit_target)
    end = model.tokenizer.eos_token_id
    subject, eos, target_eos = (
        positions(model, prompt.original, prompt.subject).last_subject,
        here.index(end),
        there.index(end),
    )
    last = _instead(model, prompt, here[subject + 1 : eos], there[:target_eos])
    if tokens == "subject":
        return [(subject, last)]
    if tokens == "last":
        return [(eos - 1, target_eos - 1)]
    if tokens == "eos":
        return [(eos, target_eos)]
    if tokens == "all":
        return [(i, i) for i in range(len(here))]
    return [(subject + i, last + i) for i in range(min(len(here) - subject, len(there) - last))]


def _instead(model: Model, prompt: Prompt, behind: list[int], there: list[int]) -> int:
    """Position in the edit's target of the token that stands for the subject's last one.

    Args:
        behind: ids of the original's tokens that follow the subject.
        there: ids of the target's tokens before its end.
    """
    # T5 has no start token; one word is left for the subject in any case
    first = int(there[:1] == [model.tokenizer.bos_token_id])
    after = 0  # words that follow the subject and end the target too
    while (
        after < min(len(behind), len(there) - 1 - first)
        and behind[len(behind) - 1 - after] == there[len(there) - 1 - after]
    ):
        after += 1
    place = len(there) - 1 - after
    if not prompt.target_subject:
        return place
    named = positions(model, prompt.edit_target, prompt.target_subject).last_subject
    every = _everywhere(model, prompt.edit_target, prompt.target_subject)
    return place if any(at[-1] == place for at in every) else named


@dataclass(frozen=True, kw_only=True)
class Corrupted:
    """A prompt whose subject is corrupted: Gaussian noise on the embeddings of its tokens (Section 4; Basu et al. 2023).

    Attributes:
        prompt, subject: the prompt and the words of it that are corrupted.
        size: standard deviation of the noise, in units of that of the subject's own token embeddings (a table's other
            embeddings may never have been trained, and then say nothing of how large those are that matter).
        seed: of the noise.
        restored: one state of a text encoder that is copied from the clean prompt; None restores nothing.
        where: at which tokens: the subject's last one, or all of its tokens.
    """

    prompt: str
    subject: str
    size: float
    seed: int
    restored: TextState | None = None
    where: Literal["last", "all"] = "last"


def encode(model: Model, prompt: str | Corrupted) -> Encoded:
    """Text states [1, tokens, width] (and pooled text) of one prompt, corrupted where it says so."""
    if isinstance(prompt, str):
        return model.encode([prompt])
    with all_of(_corruptions(model, prompt)):
        both = model.encode([prompt.prompt, prompt.prompt])  # the clean one and the corrupted one
    return Encoded(states=both.states[1:], pooled=None if both.pooled is None else both.pooled[1:])


def _corruptions(model: Model, prompt: Corrupted) -> Iterator[AbstractContextManager[Any]]:
    """The hooks under which row 1 of a batch is corrupted, and one of its states is row 0's."""
    at = positions(
        model, prompt.prompt, prompt.subject
    )  # the same for SDXL's two tokenizers, which split alike
    ids = [token_ids(model, prompt.prompt)[i] for i in at.subject]
    generator = torch.Generator().manual_seed(prompt.seed)
    for encoder in encoders(model.pipeline).values():
        table = encoder.get_input_embeddings().weight
        noise = (
            prompt.size
            * table[ids].float().std()
            * torch.randn(len(ids), table.shape[1], generator=generator).to(table.device)
        ).to(table)
        yield from (
            replacing(module, _adding(noise, at.subject))
            for module in encoder.modules()
            if isinstance(module, nn.Embedding) and module.weight.data_ptr() == table.data_ptr()
        )  # T5 has two names for it
    if prompt.restored:
        module = encoders(model.pipeline)[prompt.restored.encoder].get_submodule(
            prompt.restored.path
        )
        yield copying(module, [(0, 1)], [at.last_subject] if prompt.where == "last" else at.subject)


def _adding(noise: Tensor, subject: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
    def change(embedded: Tensor) -> Tensor:
        embedded = embedded.clone()
        embedded[1, list(subject)] += noise
        return embedded

    return change
