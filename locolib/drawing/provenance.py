"""What numbers were computed with: kept beside every run, and shown at the foot of every page."""

import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ..models import Model, Scorer
from ..store import read_bytes
from .sampling import Settings


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """The processor by name, and how many cores of it this process may use: a time says nothing without them."""
    told = re.search(rb"^model name\s*:\s*(.+)$", read_bytes(Path("/proc/cpuinfo")), flags=re.M)
    name = (
        told[1].decode(errors="replace").strip()
        if told
        else platform.processor() or platform.machine()
    )
    return f"{name}, {processors()} core{'s' * (processors() != 1)}"


def device(model: Model) -> str:
    """Where a model computes: cpu, or the card by its name."""
    if model.device.type == "cuda":
        return f"{model.device} ({torch.cuda.get_device_name(model.device)})"
    return str(model.device)


def versions() -> dict[str, str]:
    """Versions of what computes: for the provenance of every page."""
    names = ("locolib", "torch", "diffusers", "transformers", "open_clip_torch")
    return {"python": platform.python_version()} | {name: version(name) for name in names}


def provenance(
    model: Model,
    settings: Settings,
    scorer: Scorer | None = None,
    *,
    prompts: int,
    seeds: Sequence[int],
    minutes: float,
    **more: Any,
) -> dict[str, Any]:
    """What a run's numbers were computed with: kept beside its table, and shown by ``locolib clean``; no `scorer` where none looked."""
    return {
        "model": model.name,
        "source": model.source,
        "weights": model.fingerprint,
        **({"scorer": scorer.name} if scorer else {}),
        "prompts": prompts,
        "seeds": list(seeds),
        "steps": settings.steps,
        "guidance": settings.guidance,
        "device": device(model),
        "precision": model.precision,
        "processor": processor(),
        "minutes": round(minutes, 2),
        **more,
        **versions(),
    }
