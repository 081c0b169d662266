"""Prompts of the study: ``data/prompts/*.csv``, validated on reading (App. B, C, J and K.1 of the paper)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from .. import UserError
from .files import _checked

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
        edit_target: T_i^t of Section 6.1, what an edit makes the original act like; `target`, unless it is said.
        target_subject: its words whose last token is what the subject's last token should act like; unless it is said, those
            that stand in the subject's place (`text.pairs`).

    `edit_target` and `target_subject` change no picture of LocoGen, so they are no part of what names its results.
    """

    attribute: str
    original: str
    target: str
    scored: str
    subject: str
    value: str
    source: str
    row: int = field(default=0, compare=False, repr=False)
    edit_target: str = field(default="", repr=False)
    target_subject: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.edit_target:
            object.__setattr__(self, "edit_target", self.target)

    @property
    def printed(self) -> bool:
        """Whether the paper prints it."""
        return not self.source.startswith("ours")


COLUMNS = ("original", "target", "scored", "subject", "value", "source")
OPTIONAL = ("edit_target", "target_subject")  # a cell that is empty or not there says nothing
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
    ("edit_target", "is the same as the original prompt", lambda d: d.edit_target != d.original),
    (
        "target_subject",
        "does not occur in what an edit is told (the edit_target, or else the target)",
        lambda d: [
            subject.lower() in (told or target).lower()
            for subject, told, target in zip(d.target_subject, d.edit_target, d.target)
        ],
    ),
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
    """Prompts of one attribute, from ``data/prompts/<attribute>.csv`` or from a file with the same columns (`COLUMNS`; `OPTIONAL`).

    Values that differ only in capitals are one value, called as the first of them is.

    Raises:
        UserError: unknown attribute; or the file, row and column of the first thing that is wrong.
    """
    if attribute not in ATTRIBUTES:
        raise UserError(f"Unknown attribute {attribute!r}; choose one of {', '.join(ATTRIBUTES)}.")
    path = Path(path) if path else FOLDER / f"{attribute}.csv"
    table = _checked(path, COLUMNS, _WITHIN, OPTIONAL)
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

    Which half an object is in does not depend on `without`.  Neighbours differ in their object and in their place, so the first
    few of a half show many objects, and four of them all four places.
    """
    rows = _checked(Path(path), GENERIC_COLUMNS, _GENERIC).to_dict("records")
    order = {name: i for i, name in enumerate(dict.fromkeys(row["object"] for row in rows))}
    rows = [
        row for row in rows if not any(word.lower() in row["prompt"].lower() for word in without)
    ]
    told, asked = (
        _in_turn([row for row in rows if order[row["object"]] % 2 == half]) for half in (0, 1)
    )
    return told, asked


def _in_turn(rows: Sequence[dict[str, str]]) -> tuple[str, ...]:
    """Generic prompts, each object once before any comes again, and then in its next place."""
    places: dict[str, list[str]] = {}
    for row in rows:
        places.setdefault(row["object"], []).append(row["prompt"])
    most = max(map(len, places.values()), default=0)
    return tuple(
        texts[(turn + i) % len(texts)]
        for turn in range(most)
        for i, texts in enumerate(places.values())
        if turn < len(texts)
    )
