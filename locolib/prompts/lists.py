"""Prompts of the study: ``data/prompts/*.csv``, validated on reading (App. B, C, J and K.1 of the paper)."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pandas as pd

from .. import UserError
from .files import _checked

Chosen = TypeVar("Chosen")
ATTRIBUTES = ("style", "object", "fact", "place")
FOLDER = Path(__file__).resolve().parents[2] / "data" / "prompts"


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One pair of prompts that differ in one attribute.

    Attributes:
        attribute: style, object, fact or place.
        original: T_i, the prompt with the attribute.
        target: T'_i, the same prompt with the attribute removed or updated.
        scored: the text to which CLIP-Score compares images (T_i; for facts T'_i).
        subject: the words whose last token counts for an edit.
        value: the attribute's value in `original`.
        source: where the paper prints it, or "ours".
        row: of the file that it was read from, whose header is row 1; no part of what the prompt is.
    """

    attribute: str
    original: str
    target: str
    scored: str
    subject: str
    value: str
    source: str
    row: int = field(default=0, compare=False, repr=False)


COLUMNS = ("original", "target", "scored", "subject", "value", "source")
_WITHIN = [
    (
        "subject",
        "does not occur in the original prompt",
        lambda d: [s.lower() in o.lower() for s, o in zip(d.subject, d.original)],
    ),
    (
        "value",
        "does not occur in the original prompt",
        lambda d: [v.lower() in o.lower() for v, o in zip(d.value, d.original)],
    ),
    ("target", "is the same as the original prompt", lambda d: d.target != d.original),
    (
        "scored",
        "is neither the original nor the target",
        lambda d: (d.scored == d.original) | (d.scored == d.target),
    ),
    ("original", "is listed twice", lambda d: ~_alike(d.original).duplicated()),
]


def _alike(texts: pd.Series) -> pd.Series:
    """Texts without what tokenizers do not see: how letters are written and how many blanks there are."""
    return texts.str.lower().str.split().str.join(" ")


@dataclass(frozen=True, kw_only=True)
class Styled:
    """A prompt in the style of an artist, and the same without it (App. K.1).

    Attributes:
        artist: the name, in small letters.
        prompt, plain: with the style, and without the words that name it.
        source: where the paper prints it, or "ours".
    """

    artist: str
    prompt: str
    plain: str
    source: str

    def by(self, artist: str) -> str:
        """The prompt with another artist's name put in, as K.1 does to choose neurons."""
        return re.sub(re.escape(self.artist), artist, self.prompt, flags=re.IGNORECASE)


STYLED_COLUMNS = ("artist", "prompt", "plain", "source")
_STYLED = [
    ("artist", "is not in small letters", lambda d: d.artist == d.artist.str.lower()),
    (
        "artist",
        "does not occur in the prompt",
        lambda d: [a in p.lower() for a, p in zip(d.artist, d.prompt)],
    ),
    (
        "plain",
        "still names the artist",
        lambda d: [a not in p.lower() for a, p in zip(d.artist, d.plain)],
    ),
    ("prompt", "is listed twice", lambda d: ~_alike(d.prompt).duplicated()),
]
GENERIC_COLUMNS = ("prompt", "object", "location", "source")
_GENERIC = [
    (
        column,
        "does not occur in the prompt",
        lambda d, column=column: [v in p for v, p in zip(d[column], d.prompt)],
    )
    for column in ("object", "location")
] + [("prompt", "is listed twice", lambda d: ~_alike(d.prompt).duplicated())]


def read(attribute: str, path: Path | str | None = None) -> tuple[Prompt, ...]:
    """Prompts of one attribute, from ``data/prompts/<attribute>.csv`` or from a file with the same columns.

    Values that differ only in capitals are one value, called as the first of them is.

    Raises:
        UserError: unknown attribute; or the file, row and column of the first thing that is wrong.
    """
    if attribute not in ATTRIBUTES:
        raise UserError(f"Unknown attribute {attribute!r}; choose one of {', '.join(ATTRIBUTES)}.")
    path = Path(path) if path else FOLDER / f"{attribute}.csv"
    table = _checked(path, COLUMNS, _WITHIN)
    first = dict(reversed([(value.lower(), value) for value in table.value]))
    return tuple(
        Prompt(attribute=attribute, row=i + 2, **row | {"value": first[row["value"].lower()]})
        for i, row in zip(table.index, table.to_dict("records"))
    )


def read_styled(path: Path | str = FOLDER / "neuron_world.csv") -> tuple[Styled, ...]:
    """Prompts of several artists: the miniatures' ("ours"), or ``neuron_paper.csv``, App. K.1 as printed.

    Raises:
        UserError: the file, row and column of the first thing that is wrong.
    """
    return tuple(
        Styled(**{column: row[column] for column in STYLED_COLUMNS})
        for row in _checked(Path(path), STYLED_COLUMNS, _STYLED).to_dict("records")
    )


def read_generic(path: Path | str = FOLDER / "generic_world.csv") -> tuple[str, ...]:
    """Prompts that no edit is about (App. L): an object in one of four places, of the miniatures' world or (``generic.csv``) of MS-COCO.

    Raises:
        UserError: the file, row and column of the first thing that is wrong.
    """
    return tuple(_checked(Path(path), GENERIC_COLUMNS, _GENERIC).prompt)


def generic_of(bundled: bool) -> Path:
    """The file of generic prompts for a model: a miniature knows the words of its own world only."""
    return FOLDER / ("generic_world.csv" if bundled else "generic.csv")


def generic_halves(
    without: Sequence[str], path: Path | str = FOLDER / "generic_world.csv"
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Generic prompts in two halves that share no object, without those that name one of some words: one is told, one is asked.

    Which half an object is in does not depend on `without`.
    """
    rows = _checked(Path(path), GENERIC_COLUMNS, _GENERIC).to_dict("records")
    order = {name: i for i, name in enumerate(dict.fromkeys(row["object"] for row in rows))}
    rows = [
        row for row in rows if not any(word.lower() in row["prompt"].lower() for word in without)
    ]
    told, asked = (
        tuple(row["prompt"] for row in rows if order[row["object"]] % 2 == half) for half in (0, 1)
    )
    return told, asked


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
    """The same prompt with another value of its attribute: "a cat in the style of monet" to "... of van gogh"."""
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


def choose(prompts: Sequence[Chosen], count: int) -> tuple[Chosen, ...]:
    """`count` prompts spread evenly over the list, so that few prompts still show several values; 0 means all."""
    if not 0 < count < len(prompts):
        return tuple(prompts)
    return tuple(prompts[i * len(prompts) // count] for i in range(count))


def in_turn(prompts: Sequence[Prompt], count: int) -> tuple[Prompt, ...]:
    """`count` prompts that take the values in turn, so that even three prompts show three of them; 0 means all."""
    seen: Counter[str] = Counter()
    turns = []
    for prompt in prompts:
        turns.append(seen[prompt.value])
        seen[prompt.value] += 1
    order = sorted(range(len(prompts)), key=turns.__getitem__)
    return tuple(prompts[i] for i in order[: count or None])
