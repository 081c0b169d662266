"""The parts of a pipeline that have weights, from a folder: every weight must be there, and have its place.

diffusers and transformers fill what is missing at random and leave out what they do not know, with a warning at most.
"""

import importlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .. import UserError

# model.safetensors, model.fp16-00001-of-00002.safetensors, and as shards were once called: model-00001-of-00002.fp16.safetensors
_FILE = re.compile(r"[a-z_]+(?:\.(\w+?))?(?:-\d+-of-\d+)?(?:\.(\w+))?\.safetensors")
_LIBRARIES = ("diffusers", "transformers")
IGNORED = (
    "position_ids",
    "logit_scale",
)  # counts and scales that older files hold and no text state depends on


def load_parts(folder: Path, names: Iterable[str], dtype: torch.dtype) -> dict[str, nn.Module]:
    """The modules `names` of a pipeline folder, in `dtype` (a decoder in float32), each from its half-precision file where it has one.

    Raises:
        UserError: a part is not listed, or has weights that are missing, misshapen, or unknown to it.
    """
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    return {name: _part(folder, name, index.get(name), dtype) for name in names}


def _part(folder: Path, name: str, listed: Any, dtype: torch.dtype) -> nn.Module:
    library, kind = listed or (None, None)
    if library not in _LIBRARIES or not kind:
        raise UserError(f"its {name} is not one of diffusers or transformers")
    part, info = getattr(importlib.import_module(library), kind).from_pretrained(
        folder / name,
        variant=variant(folder / name),
        use_safetensors=True,
        dtype=torch.float32 if name == "vae" else dtype,
        local_files_only=True,
        output_loading_info=True,
    )
    complain(
        name,
        missing=info["missing_keys"],
        unexpected=info["unexpected_keys"],
        misshapen=[found[0] for found in info["mismatched_keys"]],
    )
    return part.eval()


def complain(
    name: str,
    *,
    missing: Iterable[str] = (),
    unexpected: Iterable[str] = (),
    misshapen: Iterable[str] = (),
) -> None:
    """Refuse weights that are not exactly those of the part `name`, in words."""
    found = [
        (problem, sorted(key for key in keys if not key.endswith(IGNORED)))
        for problem, keys in (
            ("lacks", missing),
            ("has no place for", unexpected),
            ("has another shape for", misshapen),
        )
    ]
    said = [
        f"{problem} {len(keys)} of the weights ({', '.join(keys[:2])}{', ...' if len(keys) > 2 else ''})"
        for problem, keys in found
        if keys
    ]
    if said:
        raise UserError(f"its {name} {' and '.join(said)}")


def readable(folder: Path) -> None:
    """Give the weights below a folder the permissions of the umask: safetensors writes them for their owner's eyes alone."""
    mask = os.umask(0)
    os.umask(mask)
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o666 & ~mask)


def variant(folder: Path) -> str | None:
    """Which of a part's files to read: fp16 where there is one (it is half the download), the plain ones, or the only others."""
    found = [_FILE.fullmatch(path.name) for path in folder.glob("*.safetensors")]
    known = {match[1] or match[2] for match in found if match}
    return (
        "fp16" if "fp16" in known else None if None in known or not known else min(known - {None})
    )
