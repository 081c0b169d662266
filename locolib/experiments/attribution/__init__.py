"""LocoGen by backward passes: layers are proposed from the gradients of one noise prediction, and confirmed by pictures.

`locogen.backward` gives each layer's share in what altering all of them does to the prediction; `confirming` draws pictures of what
follows from it.  `localisers` are other methods that score layers, and `benchmark` asks them all where the answer is known.
"""

from ..locogen.backward import (
    Attribution,
    Proposal,
    attribute,
    best_set,
    best_window,
    propose,
    slopes,
)
from .confirming import ROUNDS, Fast, Tried, localise

__all__ = [
    "Attribution",
    "Fast",
    "Proposal",
    "ROUNDS",
    "Tried",
    "attribute",
    "best_set",
    "best_window",
    "localise",
    "propose",
    "slopes",
]
