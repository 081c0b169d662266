"""Published architectures with random weights, at full width or narrowed: what they cost does not depend on what they know.

No checkpoint is read.  The layers, their kinds and their order are the published ones (`locolib.models.architecture`); narrowed,
every width is an eighth and the pictures are small, so that a CPU can draw them.
"""

from dataclasses import fields
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    IFPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
)

from locolib import models
from locolib.models import precision
from locolib.models.architecture import architecture
from locolib.models.families import FAMILIES
from locolib.models.memory import settle
from locolib.organisms import contrast, spans

NARROW = 8  # widths are divided by it
SIDES = {"StableDiffusionPipeline": 16, "StableDiffusionXLPipeline": 16, "IFPipeline": 16}


def random_model(name: str, *, dtype: str, device: str = "auto", narrow: bool) -> models.Model:
    """A model of the registry's architecture with random weights of a fixed seed."""
    config, place = architecture(name), precision.device(device)
    kind = precision.dtype(dtype, place)
    family = FAMILIES[config["pipeline"]]
    state = torch.get_rng_state()
    torch.manual_seed(0)
    with torch.device(place):
        pipeline = _pipeline(config, narrow)
    torch.set_rng_state(state)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.unet.to(memory_format=torch.channels_last)
    for part in family.parts:
        getattr(pipeline, part).eval().requires_grad_(False)
    precision.cast(pipeline, family.parts, kind, upcast=family.upcast)
    known = {field.name for field in fields(family)}
    given = {"fingerprint": "random"} if "fingerprint" in known else {}
    model = family(spec=models.find(name), pipeline=pipeline, place=place, **given)
    settle(model)
    return model


def _pipeline(config: dict[str, Any], narrow: bool) -> Any:
    """The pipeline of a published configuration, in float32."""
    by = NARROW if narrow else 1
    unet = UNet2DConditionModel.from_config(_unet(config, by))
    scheduler = {k: v for k, v in config["scheduler"].items() if not k.startswith("_")}
    checker = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    if config["pipeline"] == "IFPipeline":
        return IFPipeline(
            tokenizer=(tokenizer := spans.build_tokenizer()),
            text_encoder=T5EncoderModel(_t5(config["text_encoders"][0], len(tokenizer), by)),
            unet=unet,
            scheduler=DDPMScheduler.from_config(scheduler),
            watermarker=None,
            **checker,
        )
    clip = contrast.build_tokenizer(700)
    encoders = [_clip(told, clip, by) for told in config["text_encoders"]]
    parts = {
        "vae": _decoder(config, by),
        "text_encoder": encoders[0],
        "tokenizer": clip,
        "unet": unet,
        "scheduler": DDIMScheduler.from_config(scheduler | {"timestep_spacing": "leading"}),
    }
    if config["pipeline"] == "StableDiffusionXLPipeline":
        return StableDiffusionXLPipeline(
            **parts, text_encoder_2=encoders[1], tokenizer_2=clip, add_watermarker=False
        )
    return StableDiffusionPipeline(**parts, **checker)


def _unet(config: dict[str, Any], by: int) -> dict[str, Any]:
    """A UNet's configuration with its widths divided."""
    found = dict(config["unet"])
    if by == 1:
        return found
    for name in ("cross_attention_dim", "encoder_hid_dim"):
        if found.get(name):
            found[name] //= by
    found["block_out_channels"] = [width // by for width in found["block_out_channels"]]
    found["norm_num_groups"] //= 4
    found["sample_size"] = SIDES[config["pipeline"]]
    if config["pipeline"] == "IFPipeline":
        found |= {"attention_head_dim": 8, "addition_embed_type_num_heads": 8}
    if pooled := found.get("projection_class_embeddings_input_dim"):
        sizes = 6 * found["addition_time_embed_dim"]
        found["projection_class_embeddings_input_dim"] = sizes + (pooled - sizes) // by
    return found


def _decoder(config: dict[str, Any], by: int) -> AutoencoderKL:
    """The autoencoder of Stable Diffusion, whose shape SDXL's shares."""
    widths = [width // by for width in (128, 256, 512, 512)]
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=widths,
        layers_per_block=2,
        norm_num_groups=32 // (4 if by > 1 else 1),
        **{k: v for k, v in config["vae"].items() if k in ("latent_channels", "scaling_factor")},
    )


def _clip(told: dict[str, Any], tokenizer: Any, by: int) -> Any:
    width = told["hidden_size"] // by
    config = CLIPTextConfig(
        vocab_size=max(len(tokenizer), told["vocab_size"] // by),
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=told["projection_dim"] // by,
        num_hidden_layers=told["num_hidden_layers"],
        num_attention_heads=max(1, width // 64) if by == 1 else 8,
        hidden_act=told["hidden_act"],
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    projected = told["class"] == "CLIPTextModelWithProjection"
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def _t5(told: dict[str, Any], vocabulary: int, by: int) -> T5Config:
    width = told["hidden_size"] // by
    return T5Config(
        vocab_size=max(vocabulary, told["vocab_size"] // by),
        d_model=width,
        d_kv=64 // by,
        d_ff=5 * width // 2,
        num_layers=told["num_hidden_layers"],
        num_heads=64,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )
