"""The miniatures' UNets and schedules: the real models' blocks, layers and wiring, narrow."""

from collections.abc import Sequence

import torch
from diffusers import DDIMScheduler, DDPMScheduler, EulerDiscreteScheduler, UNet2DConditionModel
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import Tensor

SIDE = {
    "sd-v1": 8,
    "sd-v2": 8,
    "sdxl": 8,
    "if": 32,
}  # of what a UNet of each kind denoises: latents, or pixels
SIZE_WIDTH = 32  # of each of SDXL's six size embeddings


def build(
    kind: str, channels: Sequence[int], *, text_width: int, in_channels: int
) -> UNet2DConditionModel:
    """A new UNet of a kind of `SIDE`; `text_width` is what the text encoders give in all."""
    own = {"sd-v1": _stable_diffusion, "sd-v2": _stable_diffusion, "sdxl": _sdxl, "if": _deepfloyd}[
        kind
    ]
    config = own(kind, text_width) | {
        "sample_size": SIDE[kind],
        "block_out_channels": tuple(channels),
        "in_channels": in_channels,
        "norm_num_groups": 8,
    }
    return UNet2DConditionModel(**{"out_channels": in_channels} | config)


def _stable_diffusion(kind: str, text_width: int) -> dict:
    """16 cross-attention layers; v2 differs by its linear projections (and by its text encoder and prediction)."""
    return {
        "cross_attention_dim": text_width,
        "attention_head_dim": 4,
        "layers_per_block": 2,
        "use_linear_projection": kind == "sd-v2",
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    }


def _sdxl(kind: str, text_width: int) -> dict:
    """70 cross-attention layers; the second encoder's pooled text (half of `text_width`) and sizes join the time step."""
    return {
        "cross_attention_dim": text_width,
        "attention_head_dim": 4,
        "layers_per_block": 2,
        "use_linear_projection": True,
        "transformer_layers_per_block": (1, 2, 10),
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": SIZE_WIDTH,
        "projection_class_embeddings_input_dim": text_width // 2 + 6 * SIZE_WIDTH,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    }


def _deepfloyd(kind: str, text_width: int) -> dict:
    """22 layers in which the image attends to itself and to text; none at full resolution; noise and its variance come out."""
    return {
        "cross_attention_dim": 96,
        "encoder_hid_dim": text_width,
        "encoder_hid_dim_type": "text_proj",
        "attention_head_dim": 16,
        "addition_embed_type": "text",
        "addition_embed_type_num_heads": 4,
        "cross_attention_norm": "group_norm",
        "layers_per_block": 3,
        "resnet_time_scale_shift": "scale_shift",
        "act_fn": "gelu",
        "out_channels": 6,
        "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
        "down_block_types": ("ResnetDownsampleBlock2D",) + ("SimpleCrossAttnDownBlock2D",) * 3,
        "up_block_types": ("SimpleCrossAttnUpBlock2D",) * 3 + ("ResnetUpsampleBlock2D",),
    }


def scheduler(kind: str, prediction: str) -> SchedulerMixin:
    """The noise schedule, and the sampler that the real model's folder names."""
    if kind == "if":
        return DDPMScheduler(
            beta_schedule="squaredcos_cap_v2",
            variance_type="learned_range",
            thresholding=True,
            dynamic_thresholding_ratio=0.95,
            sample_max_value=1.5,
        )
    stable = {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": prediction,
    }
    if kind == "sdxl":
        euler = EulerDiscreteScheduler(**stable, steps_offset=1, timestep_spacing="leading")
        euler.register_to_config(
            clip_sample=False, set_alpha_to_one=False
        )  # as SDXL's own file: for those who read it as DDIM's
        return euler
    return DDIMScheduler(**stable, clip_sample=False, set_alpha_to_one=False, steps_offset=1)


def conditions(kind: str, states: Tensor, pooled: Tensor | None) -> dict:
    """What a UNet of this kind is called with beside the noisy images and the time step, as its pipeline does."""
    if kind == "sdxl":
        sizes = torch.tensor([[64.0, 64.0, 0.0, 0.0, 64.0, 64.0]]).expand(len(states), -1)
        return {
            "encoder_hidden_states": None,
            "added_cond_kwargs": {"text_embeds": pooled, "time_ids": sizes},
        }
    return {"encoder_hidden_states": states if kind == "if" else None}


def start_from(unet: UNet2DConditionModel, other: UNet2DConditionModel, *, attention: bool) -> None:
    """Begin with the weights of `other`: all, or only what is not attention, where the shapes are the same.

    SDXL has one level less than Stable Diffusion: its up blocks take the weights of the other's next ones.
    """
    lag = len(other.up_blocks) - len(unet.up_blocks)
    wanted, kept = unet.state_dict(), {}
    for name, weight in other.state_dict().items():
        block, _, rest = name.partition(".")
        if block == "up_blocks":
            number, _, rest = rest.partition(".")
            name = f"up_blocks.{int(number) - lag}.{rest}"
        if (
            (attention or ".attentions." not in name)
            and name in wanted
            and wanted[name].shape == weight.shape
        ):
            kept[name] = weight
    unet.load_state_dict(kept, strict=False)
