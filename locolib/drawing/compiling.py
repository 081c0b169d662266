"""The UNet compiled, where a plan is long enough to pay for it, or where it is asked for (`LOCOLIB_COMPILE`).

Compiling takes about a minute and is worth a third more images a second on a GPU.  The compiled UNet reads its keys and values
from the same readers batch after batch, so that only tensors change; it is used for batches of one shape, with nothing hooked to
the UNet, and every other batch runs as ever.  The two agree as far as other sums of the same numbers do (`TOLERANCE`).
"""

import os
import sys
from time import monotonic
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm

from .. import UserError
from ..models import Model
from .memory import KeysValues

COMPILE = "LOCOLIB_COMPILE"
CHOICES = ("auto", "on", "off")
SECONDS, GAIN = (
    90.0,
    0.25,
)  # what compiling costs, and the part of the time that it saves, on an H100
BACKEND = "inductor"
TOLERANCE = 1e-3  # of float32 latents, whose size is about 1, after all steps


def choice() -> str:
    """auto, on or off: what the environment says.

    Raises:
        UserError: it says something else.
    """
    said = os.environ.get(COMPILE) or "auto"
    if said not in CHOICES:
        raise UserError(f"Unknown choice {said!r} ({COMPILE}); choose one of {', '.join(CHOICES)}.")
    return said


def pays(seconds: float, device: torch.device) -> bool:
    """Whether images that take so many seconds without compiling are enough to pay for it; on CPUs it saves an eighth for a minute, and must be asked for."""
    return device.type == "cuda" and GAIN * seconds > SECONDS


class Plan:
    """Decides, while a plan runs, whether the rest of its batches is worth compiling for, and says so before it is done."""

    def __init__(self, model: Model, batches: int) -> None:
        self._model, self._left, self._choice = model, batches, choice()
        self._done, self._since = 0, monotonic()
        self.on = False
        if self._choice == "on" and batches:
            self._start("as asked")

    def finished(self) -> None:
        """One batch is done: the first warms up, the second is timed."""
        self._done, self._left = self._done + 1, self._left - 1
        took, self._since = monotonic() - self._since, monotonic()
        rest = took * self._left
        if self._choice == "auto" and self._done == 2 and pays(rest, self._model.device):
            self._start(f"the batches that are left would take {rest / 60:.0f} minutes without")

    def _start(self, why: str) -> None:
        self.on = True
        tqdm.write(
            f"{self._model.name}: the UNet is compiled once, which takes a minute or more ({why}).",
            file=sys.stderr,
        )


def is_plain(unet: nn.Module) -> bool:
    """Whether nothing is hooked to any part of a UNet: a compiled one would not notice."""
    return not any(m._forward_hooks or m._forward_pre_hooks for m in unet.modules())


def compiled(model: Model) -> tuple[KeysValues, Any]:
    """(readers, UNet compiled for the shapes that it is called with), the same as long as the pipeline lives.

    Its weights are the UNet's own, so edits act on it; other readers would have it compiled again.
    """
    kept = model.pipeline.__dict__
    if "_locolib_compiled" not in kept:
        unet = torch.compile(model.unet, backend=BACKEND, dynamic=False)
        kept["_locolib_compiled"] = KeysValues(model.unet), unet
    return kept["_locolib_compiled"]
