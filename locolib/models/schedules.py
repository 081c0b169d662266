"""The sampler of a checkpoint, whichever scheduler it was saved with: the paper's DDIM, or DeepFloyd's DDPM.

What a model was trained with is kept as saved: betas, count of time steps, what it predicts, zero-terminal SNR.  How it is
sampled is the family's: diffusers would hand down what another scheduler wrote (Euler's ``linspace``, with which DDIM visits
999, 888 and steps to 899, 788), or DDIM's own defaults, which clip latents as if they were pixels.
"""

import warnings
from inspect import signature
from typing import Any

from diffusers import DDIMScheduler, DDPMScheduler, SchedulerMixin

from .. import Notice

SAMPLERS: dict[str, Any] = {"ddim": DDIMScheduler, "ddpm": DDPMScheduler}
# How each family is sampled.  DeepFloyd's, as published: of pixels, thresholded.
_FAMILY: dict[str, dict[str, Any]] = {
    "ddim": {
        "timestep_spacing": "leading",
        "steps_offset": 1,
        "set_alpha_to_one": False,
        "clip_sample": False,
        "thresholding": False,
    },
    "ddpm": {
        "timestep_spacing": "leading",
        "steps_offset": 0,
        "clip_sample": True,
        "clip_sample_range": 1.0,
        "thresholding": True,
        "dynamic_thresholding_ratio": 0.95,
        "sample_max_value": 1.5,
        "variance_type": "learned_range",
    },
}
_PREDICTIONS = ("epsilon", "v_prediction", "sample")
_OTHER = ("EDMEulerScheduler",)  # its noise is scaled in another way, which no field of ours says


def unfit(config: dict[str, Any]) -> str:
    """Why a saved scheduler's model cannot be sampled by DDIM or DDPM, in words; "" where it can."""
    name = config.get("_class_name", "DDIMScheduler")
    predicts = config.get("prediction_type", "epsilon")
    if "Flow" in name or "flow" in predicts or config.get("use_flow_sigmas"):
        return "it was trained by flow matching, which neither DDIM nor DDPM samples"
    if name not in DDIMScheduler._compatibles or name in _OTHER:
        return f"its {name} samples in a way that neither DDIM nor DDPM has"
    if predicts not in _PREDICTIONS:
        return f"it predicts {predicts}, which neither DDIM nor DDPM samples"
    if config.get("rescale_betas_zero_snr") and predicts == "epsilon":
        return "its schedule begins at pure noise (rescale_betas_zero_snr), of which the noise says nothing: it must predict v"
    return ""


def scheduler(saved: dict[str, Any], sampler: str, title: str) -> SchedulerMixin:
    """The family's scheduler for a saved configuration that is not `unfit`; a `Notice` says what was changed.

    Args:
        saved: the scheduler's configuration as the checkpoint's file has it.
        sampler: "ddim" or "ddpm".
        title: how the notice calls the checkpoint.
    """
    kind, family = SAMPLERS[sampler], dict(_FAMILY[sampler])
    if saved.get(
        "rescale_betas_zero_snr"
    ):  # made for trailing steps: leading ones never see its end
        family["timestep_spacing"] = "trailing"
    known = signature(kind).parameters  # another scheduler's own fields say nothing here
    saved_here = {field: value for field, value in saved.items() if field in known}
    read = kind.from_config(saved_here).config
    changed = [
        f"{field} {read[field]!r} to {value!r}"
        for field, value in family.items()
        if read[field] != value
    ]
    if changed:
        warnings.warn(
            f"{title} was saved with a {saved.get('_class_name', 'scheduler')}; to sample by {sampler.upper()} as its family does, "
            f"these were changed: {', '.join(changed)}.",
            Notice,
            stacklevel=2,
        )
    return kind.from_config(saved_here | family)
