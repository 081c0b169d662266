"""LocoEdit (Section 6): the keys and values of the located layers changed in closed form, so that one phrase acts like another.

`edits` are changes of weights; `locoedit` is the paper's method and the one that spares; `baselines` are the methods of App. I;
`trials` look at held-out images, `judging`, `specificity` and `unrelated` at what should not have changed; `comparisons` are what
the pages set beside each other, `informing` whether localisation informs editing; `report_rules` says when a claim holds, and `rates`
how often that is wrong.
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
from .informing import Informed, Lead, curves, informed, leading
from .judging import GONE, KEPT, MOVED, Judgement, judge
from .locoedit import SPARES, kept, locoedit, sparing
from .saving import annotate, header, save_kohya, save_lora, save_pipeline
from .specificity import (
    APART,
    DIFFQUICKFIX,
    EVERY,
    NONE,
    OURS,
    PAPER,
    RATES,
    gone_and_kept,
    matrix,
    of_value,
    rows_that_stay,
    summary,
    values_of,
)
from .trials import (
    BY_UNIT,
    OWN,
    Trial,
    best_tokens,
    by_tokens,
    by_window,
    random_windows,
    trial,
    trial_at,
)
from .unrelated import generic

__all__ = [
    "APART",
    "BY_UNIT",
    "DIFFQUICKFIX",
    "EVERY",
    "Edit",
    "GONE",
    "Informed",
    "Judgement",
    "KEPT",
    "Lead",
    "MOVED",
    "NONE",
    "OURS",
    "OWN",
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
    "curves",
    "edit",
    "esd_x",
    "every_value",
    "generic",
    "gone_and_kept",
    "header",
    "informed",
    "judge",
    "kept",
    "keys",
    "leading",
    "locoedit",
    "many",
    "matrix",
    "methods",
    "of_value",
    "others",
    "random_windows",
    "relocated",
    "ridge",
    "rows_that_stay",
    "save_kohya",
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
