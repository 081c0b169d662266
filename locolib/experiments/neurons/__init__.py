"""Neurons (Section 7, App. K): outputs of W_K and W_V that tell a style, ranked by z-score and dropped (`dropping`)."""

from .dropping import (
    DOSES,
    HALF,
    READINGS,
    by_unit,
    doses,
    drops,
    few_doses,
    measure,
    papers,
    readings,
    removed,
    strata,
    summary,
)
from .ranking import NEURONS, WIDTH, Activations, Request, rank, z_scores

__all__ = [
    "Activations",
    "DOSES",
    "HALF",
    "NEURONS",
    "READINGS",
    "Request",
    "WIDTH",
    "by_unit",
    "doses",
    "drops",
    "few_doses",
    "measure",
    "papers",
    "rank",
    "readings",
    "removed",
    "strata",
    "summary",
    "z_scores",
]
