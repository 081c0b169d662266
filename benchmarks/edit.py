"""How long LocoEdit's closed form takes at the real widths of Stable Diffusion v1.5: ``python benchmarks/edit.py``.

Two layers, so four matrices of 1280 x 768, and ten prompts with one key each, on random numbers (time does not depend on
them).  Beside it the paper's formula as written, solved anew for every matrix.
"""

from time import perf_counter

import torch
from torch import Tensor

from locolib.experiments.editing import ridge

OUT, WIDTH, PROMPTS, MATRICES, LAMBDA = 1280, 768, 10, 4, 0.01


def ours(x: Tensor, targets: Tensor, weights: list[Tensor]) -> list[Tensor]:
    """One small system for all matrices."""
    solved = ridge(x, targets, LAMBDA)
    return [weight + solved.delta(weight).float() for weight in weights]


def as_written(x: Tensor, targets: Tensor, weights: list[Tensor]) -> list[Tensor]:
    """(X'X + lambda I)^-1 (X'Y + lambda W^) for each matrix, in float64."""
    x, targets = x.double(), targets.double()
    made = []
    for weight in weights:
        old = weight.double().T
        made.append(
            torch.linalg.solve(
                x.T @ x + LAMBDA * torch.eye(WIDTH, dtype=x.dtype),
                x.T @ (targets @ old) + LAMBDA * old,
            ).T.float()
        )
    return made


def seconds(solve, *given, rounds: int = 7) -> float:
    """Median time of a call, after one that warms up."""
    solve(*given)
    took = []
    for _ in range(rounds):
        started = perf_counter()
        solve(*given)
        took.append(perf_counter() - started)
    return sorted(took)[rounds // 2]


def main() -> None:
    generator = torch.Generator().manual_seed(0)
    x, targets = torch.randn(2, PROMPTS, WIDTH, generator=generator)
    weights = list(0.02 * torch.randn(MATRICES, OUT, WIDTH, generator=generator))
    apart = max(
        float((a - b).abs().max() / b.abs().max())
        for a, b in zip(ours(x, targets, weights), as_written(x, targets, weights))
    )
    one, other = seconds(ours, x, targets, weights), seconds(as_written, x, targets, weights)
    print(
        f"{MATRICES} matrices of {OUT} x {WIDTH}, {PROMPTS} prompts, {torch.get_num_threads()} threads: {1000 * one:.1f} ms; "
        f"as written {1000 * other:.1f} ms ({other / one:.1f} times); largest difference {apart:.1e} of the largest weight"
    )


if __name__ == "__main__":
    main()
