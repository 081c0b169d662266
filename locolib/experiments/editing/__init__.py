"""LocoEdit (Section 6): the keys and values of the located layers changed in closed form, so that one phrase acts like another.

`edits` are changes of weights; `locoedit` is the paper's method and the one that spares; `baselines` are the methods of App. I;
`trials` look at held-out images, `judging` and `specificity` at what should not have changed; `comparisons` are what the pages
set beside each other.
"""

from .baselines import Training, esd_x, time, uce
from .comparisons import (
    against,
    by_lambda,
    controls,
    every_value,
    many,
    methods,
    others,
    relocated,
    trained,
    tried,
)
from .edits import Edit, applied, check_lambda, check_layers, edit, keys, ridge, staying, told
from .judging import GONE, KEPT, MOVED, Judgement, judge
from .locoedit import SPARES, kept, locoedit, sparing
from .saving import annotate, save_lora, save_pipeline
from .specificity import (
    APART,
    EVERY,
    NONE,
    OURS,
    PAPER,
    RATES,
    matrix,
    of_value,
    rates,
    rows_that_stay,
    summary,
    values_of,
)
from .trials import (
    Trial,
    best_tokens,
    by_tokens,
    by_window,
    generic,
    random_window,
    rank_correlation,
    trial,
    trial_at,
)

__all__ = [
    "APART",
    "EVERY",
    "Edit",
    "GONE",
    "Judgement",
    "KEPT",
    "MOVED",
    "NONE",
    "OURS",
    "PAPER",
    "RATES",
    "SPARES",
    "Training",
    "Trial",
    "against",
    "annotate",
    "applied",
    "best_tokens",
    "by_lambda",
    "by_tokens",
    "by_window",
    "check_lambda",
    "check_layers",
    "controls",
    "edit",
    "esd_x",
    "every_value",
    "generic",
    "judge",
    "kept",
    "keys",
    "locoedit",
    "many",
    "matrix",
    "methods",
    "of_value",
    "others",
    "random_window",
    "rank_correlation",
    "rates",
    "relocated",
    "ridge",
    "rows_that_stay",
    "save_lora",
    "save_pipeline",
    "sparing",
    "staying",
    "summary",
    "time",
    "told",
    "trained",
    "trial",
    "trial_at",
    "tried",
    "uce",
    "values_of",
]
