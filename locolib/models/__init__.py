"""Models and scorers; every difference between model families lives in this package."""

from .encoders import TextState, encoders, text_states
from .loading import is_here, load
from .registry import MODELS, NOWHERE, ORGANISMS, Spec, find
from .scorers import Scorer, load_scorer
from .wrapper import Encoded, Model

__all__ = [
    "MODELS",
    "NOWHERE",
    "ORGANISMS",
    "Encoded",
    "Model",
    "Scorer",
    "Spec",
    "TextState",
    "encoders",
    "find",
    "is_here",
    "load",
    "load_scorer",
    "text_states",
]
