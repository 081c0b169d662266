"""LocoGen by backward passes: layers are proposed from the gradients of one noise prediction, and confirmed by pictures.

`paths` gives each layer's share in what altering all of them does to the prediction (integrated gradients, with points put where
they are needed by `quadrature`); `proposing` reads windows and sets from it; `confirming` draws pictures of what was proposed.
"""

from .confirming import ROUNDS, Fast, Tried, localise
from .paths import Attribution, attribute, slopes
from .proposing import Proposal, best_set, best_window, propose

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
