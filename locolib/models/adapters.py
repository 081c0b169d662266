"""A LoRA on top of a model: diffusers' or kohya's file, merged into the weights, so that everything finds ordinary layers."""

from pathlib import Path
from typing import Any

from diffusers import DiffusionPipeline
from safetensors import safe_open

from .. import UserError, visible

# A LoRA's down matrices, by diffusers' and kohya's names; and all else that it holds.
_DOWN = (".lora_A.weight", ".lora_down.weight", ".lora.down.weight", "_lora.down.weight")
_READ = (
    *_DOWN,
    *(name.replace("lora_A", "lora_B").replace("down", "up") for name in _DOWN),
    ".alpha",
)


def lora_file(lora: str | Path) -> Path:
    """The one safetensors file that a LoRA is.

    Raises:
        UserError: there is none, or several in a folder, or the file is a pickle.
    """
    path = Path(lora).expanduser()
    inside = visible(path.iterdir(), path) if path.is_dir() else [path]
    found = [file for file in inside if file.suffix.lower() == ".safetensors"]
    if not path.exists() or len(found) != 1:
        raise UserError(
            f"{lora} is not one .safetensors file of a LoRA, nor a folder with one; name the file."
        )
    return found[0]


def merge(pipeline: DiffusionPipeline, file: Path) -> None:
    """Add a LoRA to a pipeline's weights, at full strength.

    Raises:
        UserError: it was made for another model, or is of a kind that diffusers does not read; nothing was changed then.
    """
    with safe_open(file, "pt") as opened:
        names = list(opened.keys())
    given = sum(name.endswith(_DOWN) for name in names)
    if not given:
        raise UserError(
            f"{file} holds no LoRA that diffusers reads (no pair of down and up matrices)."
        )
    if odd := [name for name in names if not name.endswith(_READ)]:
        raise UserError(
            f"{file} is of a kind that diffusers does not read whole ({odd[0]}); take a plain LoRA."
        )
    advice = "take a LoRA of this architecture"
    try:
        pipeline.load_lora_weights(file.parent, weight_name=file.name, local_files_only=True)
    except Exception as error:  # mismatched shapes, unknown names: each library's own kind
        pipeline.unload_lora_weights()
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"{file} does not fit this model ({reason[:160]}); {advice}.") from None
    placed = sum(
        len(module.lora_A) for part in pipeline.components.values() for module in _layers(part)
    )
    if placed != given:
        pipeline.unload_lora_weights()
        raise UserError(
            f"{file} does not fit this model: {given - placed} of its {given} matrices have no place; {advice}."
        )
    pipeline.fuse_lora(
        components=[name for name, part in pipeline.components.items() if any(_layers(part))]
    )
    pipeline.unload_lora_weights()


def _layers(part: Any) -> Any:
    """The modules of a part on which a LoRA acts."""
    return (
        [
            module
            for module in part.modules()
            if hasattr(module, "lora_A") and hasattr(module, "scaling")
        ]
        if hasattr(part, "modules")
        else []
    )
