"""The sampler that is saved with Stable Diffusion v1's weights, put in the place of the paper's DDIM for a while."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from diffusers import PNDMScheduler

from ..models import Model


class _Pndm(PNDMScheduler):
    """PNDM's sampler (without its Runge-Kutta steps), which draws no noise and so takes no generator."""

    def step(self, *args: Any, generator: Any = None, **kwargs: Any) -> Any:
        return super().step(*args, **kwargs)


@contextmanager
def sampling_as_published(model: Model) -> Iterator[Model]:
    """``with sampling_as_published(model) as other:`` the sampler that is saved with Stable Diffusion v1's weights; on leaving DDIM again."""
    before = model.pipeline.scheduler
    model.pipeline.scheduler = _Pndm.from_config(before.config, skip_prk_steps=True)
    try:
        yield replace(model, marks=(*model.marks, "pndm"))
    finally:
        model.pipeline.scheduler = before
