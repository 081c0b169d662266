"""Causal tracing (Section 4): which states of a corrupted run, once clean again, bring the picture back (`restoring`)?

`judging` has the rules by which a page answers, `rates` how often they are wrong.
"""

from .restoring import (
    AGAIN,
    CLEAN,
    CORRUPTED,
    Request,
    at_random,
    by_attribute,
    by_size,
    effects,
    formed,
    indirect,
    lost,
    redrawn,
    row,
    trace,
    unit,
)
from .states import State, count, of_model, parts, unet_states

__all__ = [
    "AGAIN",
    "CLEAN",
    "CORRUPTED",
    "Request",
    "State",
    "at_random",
    "by_attribute",
    "by_size",
    "count",
    "effects",
    "formed",
    "indirect",
    "lost",
    "of_model",
    "parts",
    "redrawn",
    "row",
    "trace",
    "unet_states",
    "unit",
]
