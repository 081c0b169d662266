"""A lesson of ten steps (``notebooks/lesson.ipynb``), from what a layer reads to LocoGen, an edit and a null of one's own.

`bench` is what the lesson works with: the planted model in parts.  Its checks say what is wrong with an answer and never give
one: `reading` has those on text (steps 1 to 3), `altering` those on altered layers (4 to 6), `locating` those on LocoGen and
its null (7, 8 and 10), `changing` the one on an edit (9); `checking` asks them.
"""

from .bench import Bench, Pair
from .checking import check, verdict

__all__ = ["Bench", "Pair", "check", "verdict"]
