"""The lesson's checks: what is wrong with an answer, or nothing."""

from collections.abc import Callable, Mapping
from typing import Any

from ... import UserError
from .altering import effects, guidance, texts
from .asking import Wrong
from .bench import Bench
from .changing import edit
from .locating import null, share, smallest
from .reading import keys, order, places

STEPS: Mapping[int, Callable[[Bench, Any], None]] = {
    1: keys,
    2: places,
    3: order,
    4: guidance,
    5: texts,
    6: effects,
    7: share,
    8: smallest,
    9: edit,
    10: null,
}
EMPTY = (
    "There is nothing here yet: put your answer in the place of the three dots, and run the cell."
)


def verdict(bench: Bench, step: int, answer: Any) -> str:
    """What is wrong with an answer; "" where it is right.

    Args:
        answer: a value, a function, or several of them in brackets, as the step says.

    Raises:
        UserError: there is no such step.
    """
    if step not in STEPS:
        raise UserError(f"The lesson has steps 1 to {len(STEPS)}, not {step}.")
    if answer is ... or (isinstance(answer, tuple | list) and any(part is ... for part in answer)):
        return EMPTY
    try:
        STEPS[step](bench, answer)
    except Wrong as wrong:
        return str(wrong)
    return ""


def check(bench: Bench, step: int, answer: Any) -> None:
    """Print whether an answer is right, and what is wrong with it if it is not."""
    said = verdict(bench, step, answer)
    print(f"Step {step}: {f'not yet. {said}' if said else 'right.'}")
