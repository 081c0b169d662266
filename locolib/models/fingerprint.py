"""What determines a number: weights, as a short name."""

import hashlib
from collections.abc import Iterable

import torch
from torch import nn


def fingerprint(parts: Iterable[nn.Module], settings: str = "") -> str:
    """16 hex digits of the weights of `parts`, in order, and of what else counts."""
    digest = hashlib.sha256()
    for part in parts:
        for name, weight in sorted(part.state_dict().items()):
            digest.update(name.encode() + str(tuple(weight.shape)).encode())
            digest.update(
                weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
            )
    digest.update(settings.encode())
    return digest.hexdigest()[:16]
