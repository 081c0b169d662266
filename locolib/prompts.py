"""Prompts of the study: ``data/prompts/*.csv``, validated on reading (App. B, C and J of the paper)."""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from . import UserError

ATTRIBUTES = ("style", "object", "fact", "place")
FOLDER = Path(__file__).resolve().parents[1] / "data" / "prompts"


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
    """

    attribute: str
    original: str
    target: str
    scored: str
    subject: str
    value: str
    source: str


COLUMNS = ("original", "target", "scored", "subject", "value", "source")
_TEXT = pa.Column(str, [pa.Check(lambda s: s.str.strip().str.len() > 0, error="is empty")])
_WITHIN = [
    ("subject", "does not occur in the original prompt", lambda d: [s in o for s, o in zip(d.subject, d.original)]),
    ("value", "does not occur in the original prompt", lambda d: [v in o for v, o in zip(d.value, d.original)]),
    ("target", "is the same as the original prompt", lambda d: d.target != d.original),
    ("scored", "is neither the original nor the target", lambda d: (d.scored == d.original) | (d.scored == d.target)),
    ("original", "is listed twice", lambda d: ~d.original.duplicated()),
]
_SCHEMA = pa.DataFrameSchema({column: _TEXT for column in COLUMNS}, strict=True)


def read(attribute: str, path: Path | str | None = None) -> tuple[Prompt, ...]:
    """Prompts of one attribute, from ``data/prompts/<attribute>.csv`` or from a file with the same columns.

    Raises:
        UserError: unknown attribute; or the file, row and column of the first thing that is wrong.
    """
    if attribute not in ATTRIBUTES:
        raise UserError(f"Unknown attribute {attribute!r}; choose one of {', '.join(ATTRIBUTES)}.")
    path = Path(path) if path else FOLDER / f"{attribute}.csv"
    table = _table(path)
    for column, problem, rule in _WITHIN:
        wrong = [i for i, good in enumerate(rule(table)) if not good]
        if wrong:
            raise UserError(f"{path}, row {wrong[0] + 2}, column {column!r}: {table[column][wrong[0]]!r} {problem}.")
    return tuple(Prompt(attribute=attribute, **row) for row in table.to_dict("records"))


def _table(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise UserError(f"No prompts at {path}; pass a CSV file with the columns {', '.join(COLUMNS)}.") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a readable CSV file ({str(error).strip()}).") from None
    missing, unknown = [c for c in COLUMNS if c not in table], [c for c in table if c not in COLUMNS]
    if missing or unknown:
        raise UserError(f"{path}: missing columns {missing}, unknown columns {unknown}; it needs exactly {', '.join(COLUMNS)}.")
    if table.empty:
        raise UserError(f"{path} has no prompts below its header.")
    try:
        return _SCHEMA.validate(table)
    except pa.errors.SchemaError as error:
        row, column = int(error.failure_cases["index"].iloc[0]), error.schema.name
        raise UserError(f"{path}, row {row + 2}, column {column!r} is empty.") from None


def halves(prompts: tuple[Prompt, ...]) -> tuple[tuple[Prompt, ...], tuple[Prompt, ...]]:
    """Split into a half that chooses and a half that confirms, alternating within each value so that both see all."""
    order: dict[str, int] = {}
    sides: tuple[list[Prompt], list[Prompt]] = ([], [])
    for position, prompt in enumerate(prompts):
        turn = order.setdefault(prompt.value, len(order) % 2)
        sides[turn % 2].append(prompt)
        order[prompt.value] = turn + 1
    return tuple(sides[0]), tuple(sides[1])


def revalued(prompt: Prompt, value: str) -> Prompt:
    """The same prompt with another value of its attribute: "a cat in the style of monet" to "... of van gogh"."""
    return replace(prompt, value=value, **{column: getattr(prompt, column).replace(prompt.value, value) for column in ("original", "scored", "subject")})
