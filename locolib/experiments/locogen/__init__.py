"""LocoGen (Algorithm 1, Section 5): which adjacent cross-attention layers control an attribute?

Windows of m layers (`layer_sets`) receive the target prompt while all others keep the original one (`measuring`), and a scorer
looks at the pictures (`scoring`).  The effect of a window is how far the CLIP-Score moves; its share is that effect divided by
the effect of altering all layers (`units`).  `searching` looks for the smallest m with a window that is confirmed, `comparing`
puts the paper's window beside it, `dependence` asks whether the place depends on the prompt, `checks` whether the answer is
stable; `report_outcomes` says when a claim held, and `rates` measures how often that is wrong.  See `scores` for the verdict.
"""

from .checks import by_prompt, check_planting, stability, verdict_rates
from .comparing import Answer, Beside, locate
from .dependence import Dependence, by_value_of, depends
from .layer_sets import Window, label, labelled, window_label, windows
from .measuring import SEED, Request, measure, rows, seeds
from .scoring import candidates
from .searching import Sweep, ahead, by_size, search, split, summary_of, sweep, unet_rows
from .units import about_whom, by_unit, changes, effects, groups_of, summary

__all__ = [
    "SEED",
    "Answer",
    "Beside",
    "Dependence",
    "Request",
    "Sweep",
    "Window",
    "about_whom",
    "ahead",
    "by_prompt",
    "by_size",
    "by_unit",
    "by_value_of",
    "candidates",
    "changes",
    "check_planting",
    "depends",
    "effects",
    "groups_of",
    "label",
    "labelled",
    "locate",
    "measure",
    "rows",
    "search",
    "seeds",
    "split",
    "stability",
    "summary",
    "summary_of",
    "sweep",
    "unet_rows",
    "verdict_rates",
    "window_label",
    "windows",
]
