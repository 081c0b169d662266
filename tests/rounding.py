"""How two ways of computing are compared.

Bit equality is asked only of the same computation on the same bytes: restored weights, stored files, resumed runs.  A row's last
bits depend on where in its batch it stands: with several threads a matrix product deals its rows out, and a row at the edge of a
thread's share is summed up by another kernel, in another order.  So even two identical rows of one batch differ, by about 1e-6.
"""

import numpy as np
import torch
from torch import Tensor

ATOL = 1e-4  # of latents, whose size is about 1: far above rounding, far below the least effect of an intervention


def close(a: Tensor, b: Tensor, atol: float = ATOL) -> bool:
    """Whether two tensors agree up to rounding."""
    return torch.allclose(a, b, atol=atol, rtol=0)


def assert_same(a: Tensor, b: Tensor, atol: float = ATOL) -> None:
    """Fail, with the largest difference, where two tensors differ by more than rounding."""
    torch.testing.assert_close(a, b, atol=atol, rtol=0)


def assert_same_picture(a: np.ndarray, b: np.ndarray) -> None:
    """Fail where uint8 pictures differ by more than one level, which rounding may turn either way."""
    assert np.abs(a.astype(int) - b.astype(int)).max() <= 1
