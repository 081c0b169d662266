"""The check on an edit: which text states it is told of, and its closed form (step 9)."""

from typing import Any

import torch
from torch import Tensor

from ...drawing.text import positions
from .asking import alike, called, numbers, parts, unless
from .bench import Bench
from .reading import BEHIND, SUBJECT


def edit(bench: Bench, answer: Any) -> None:
    """Step 9: (a function (prompt, words) -> text states, a function (W, X, target, lam) -> the new matrix).

    Raises:
        Wrong: what is wrong with them.
    """
    onward, solved = parts(answer, 2, "(onward, solved)")
    _onward(bench, onward)
    _solved(solved)


def _onward(bench: Bench, answer: Any) -> None:
    """Refuse other text states than those from the subject's last token to the last position."""
    states, at = bench.states(BEHIND).double(), positions(bench.model, BEHIND, SUBJECT)
    found, last = numbers(called(answer, BEHIND, SUBJECT), "The text states"), at.last_subject
    unless(
        alike(found, states[last:]),
        [
            (
                found.dim() == 1 or len(found) == 1,
                "It gives one position alone; asked are all from there to the last one, one row each.",
            ),
            (
                alike(found, states[at.eos - 1 :]),
                "It begins at the prompt's last token and not at the subject's: words may stand behind the subject.",
            ),
            (
                alike(found, states[at.eos :]),
                "It begins at the end of the text and not at the subject.",
            ),
            (
                alike(found, states[at.subject[0] :]),
                "It begins at the subject's first token, which has read nothing of what follows it.",
            ),
            (alike(found, states[last + 1 :]), "It begins one position behind the subject."),
            (
                alike(found, states[last : at.eos]) or alike(found, states[last : at.eos + 1]),
                "It ends with the text: padding has read the artist too, and layers look at it.",
            ),
            (
                alike(found, states),
                "It gives all positions; those before the subject have not read it.",
            ),
        ],
        "It does not give the text states from the subject's last token to the last position.",
    )


def _solved(answer: Any) -> None:
    """Refuse another matrix than the closed form's."""
    generator = torch.Generator().manual_seed(0)
    weight, x, target = (
        torch.randn(*size, generator=generator) for size in ((6, 5), (4, 5), (4, 5))
    )
    lam, right = 0.5, _form(weight, x, target, 0.5)
    found = numbers(called(answer, weight, x, target, lam), "The matrix")
    plain = torch.linalg.solve(x.T @ x + lam * torch.eye(5), x.T @ (target @ weight.T))
    everywhere = torch.linalg.solve(x.T @ x + lam, x.T @ (target @ weight.T) + lam * weight.T)
    unless(
        alike(found, right),
        [
            (
                found.shape == right.T.shape,
                "It is the wrong way round: a matrix has a row for each output, as W has.",
            ),
            (
                found.shape != right.shape,
                f"Its shape is {list(found.shape)}, that of W is {list(weight.shape)}.",
            ),
            (
                alike(found, plain.T),
                "The old matrix is left out on the right side, so that all that X does not speak of is forgotten.",
            ),
            (
                alike(found, everywhere.T),
                "Lambda is added to every entry of X'X and not to its diagonal.",
            ),
            (
                alike(found, _form(weight, target, x, lam)),
                "X and the target have changed places: this makes the target act like the original.",
            ),
            (alike(found, right - weight), "This is the change alone, without the old matrix."),
            (
                alike(found, _form(weight, x, target, 1.0))
                or alike(found, _form(weight, x, target, 0.01)),
                "It does not use the lambda that it is given.",
            ),
            (alike(found, weight), "The matrix is the old one."),
        ],
        "It is not the matrix that answers X as W answers the target, and lies as near to W as lambda wants.",
    )


def _form(weight: Tensor, x: Tensor, target: Tensor, lam: float) -> Tensor:
    """W' [out, width] with (X'X + lambda I) W'^T = X' (target W^T) + lambda W^T."""
    left = x.T @ x + lam * torch.eye(x.shape[1])
    return torch.linalg.solve(left, x.T @ (target @ weight.T) + lam * weight.T).T
