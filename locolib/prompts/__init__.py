"""Prompts of the study: ``data/prompts/*.csv``, validated on reading (App. B, C, J and K.1 of the paper)."""

from .files import composed, read_csv
from .lists import (
    ATTRIBUTES,
    COLUMNS,
    FOLDER,
    GENERIC_COLUMNS,
    STYLED_COLUMNS,
    Prompt,
    Styled,
    about,
    choose,
    generic_halves,
    generic_of,
    halves,
    in_turn,
    others,
    read,
    read_generic,
    read_styled,
    revalued,
    swapped,
)

__all__ = ["ATTRIBUTES", "COLUMNS", "FOLDER", "GENERIC_COLUMNS", "Prompt", "STYLED_COLUMNS", "Styled", "about", "choose", "composed", "generic_halves", "generic_of", "halves", "in_turn", "others", "read", "read_csv", "read_generic", "read_styled", "revalued", "swapped"]
