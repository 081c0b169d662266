"""Causal tracing (Section 4): which states of a corrupted run, once clean again, bring the picture back (`restoring`)?"""

from .restoring import (
    AGAIN,
    CLEAN,
    CORRUPTED,
    Request,
    at_random,
    by_size,
    effects,
    indirect,
    lost,
    redrawn,
    row,
    runner_up,
    trace,
)
from .states import State, count, of_model, unet_states

__all__ = [
    "AGAIN",
    "CLEAN",
    "CORRUPTED",
    "Request",
    "State",
    "at_random",
    "by_size",
    "count",
    "effects",
    "indirect",
    "lost",
    "of_model",
    "redrawn",
    "row",
    "runner_up",
    "trace",
    "unet_states",
]
