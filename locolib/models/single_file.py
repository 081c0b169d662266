"""One ``.safetensors`` file as fine-tunes are shared (the names of weights that A1111's web interface and kohya's scripts use).

Such a file holds weights alone.  Configurations are the bundled ones (``architectures``), the tokenizer is CLIP's, built from
the vocabulary in the open_clip package; so nothing is downloaded.  diffusers converts the names.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from diffusers import AutoencoderKL, DiffusionPipeline, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    SD_2_TEXT_ENCODER_KEYS_TO_IGNORE,
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from open_clip.tokenizer import SimpleTokenizer
from safetensors import safe_open
from safetensors.torch import load_file as read_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from .. import UserError
from .architecture import architecture
from .parts import IGNORED, complain
from .registry import MODELS

_UNET, _VAE = "model.diffusion_model.", "first_stage_model."
# Where each text encoder's weights stand: Stable Diffusion v1, v2, SDXL.
_TEXT = {
    "sd-v1-5": ("cond_stage_model.transformer.",),
    "openjourney": ("cond_stage_model.transformer.",),
    "sd-v2-1": ("cond_stage_model.model.",),
    "sdxl": ("conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."),
}
# The decoder of all published models with latents; SDXL's overflows in half precision.
_DECODER: dict[str, Any] = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
}
_END, _PAD = "<|endoftext|>", {"sd-v2-1": ("!",), "sdxl": ("<|endoftext|>", "!")}
_SHAPES = dict[str, tuple[int, ...]]
LAST = 999  # the time step of noise alone


def shapes(file: str | Path) -> _SHAPES:
    """Names and shapes of a safetensors file's tensors; no weight is read."""
    with safe_open(file, "pt") as opened:
        return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118 (it cannot be iterated)


def difference(name: str, found: _SHAPES) -> str:
    """What keeps a file from being the published model `name`, in words that say what it is; "" where nothing does."""
    if not any(key.startswith(_UNET) for key in found):
        return "it holds no UNet under the names of a whole model; a LoRA is given by --lora, and a folder of parts as a folder"
    fits = [known for known in _TEXT if _fits(known, found)]
    if name not in fits:
        is_one = f"it is {' or '.join(fits)}" if fits else f"it is none of {', '.join(_TEXT)}"
        return f"by the shapes of its weights {is_one}"
    if "v_pred" in found and architecture(name)["scheduler"]["prediction_type"] == "epsilon":
        return "it predicts v_prediction instead of epsilon"
    for part, prefix in (("VAE", _VAE), ("text encoder", _TEXT[name][0])):
        if not any(key.startswith(prefix) for key in found):
            return f"it holds no {part}"
    return ""


def _fits(name: str, found: _SHAPES) -> bool:
    """Whether a file has the text encoders, the width of text and the channels of a published model."""
    unet = architecture(name)["unet"]
    text = {
        shape[-1]
        for key, shape in found.items()
        if key.startswith(_UNET) and key.endswith("attn2.to_k.weight")
    }
    first = found.get(f"{_UNET}input_blocks.0.0.weight", (0, 0))
    layers = sum(key.startswith(_UNET) and key.endswith("attn2.to_k.weight") for key in found)
    return (
        text == {unet["cross_attention_dim"]}
        and first[:2] == (unet["block_out_channels"][0], unet["in_channels"])
        and layers == MODELS[name].layers
    )


def load_file(
    name: str, file: Path, dtype: torch.dtype, without: dict[str, Any]
) -> DiffusionPipeline:
    """The pipeline of a file that is the published model `name` (no `difference`), offline.

    Raises:
        UserError: a part has weights that are missing or unknown to it, or predicts other than the model does.
    """
    weights, encoders = read_file(file), ("text_encoder", "text_encoder_2")
    known = architecture(name)["scheduler"]
    with _configured(name) as folder:
        parts = {
            "unet": _filled(folder / "unet", UNet2DConditionModel, _UNET, weights, dtype),
            "vae": _filled(folder / "vae", AutoencoderKL, _VAE, weights, torch.float32),
        }
        for part, prefix in zip(encoders, _TEXT[name]):
            kind = CLIPTextModelWithProjection if part == "text_encoder_2" else CLIPTextModel
            parts[part] = _filled(folder / part, kind, prefix, weights, dtype)
        if known["prediction_type"] != "epsilon" and gives_noise_back(parts["unet"]):
            raise UserError(
                f"it predicts epsilon instead of {known['prediction_type']}: it is a Stable Diffusion 2 base, which this study does not have"
            )
        return DiffusionPipeline.from_pretrained(folder, local_files_only=True, **parts, **without)


@torch.no_grad()
def gives_noise_back(unet: Any) -> bool:
    """Whether a UNet predicts epsilon: of noise alone that is the noise itself, a velocity is hardly like it.

    Weights do not say what they predict, and Stable Diffusion 2 base has the shapes of 2.1, which predicts velocities.
    """
    generator, config = torch.Generator().manual_seed(0), unet.config
    noise = torch.randn(1, config.in_channels, 16, 16, generator=generator).to(unet.dtype)
    text = torch.zeros(1, 77, config.cross_attention_dim, dtype=unet.dtype)
    given = unet(noise, LAST, text).sample
    alike = nn.functional.cosine_similarity(given.flatten().float(), noise.flatten().float(), dim=0)
    return float(alike) > 0.9


