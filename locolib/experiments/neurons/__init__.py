"""Neurons (Section 7, App. K): outputs of W_K and W_V that tell a style, ranked by z-score and dropped (`dropping`)."""

from .dropping import (
    DOSES,
    HALF,
    NEURONS,
    READINGS,
    WIDTH,
    Activations,
    Request,
    by_unit,
    doses,
    drops,
    measure,
    rank,
    readings,
    removed,
    summary,
    z_scores,
)

__all__ = ["Activations", "DOSES", "HALF", "NEURONS", "READINGS", "Request", "WIDTH", "by_unit", "doses", "drops", "measure", "rank", "readings", "removed", "summary", "z_scores"]
