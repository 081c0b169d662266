"""Prompts of the study: ``data/prompts/*.csv``, validated on reading (App. B, C, J and K.1 of the paper)."""

from .asking import WORDINGS, Wording, about, choose, halves, others, revalued, reworded, swapped
from .files import composed, read_csv
from .lists import (
    ATTRIBUTES,
    COLUMNS,
    FOLDER,
    GENERIC_COLUMNS,
    OPTIONAL,
    STYLED_COLUMNS,
    Prompt,
    Styled,
    generic_halves,
    generic_of,
    read,
    read_generic,
    read_styled,
)

__all__ = [
    "ATTRIBUTES",
    "COLUMNS",
    "FOLDER",
    "GENERIC_COLUMNS",
    "OPTIONAL",
    "Prompt",
    "STYLED_COLUMNS",
    "Styled",
    "WORDINGS",
    "Wording",
    "about",
    "choose",
    "composed",
    "generic_halves",
    "generic_of",
    "halves",
    "others",
    "read",
    "read_csv",
    "read_generic",
    "read_styled",
    "revalued",
    "reworded",
    "swapped",
]