def _filled(
    folder: Path, kind: Any, prefix: str, weights: dict[str, Tensor], dtype: torch.dtype
) -> nn.Module:
    """A part with the weights of a file below `prefix`, all of them and no others."""
    with torch.device("meta"):
        if kind in (UNet2DConditionModel, AutoencoderKL):
            config = kind.load_config(folder)
            part = kind.from_config(config)
        else:
            config = kind.config_class.from_pretrained(folder)
            part = kind(config)
    if kind is UNet2DConditionModel:
        found = convert_ldm_unet_checkpoint(dict(weights), config)
    elif kind is AutoencoderKL:
        found = convert_ldm_vae_checkpoint(dict(weights), config)
    elif prefix.endswith(".model."):
        found = convert_open_clip_checkpoint(part, weights, prefix=prefix)
    else:
        found = convert_ldm_clip_checkpoint(weights)
    if not hasattr(part, "text_model"):
        found = {key.removeprefix("text_model."): weight for key, weight in found.items()}
    found = {key: weight for key, weight in found.items() if not key.endswith(IGNORED)}
    known = part.state_dict()
    complain(
        folder.name,
        missing=known.keys() - found.keys(),
        unexpected=found.keys() - known.keys() or _left_over(part, prefix, weights),
        misshapen=[
            key for key in known.keys() & found.keys() if known[key].shape != found[key].shape
        ],
    )
    part.load_state_dict({key: weight.to(dtype) for key, weight in found.items()}, assign=True)
    for module in part.modules():  # what no file need hold: CLIP's count of positions
        if "position_ids" in module._buffers:
            module._buffers["position_ids"] = torch.arange(config.max_position_embeddings)[None]
    return part.requires_grad_().eval()


def _left_over(part: nn.Module, prefix: str, weights: dict[str, Tensor]) -> list[str]:
    """Names in a file that the conversion left out: it keeps every number, under another name, so what is too much is odd."""
    given = {
        key: weight.numel()
        for key, weight in weights.items()
        if key.startswith(prefix)
        and not key.endswith(IGNORED)
        and key not in SD_2_TEXT_ENCODER_KEYS_TO_IGNORE
    }
    more = sum(given.values()) - sum(weight.numel() for weight in part.parameters())
    return [key for key, numbers in given.items() if 0 < numbers <= more]


@contextmanager
def _configured(name: str) -> Iterator[Path]:
    """A folder with a published model's configurations and tokenizers, and no weights."""
    known = architecture(name)
    with TemporaryDirectory() as made:
        folder = Path(made)
        index: dict[str, Any] = {
            "_class_name": known["pipeline"],
            "unet": ["diffusers", "UNet2DConditionModel"],
        }
        _write(
            folder / "unet" / "config.json", {"_class_name": "UNet2DConditionModel"} | known["unet"]
        )
        scheduler = known["scheduler"]
        _write(folder / "scheduler" / "scheduler_config.json", scheduler)
        index["scheduler"] = ["diffusers", scheduler["_class_name"]]
        side = known["sample_size"] * 2 ** (len(_DECODER["block_out_channels"]) - 1)
        _write(
            folder / "vae" / "config.json",
            {"_class_name": "AutoencoderKL"}
            | _DECODER
            | known["vae"]
            | {"sample_size": side, "force_upcast": name == "sdxl"},
        )
        index["vae"] = ["diffusers", "AutoencoderKL"]
        for i, config in enumerate(known["text_encoders"]):
            more = f"_{i + 1}" if i else ""
            _text_config(config).save_pretrained(folder / f"text_encoder{more}")
            tokenizer(_PAD.get(name, (_END,))[i]).save_pretrained(folder / f"tokenizer{more}")
            index[f"text_encoder{more}"] = ["transformers", config["class"]]
            index[f"tokenizer{more}"] = ["transformers", "CLIPTokenizer"]
        if name == "sdxl":
            index["force_zeros_for_empty_prompt"] = True
        _write(folder / "model_index.json", index)
        yield folder


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def _text_config(config: dict[str, Any]) -> CLIPTextConfig:
    """CLIP's: heads of 64, an MLP four times as wide."""
    width = config["hidden_size"]
    return CLIPTextConfig(
        **{key: value for key, value in config.items() if key != "class"},
        intermediate_size=4 * width,
        num_attention_heads=width // 64,
    )


@lru_cache(maxsize=2)
def tokenizer(pad: str = _END) -> CLIPTokenizer:
    """CLIP's tokenizer of 49,408 tokens, by the vocabulary that open_clip brings with it."""
    read = SimpleTokenizer()
    spelt = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": _END}
    return CLIPTokenizer(
        vocab={spelt.get(token, token): number for token, number in read.encoder.items()},
        merges=list(read.bpe_ranks),
        pad_token=pad,
        model_max_length=77,
    )
