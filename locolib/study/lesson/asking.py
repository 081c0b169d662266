"""What the checks share: how an answer is looked at, and how it is said that it is wrong."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Wrong(Exception):
    """An answer is wrong: the message says what is, and never the answer."""


class Nothing(Wrong):
    """A function returned nothing."""


def numbers(answer: Any, what: str) -> Tensor:
    """An answer as a tensor of float64.

    Raises:
        Wrong: it is no numbers.
    """
    try:
        return torch.as_tensor(answer).detach().double()
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"{what} must be numbers (a tensor or an array), not {kind(answer)}.") from None


def called(function: Any, *arguments: Any) -> Any:
    """What a function of the class gives.

    Raises:
        Wrong: it is no function, stops with an error, or returns nothing.
    """
    if not callable(function):
        raise Wrong(f"A function is asked for, not {kind(function)}.")
    try:
        found = function(*arguments)
    except Wrong:
        raise
    except Exception as error:  # whatever students write
        said = str(error).splitlines()[0] if str(error) else "no words"
        if "ellipsis" in said:
            raise Nothing(f"{_named(function)} has three dots in it yet.") from None
        raise Wrong(f"{_named(function)} stopped with {type(error).__name__}: {said}.") from None
    if (
        found is None
        or found is ...
        or (isinstance(found, tuple) and any(part is ... for part in found))
    ):
        raise Nothing(f"{_named(function)} returns nothing yet: end it with `return`.")
    return found


def parts(answer: Any, count: int, what: str) -> Sequence[Any]:
    """The parts of an answer.

    Raises:
        Wrong: it has not so many.
    """
    if not isinstance(answer, tuple | list) or len(answer) != count:
        raise Wrong(f"The check takes {what}, {count} things in brackets.")
    return answer


def alike(one: Tensor | np.ndarray, other: Tensor | np.ndarray, within: float = 1e-4) -> bool:
    """Whether two arrays have the same shape and, up to rounding, the same numbers."""
    one, other = torch.as_tensor(one).double(), torch.as_tensor(other).double()
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-3, atol=within)


def unless(right: bool, mistakes: Sequence[tuple[bool, str]], otherwise: str) -> None:
    """Say the first mistake that was made, or `otherwise`, unless the answer is right.

    Raises:
        Wrong: it is not right.
    """
    if not right:
        raise Wrong(next((said for made, said in mistakes if made), otherwise))


def kind(answer: Any) -> str:
    """What an answer is, in words."""
    return f"a {type(answer).__name__}"


def _named(function: Callable[..., Any]) -> str:
    return f"Your function {getattr(function, '__name__', '')}".strip()
