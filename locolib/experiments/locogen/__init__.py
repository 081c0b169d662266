"""LocoGen (Algorithm 1, Section 5): which adjacent cross-attention layers control an attribute?

Windows of m layers receive the target prompt while all others keep the original one (`measuring`).  The effect of a window is
how far the CLIP-Score moves; its share is that effect divided by the effect of altering all layers.  `searching` looks for the
smallest m with a window that is confirmed, `checks` asks whether the answer is stable.  See `scores` for the rule.
"""

from .checks import by_prompt, by_value, check_planting, prompts_agree, rates, stability
from .measuring import (
    SEED,
    Request,
    Window,
    by_unit,
    candidates,
    changes,
    effects,
    label,
    labelled,
    measure,
    rows,
    seeds,
    summary,
    window_label,
    windows,
)
from .searching import Sweep, by_size, search, split, summary_of, sweep

__all__ = [
    "Request",
    "SEED",
    "Sweep",
    "Window",
    "by_prompt",
    "by_size",
    "by_unit",
    "by_value",
    "candidates",
    "changes",
    "check_planting",
    "effects",
    "label",
    "labelled",
    "measure",
    "prompts_agree",
    "rates",
    "rows",
    "search",
    "seeds",
    "split",
    "stability",
    "summary",
    "summary_of",
    "sweep",
    "window_label",
    "windows",
]
