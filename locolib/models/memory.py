"""How much memory a model takes: predicted from its sizes, looked at where it computes, and made by letting parts leave.

The constants of `predict` are calibrated to what true architectures with random weights took on one H100 (GiB at the peak):
Stable Diffusion v1.5 in float16 with sliced decoding 2.7, 4.3, 10.8 at batches of 4, 16, 64; SDXL 9.1, 9.9, 13.1 at 1, 8, 16; one
picture at a time in float32 5.3 and 17.9.  `tests/test_out_of_memory.py` holds the prediction to that table.
"""

import ctypes
import gc
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import nn

from .. import UserError
from .encoders import text_parameters

GIB = 2**30
ATTENDING, PLAIN = (
    27,
    21.5,
)  # bytes of a UNet row, in units of its widest feature map, by whether attention stands at that size
DECODING = 8.1  # of a picture that is decoded, in units of a feature map as wide as the decoder's first block
OVERHEAD = 0.15 * GIB  # workspaces of the libraries
KEPT = GIB // 2  # most that kept keys and values take
SLICE = GIB // 2  # most that pictures which are decoded together take, beyond the first
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
SPARE = 0.9  # part of the free memory that is planned with


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a model takes, in bytes.

    Attributes:
        parts: weights of each part, by name.
        row: for each image while the UNet denoises; with guidance it denoises two rows of each.
        text: keys and values of one prompt.
        decoding: for each picture that is decoded.
    """

    parts: Mapping[str, int]
    row: int
    text: int
    decoding: int

    @property
    def encoders(self) -> int:
        """Weights of the text encoders."""
        return sum(size for name, size in self.parts.items() if name.startswith("text_encoder"))

    def denoising(self, batch: int) -> int:
        """For a batch beside the weights: its feature maps, keys and values kept for its prompts."""
        return batch * self.row + min(KEPT, 2 * batch * self.text) + int(OVERHEAD)

    def peak(self, batch: int, *, encoders: bool) -> int:
        """The most at any time: while denoising, or while decoding."""
        weights = sum(self.parts.values()) - (0 if encoders else self.encoders)
        decoding = min(KEPT, 2 * batch * self.text) + self.decoding + int(OVERHEAD)
        return weights + max(self.denoising(batch), decoding)


def predict(
    model: Any,
    batch: int,
    *,
    dtype: torch.dtype | None = None,
    guided: bool = True,
    encoders: bool = True,
) -> int:
    """Bytes that a model takes at the peak while it draws a batch, pictures decoded in slices.

    Args:
        model: a loaded `Model`, or a configuration as `architecture.architecture` gives it.
        dtype: of a configuration's weights; default float16.  A model has its own.
        guided: whether each image is two rows.
        encoders: whether the text encoders stay beside the rest.
    """
    known = (
        of_configuration(model, dtype or torch.float16)
        if isinstance(model, dict)
        else of_model(model)
    )
    row = known.row if guided else known.row // 2
    return Need(parts=known.parts, row=row, text=known.text, decoding=known.decoding).peak(
        batch, encoders=encoders
    )


def of_model(model: Any) -> Need:
    """What a loaded model needs."""
    parts = {name: weight(getattr(model.pipeline, name)) for name in model.parts}
    return _need(model.unet, parts, model.dtype.itemsize, _pixels(model))


def _pixels(model: Any) -> int:
    """Bytes of one of the decoder's largest maps for each of its first channels; 0 without a decoder."""
    vae = getattr(model.pipeline, "vae", None)
    if vae is None:
        return 0
    return int(model.side**2 * vae.config.block_out_channels[0] * vae.dtype.itemsize)


def of_configuration(config: Mapping[str, Any], dtype: torch.dtype) -> Need:
    """What a published architecture needs, from its configuration alone (no weights are made)."""
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(config["unet"])
    size = dtype.itemsize
    parts = {"unet": size * _count(unet)}
    for i, encoder in enumerate(config["text_encoders"], start=1):
        parts["text_encoder" + (f"_{i}" if i > 1 else "")] = size * text_parameters(encoder)
    if "vae" not in config or not config["vae"]:
        return _need(unet, parts, size, 0)
    # The decoders of Stable Diffusion and SDXL are of one shape; SDXL's stays in float32, where it does not overflow.
    own = (
        4 if config["pipeline"] == "StableDiffusionXLPipeline" and dtype == torch.float16 else size
    )
    side = 8 * unet.config.sample_size
    return _need(unet, parts | {"vae": own * 83_653_863}, size, side**2 * 128 * own)


