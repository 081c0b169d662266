"""On which device a model computes, and in which type of numbers: half where the device is good at it, in full where half overflows.

UNet and text encoders have the type that is asked for.  Latents, the scheduler's arithmetic and scores are always float32.  The
decoder (VAE) has a type in which it stays finite: SDXL's overflows in float16.
"""

import os
from typing import Any

import torch
from torch import Tensor, nn

from .. import UserError

DEVICES = ("auto", "cuda", "mps", "cpu")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
DEVICE, DTYPE = "LOCOLIB_DEVICE", "LOCOLIB_DTYPE"  # what "auto" means, where they are set


def is_there(kind: str) -> bool:
    """Whether this machine has such a device."""
    if kind == "cuda":
        return torch.cuda.is_available()
    return kind == "cpu" or torch.backends.mps.is_available()


def _chosen(asked: str, variable: str, known: tuple[str, ...], what: str) -> str:
    """What is asked for; "auto" is what the environment says, and "auto" again where it says nothing."""
    for said, by in ((asked, ""), (os.environ.get(variable) or "auto", f" ({variable})")):
        if said not in known:
            raise UserError(f"Unknown {what} {said!r}{by}; choose one of {', '.join(known)}.")
        if said != "auto":
            return said
    return "auto"


def device(name: str = "auto") -> torch.device:
    """The device that is asked for; "auto": `LOCOLIB_DEVICE` where it is set, else a GPU where there is one.

    Raises:
        UserError: there is no such device, or none here.
    """
    chosen = _chosen(name, DEVICE, DEVICES, "device")
    if chosen == "auto":
        chosen = next(kind for kind in DEVICES[1:] if is_there(kind))
    if not is_there(chosen):
        here = ", ".join(kind for kind in DEVICES[1:] if is_there(kind))
        raise UserError(f"This machine has no device {chosen!r}; it has {here}, or choose auto.")
    return torch.device(chosen)


def dtype(name: str, where: torch.device) -> torch.dtype:
    """The type that is asked for; "auto": `LOCOLIB_DTYPE` where it is set, else float16 on a GPU and float32 on a CPU.

    Raises:
        UserError: there is no such type, or the device cannot compute in it.
    """
    chosen = _chosen(name, DTYPE, ("auto", *DTYPES), "type of numbers")
    if chosen == "auto":
        return torch.float32 if where.type == "cpu" else torch.float16
    if chosen == "bfloat16" and where.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise UserError(
            f"{torch.cuda.get_device_name(where)} does not compute in bfloat16; choose float16 or float32."
        )
    return DTYPES[chosen]


def decoder_dtype(vae: Any, wanted: torch.dtype, *, upcast: bool) -> torch.dtype:
    """The type of a decoder whose UNet has the type `wanted`: float32 instead of float16 where it is known to overflow.

    Args:
        upcast: whether the family's decoders overflow unless their configuration denies it (``force_upcast``), as SDXL's do.
    """
    overflows = upcast and getattr(vae.config, "force_upcast", True)
    return torch.float32 if wanted == torch.float16 and overflows else wanted


def cast(pipeline: Any, parts: tuple[str, ...], wanted: torch.dtype, *, upcast: bool) -> None:
    """Give the parts of a pipeline their types.

    Of T5 some matrices stay in float32 where the rest is float16, as transformers itself keeps them: they overflow.
    """
    for name in parts:
        part: nn.Module = getattr(pipeline, name)
        own = decoder_dtype(part, wanted, upcast=upcast) if name == "vae" else wanted
        nn.Module.to(
            part, own
        )  # diffusers' own warns of parts to keep in float32 where there are none
        if own == torch.float16:
            kept = getattr(part, "_keep_in_fp32_modules", None) or ()
            for path, module in part.named_modules():
                if path.rpartition(".")[2] in kept:
                    module.to(torch.float32)


def exact(values: Tensor) -> Tensor:
    """The same in float64, in which systems are solved; on the CPU where the device has no such type (MPS)."""
    return (values.cpu() if values.device.type == "mps" else values).detach().double()


def title(kind: torch.dtype) -> str:
    """A type's name as pages have it: float16."""
    return str(kind).removeprefix("torch.")
