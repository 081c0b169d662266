"""Edits as files: a LoRA of exact rank, or a whole folder; facts in their metadata; all of it or nothing."""

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers.utils import convert_state_dict_to_kohya
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ... import UserError
from ...models import Model
from ...models.parts import readable
from ...models.precision import exact
from ...store import remove, write_atomic
from .edits import Edit, applied


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A place in `folder` whose content goes to `folder` itself once all of it is written, with the permissions of the umask.

    Raises:
        UserError: it cannot be written, the disk being full, say; then nothing of it is left, and `folder` is as it was.
    """
    made = folder / f"{secrets.token_hex(8)}.tmp"
    new = next((place for place in (*folder.parents[::-1], folder) if not place.exists()), made)
    try:
        made.mkdir(parents=True)
        yield made
        readable(made)
        new = made  # the folder stays
        for path in sorted(made.iterdir()):
            remove(folder / path.name)
            os.replace(path, folder / path.name)
    except Exception as error:
        known = isinstance(error, OSError | SafetensorError | UserError)
        if not known and "os error" not in str(error):  # tokenizers has no kind of its own
            raise
        cause = error.__cause__ if isinstance(error, UserError) else error
        reason = getattr(cause, "strerror", None) or str(cause or error)
        raise UserError(
            f"{folder} could not be written ({reason}), and nothing of it was kept: make room there, or name another place, "
            "and run the same again."
        ) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def low_rank(delta: Tensor) -> tuple[Tensor, Tensor]:
    """Exact factors of a delta [out, in]: (up [out, rank], down [rank, in]), of the smallest rank that gives it back."""
    u, s, vt = torch.linalg.svd(exact(delta), full_matrices=False)
    rank = max(1, int((s > s[0] * max(delta.shape) * torch.finfo(torch.float32).eps).sum()))
    root = s[:rank].sqrt()
    return (u[:, :rank] * root).float(), (root[:, None] * vt[:rank]).float()


def _factors(edit: Edit) -> tuple[dict[str, Tensor], int]:
    """An edit of the UNet as low-rank factors by diffusers' names, and the largest rank.

    Raises:
        UserError: the edit changes a text encoder, or what is no matrix.
    """
    factors: dict[str, Tensor] = {}
    ranks = []
    for path, delta in edit.deltas.items():
        part, _, rest = path.partition(".")
        if part != "unet" or delta.ndim != 2:
            raise UserError(
                f"{edit.method} changes {path}, which no LoRA of the UNet can hold; save the edited pipeline instead (--as pipeline)."
            )
        up, down = low_rank(delta)
        name = rest.removesuffix(".weight")
        factors |= {
            f"{name}.lora_A.weight": down.contiguous(),
            f"{name}.lora_B.weight": up.contiguous(),
        }
        ranks.append(up.shape[1])
    return factors, max(ranks)


def save_lora(
    model: Model, edit: Edit, folder: Path, facts: Mapping[str, Any] | None = None
) -> int:
    """Write an edit of the UNet as a LoRA that plain diffusers loads by ``load_lora_weights``; returns its largest rank.

    Args:
        facts: for the file's metadata, see `header`.

    Raises:
        UserError: the edit changes a text encoder, or what is no matrix; or it cannot be written.
    """
    factors, rank = _factors(edit)
    with _whole(folder) as made:
        model.pipeline.save_lora_weights(made, unet_lora_layers=factors, safe_serialization=True)
        if facts is not None:
            annotate(made, header(model, rank, facts, folder.resolve().name))
    return rank


def save_kohya(
    model: Model, edit: Edit, folder: Path, facts: Mapping[str, Any] | None = None
) -> int:
    """Write the same as ``NAME.safetensors``, NAME the folder's, by kohya's names: what web interfaces list; returns its largest rank.

    A layer's alpha is its rank, so that a weight of 1 is the edit itself.

    Raises:
        UserError: as `save_lora`.
    """
    (factors, rank), name = _factors(edit), folder.resolve().name
    named = convert_state_dict_to_kohya({f"unet.{path}": part for path, part in factors.items()})
    tensors = {path: part.float().contiguous() for path, part in named.items()}
    more = {} if facts is None else header(model, rank, facts, name)
    write_atomic(folder / f"{name}.safetensors", save(tensors, {"format": "pt"} | more))
    return rank


# What kohya's trainer, and so the web interfaces, call the bases; and the names of `modelspec`.
_BASES = {
    "sd-v1-5": ("sd_v1", "stable-diffusion-v1"),
    "openjourney": ("sd_v1", "stable-diffusion-v1"),
    "sd-v2-1": ("sd_v2_v", "stable-diffusion-v2-768-v"),
    "sdxl": ("sdxl_base_v1-0", "stable-diffusion-xl-v1-base"),
}


def header(model: Model, rank: int, facts: Mapping[str, Any], name: str) -> dict[str, str]:
    """The metadata of a LoRA's file: our facts as JSON (what, where, verdict, measured effect and damage), and what web interfaces read.

    Args:
        rank: the largest of its layers.
        facts: value, attribute, layers, verdict, gone, kept, moved, ...
        name: what it is called.
    """
    base, architecture = _BASES.get(model.spec.original or model.spec.name, ("", ""))
    what = f"{facts['value']} ({facts['attribute']}) edited in layers {facts['layers']} of {model.spec.title}"
    known = {
        "locolib": json.dumps(facts),
        "modelspec.title": name,
        "modelspec.description": f"{what}; load it with a weight from -1 to 1, where 0 is the plain model and 1 the edit",
        "ss_output_name": name,
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(rank),
        "ss_network_alpha": str(rank),
        "ss_sd_model_name": model.spec.title,
        "ss_training_comment": what,
    }
    if base and not model.spec.bundled:  # a miniature fits no web interface's model
        known |= {
            "ss_base_model_version": base,
            "ss_v2": str(base.startswith("sd_v2")),
            "modelspec.architecture": f"{architecture}/lora",
        }
    else:
        known |= {"ss_base_model_version": model.spec.name}
    return known


def save_pipeline(
    model: Model, edit: Edit, folder: Path, facts: Mapping[str, Any] | None = None
) -> None:
    """Write the edited model as an ordinary diffusers folder, with facts, where there are some, in its UNet's metadata.

    Raises:
        UserError: it cannot be written.
    """
    with applied(model, edit) as edited, _whole(folder) as made:
        edited.pipeline.save_pretrained(made, safe_serialization=True)
        if facts is not None:
            annotate(made / "unet", {"locolib": json.dumps(facts)})


def annotate(place: Path, facts: Mapping[str, str]) -> None:
    """Add entries to the metadata of a safetensors file, or of a folder's first one; the tensors stay what they are."""
    file = place if place.is_file() else min(place.glob("*.safetensors"))
    with safe_open(file, "pt") as opened:
        names, before = (
            opened.keys(),
            opened.metadata() or {},
        )  # no mapping: it has no other way to its names
        tensors = {name: opened.get_tensor(name) for name in names}
    write_atomic(file, save(tensors, {"format": "pt"} | before | dict(facts)))