def _need(unet: nn.Module, parts: Mapping[str, int], size: int, pixels: int) -> Need:
    config, projections = unet.config, ("attn2.to_k", "attn2.to_v", "add_k_proj", "add_v_proj")
    attends = "Attn" in config.down_block_types[0]
    outputs = sum(m.out_features for name, m in unet.named_modules() if name.endswith(projections))
    area = config.sample_size**2 * config.block_out_channels[0] * size
    return Need(
        parts=parts,
        row=int(2 * area * (ATTENDING if attends else PLAIN)),
        text=77 * outputs * size,
        decoding=int(DECODING * pixels),
    )


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def weight(module: nn.Module) -> int:
    """Bytes of a module's weights."""
    return sum(p.numel() * p.element_size() for p in module.parameters())


def free(device: torch.device) -> float:
    """Bytes that are free where a model computes; infinity where nobody says."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return float(torch.cuda.mem_get_info(device)[0] + unused)
    if device.type == "mps":
        return float(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        told = next(line for line in lines if line.startswith("MemAvailable:"))
        return 1024.0 * int(told.split()[1])
    except (OSError, StopIteration, ValueError):
        return float("inf")


def fitting(model: Any, most: int, *, guided: bool = True) -> int:
    """Rows of a batch that fit into the memory which is free beside the weights: `most`, or fewer, at least one."""
    known = of_model(model)
    row = (known.row if guided else known.row // 2) + 2 * known.text
    room = SPARE * free(model.device) - OVERHEAD
    return most if room == float("inf") else max(1, min(most, int(room // max(1, row))))


def slices(model: Any, count: int) -> int:
    """Pictures that are decoded together: as many as take `SLICE`, at least one.  What is free has no say, so pictures do not depend on it."""
    return max(1, min(count, SLICE // max(1, int(DECODING * _pixels(model)))))


def is_short(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a GPU (CUDA, MPS) or on a CPU."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    )


def release(device: torch.device) -> None:
    """Give back what nobody uses any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def hold() -> None:
    """Let this process keep the memory that it frees, up to 1 GiB, as GPUs do: the next feature map takes it again.

    Otherwise glibc gives every freed feature map back to the system, which hands it out anew page by page (what that cost is
    in ``benchmarks/RESULTS.md``).  Elsewhere nothing happens.
    """
    if sys.platform == "linux":
        with suppress(AttributeError, OSError):  # another C library
            for parameter, most in ((M_TRIM_THRESHOLD, GIB), (M_MMAP_THRESHOLD, GIB // 32)):
                ctypes.CDLL(None).mallopt(parameter, most)


def bring(model: Any, *names: str, room: int = 0) -> None:
    """Have these parts of a model where it computes, with `room` bytes beside them; others leave for the CPU only if they must.

    The text encoders go first: they are needed once for each prompt, T5-XXL takes 9 GiB.  Where all fits nothing moves.
    """
    device = model.device
    if device.type == "cpu":
        return
    parts = {name: getattr(model.pipeline, name) for name in model.parts}
    missing = [name for name in names if not _is_on(parts[name], device)]
    need = room + sum(weight(parts[name]) for name in missing)
    others = [name for name in parts if name not in names and _is_on(parts[name], device)]
    for name in sorted(others, key=lambda name: not name.startswith("text_encoder")):
        if SPARE * free(device) >= need:
            break
        parts[name].to("cpu")
        release(device)
    for name in missing:
        parts[name].to(device)


def settle(model: Any) -> None:
    """Move a model to where it computes: whole where it fits, else its parts come by turns (`bring`).

    Raises:
        UserError: not even its UNet fits, with one image.
    """
    if model.device.type == "cpu":
        hold()
        return
    known, room = of_model(model), SPARE * free(model.device)
    if sum(known.parts.values()) + known.denoising(1) <= room:
        model.pipeline.to(model.device)
    elif (least := known.parts["unet"] + known.denoising(1)) > room:
        raise UserError(
            f"{model.name} needs {least / GIB:.1f} GiB for its UNet and one image, and {model.device} has {room / GIB:.1f} GiB to give; "
            "choose --dtype float16, or --device cpu."
        )


def _is_on(module: nn.Module, device: torch.device) -> bool:
    return next(module.parameters()).device.type == device.type
