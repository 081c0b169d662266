"""What is asked of a list of prompts: some of them in turn, halves, another value, another wording of what an edit is told."""

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Literal, TypeVar

from .. import UserError
from .lists import FOLDER, Prompt, Styled, read, read_styled

Chosen = TypeVar("Chosen", Prompt, Styled, str)
Wording = Literal["6.1", "5.1.1", "plain", "bare"]
WORDINGS: dict[Wording, str] = {
    "6.1": 'the artist becomes "a painting" (Section 6.1)',
    "5.1.1": 'the artist becomes "painting" (Section 5.1.1)',
    "plain": "the prompt without the artist (ours)",
    "bare": "the bare \"a painting\" (the authors' code, at the prompt's last token)",
}


def choose(prompts: Sequence[Chosen], count: int) -> tuple[Chosen, ...]:
    """`count` prompts that take the values in turn, in the order of the list; 0 means all.

    As many prompts as there are values show every value, and more show each about as often; fewer are the first of more, so
    they need no new pictures.  The value of a text is the text itself.
    """
    seen: Counter[Hashable] = Counter()
    turns = []
    for prompt in prompts:
        value = _value(prompt)
        turns.append(seen[value])
        seen[value] += 1
    order = sorted(range(len(prompts)), key=turns.__getitem__)
    return tuple(prompts[i] for i in order[: max(count, 0) or None])


def listed(attribute: str, *, printed: bool, edited: bool = False) -> tuple[Prompt, ...]:
    """The study's prompts of one attribute: all of them, or only those that the paper prints, of which a published model is asked.

    Printed are K.1's prompts for styles, and the rows of App. C, J and the figures for objects and facts; the paper has no sweep
    over places, so these are ours in any case.

    Args:
        printed: whether only the paper's; ours are in the few words that a miniature knows.
        edited: for edits, which are judged by prompts that they have not seen: where the paper prints a single prompt about a
            value, ours about it are there too.

    Raises:
        UserError: unknown attribute.
    """
    every = read(attribute)
    if not printed or attribute == "place":
        return every
    if attribute == "style":
        return tuple(
            _from_k1(number, styled)
            for number, styled in enumerate(read_styled(FOLDER / "neuron_paper.csv"), 2)
        )
    times = Counter(prompt.value for prompt in every if prompt.printed)
    return tuple(p for p in every if p.printed or (edited and times[p.value] == 1))


def _from_k1(row: int, styled: Styled) -> Prompt:
    """A prompt of App. K.1 as a pair: without the artist, and for an edit with "a painting" in the artist's place."""
    prompt = Prompt(
        attribute="style",
        original=styled.prompt,
        target=styled.plain,
        scored=styled.prompt,
        subject=styled.artist,
        value=styled.artist,
        source=styled.source,
        row=row,
    )
    return reworded([prompt], "6.1")[0]


def _value(prompt: Prompt | Styled | str) -> Hashable:
    """What must not be missing among few prompts."""
    if isinstance(prompt, Prompt):
        return prompt.attribute, prompt.value
    return prompt.artist if isinstance(prompt, Styled) else prompt


def halves(prompts: tuple[Prompt, ...]) -> tuple[tuple[Prompt, ...], tuple[Prompt, ...]]:
    """Split into a half that chooses and a half that confirms, alternating within each value so that both see all."""
    order: dict[str, int] = {}
    sides: tuple[list[Prompt], list[Prompt]] = ([], [])
    for prompt in prompts:
        turn = order.setdefault(prompt.value, len(order) % 2)
        sides[turn % 2].append(prompt)
        order[prompt.value] = turn + 1
    return tuple(sides[0]), tuple(sides[1])


def revalued(prompt: Prompt, value: str) -> Prompt:
    """The same prompt with another value of its attribute: "a cat in the style of monet" to "... of van gogh".

    What an edit is told, as the target, names no value of the original's and stays.
    """
    original, scored, subject = (
        swapped(text, prompt.value, value)
        for text in (prompt.original, prompt.scored, prompt.subject)
    )
    return replace(prompt, value=value, original=original, scored=scored, subject=subject)


def swapped(text: str, old: str, new: str) -> str:
    """The text with one value in the place of another, however its letters are written: tokenizers read both alike."""
    return re.sub(re.escape(old), lambda _: new, text, flags=re.IGNORECASE)


def about(prompts: Sequence[Prompt], value: str) -> tuple[Prompt, ...]:
    """The prompts about one value of an attribute: for style all prompts with that artist, else those that name the value.

    Raises:
        UserError: no prompt names it.
    """
    known = list(dict.fromkeys(prompt.value for prompt in prompts))
    if value not in known:
        raise UserError(
            f"Unknown value {value!r} of {prompts[0].attribute}; the prompts know {', '.join(known)}."
        )
    if prompts[0].attribute == "style":
        return tuple(dict.fromkeys(revalued(prompt, value) for prompt in prompts))
    return tuple(prompt for prompt in prompts if prompt.value == value)


def others(prompts: Sequence[Prompt], value: str) -> dict[str, tuple[Prompt, ...]]:
    """The prompts `about` each other value of the attribute: those that an edit of `value` must leave alone."""
    return {
        other: about(prompts, other)
        for other in dict.fromkeys(prompt.value for prompt in prompts)
        if other != value
    }


def reworded(prompts: Sequence[Prompt], wording: Wording) -> tuple[Prompt, ...]:
    """The same prompts with another wording of what an edit is told to make of a style; those of other attributes as they are.

    With "bare" the authors' code pairs the last tokens of the two prompts (``tokens="last"``).

    Raises:
        UserError: there is no such wording.
    """
    if wording not in WORDINGS:
        raise UserError(f"Unknown wording {wording!r}; choose one of {', '.join(WORDINGS)}.")
    return tuple(
        replace(prompt, edit_target=told, target_subject=subject)
        for prompt in prompts
        for told, subject in (_told(prompt, wording),)
    )


def _told(prompt: Prompt, wording: Wording) -> tuple[str, str]:
    """(edit target, its subject) of a prompt in one wording."""
    if prompt.attribute != "style":
        return prompt.edit_target, prompt.target_subject
    if wording == "plain":
        return prompt.target, ""
    if wording == "bare":
        return "a painting", "painting"
    instead = {"6.1": "a painting", "5.1.1": "painting"}[wording]
    return swapped(prompt.original, prompt.value, instead), "painting"
