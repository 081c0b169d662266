"""Shares of layers by backward passes: every layer, window and set of layers from the gradients of one noise prediction.

`paths` gives each layer's share in what altering all of them does to the prediction (integrated gradients, with points put where
they are needed by `quadrature`); `proposing` reads windows and sets from it.
"""

from .paths import GAP, Attribution, attribute, slopes
from .proposing import Proposal, best_set, best_window, propose, sizes

__all__ = [
    "Attribution",
    "GAP",
    "Proposal",
    "attribute",
    "best_set",
    "best_window",
    "propose",
    "sizes",
    "slopes",
]
