"""What each part of a training is made from, kept beside its checkpoint: another configuration does not go on from it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import UserError
from ..models import registry
from ..store import digest, read_bytes, sealed, unsealed, write_atomic
from .configuration import Recipe

# Which parts a part is made from: their sections belong to its record.
_FROM = {
    "scorer": ("text_encoder",),
    "unet": ("text_encoder", "text_encoder_2", "vae"),
    "decoder": ("text_encoder", "text_encoder_2", "vae", "unet"),
}
_SHARED = {"decoder": "vae"}  # a part whose section is another's
# What of that section is the decoder's alone.
_LATER = {"decoder_steps", "decoder_peak", "perceptual"}
# What may differ while a part is trained: how long it is, and where its last steps of whole prompts begin; of the others PART.steps.
_STEPS = {"decoder": {"vae.decoder_steps"}, "unet": {"unet.steps", "unet.full_length_from"}}


def made_from(recipe: Recipe, part: str) -> dict[str, Any]:
    """All that determines a part: its section, those of the parts it is made from, the world, and what it borrows."""
    told: dict[str, Any] = {"world": recipe.world.model_dump()}
    for name in dict.fromkeys((*_FROM.get(part, ()), _SHARED.get(part, part))):
        if name in recipe.borrow:
            lender = recipe.borrow[name]
            told[name] = {"borrowed": lender, "weights": _weights(lender, name)}
        elif (section := getattr(recipe, name)) is not None:
            told[name] = section.model_dump(exclude=set() if part == "decoder" else _LATER)
    if (start := recipe.unet.start) and "unet" in told:
        told["unet"]["weights"] = _weights(start, "unet")
    return json.loads(json.dumps(told))


def _weights(model: str, part: str) -> str:
    """A hash of a bundled model's part."""
    folder = registry.ORGANISMS / model / part
    return digest(*(path.read_bytes() for path in sorted(folder.glob("*.safetensors"))))[:16]


def _file(work: Path, part: str) -> Path:
    return work / f"{part}.made.json"


def begin(recipe: Recipe, work: Path, part: str) -> None:
    """Say what a part is made from, before anything of it is made."""
    told = made_from(recipe, part)
    write_atomic(_file(work, part), sealed("made", told, part.encode()))


def check(recipe: Recipe, work: Path, parts: Mapping[str, bool]) -> None:
    """Refuse checkpoints that were made from something else than `recipe` says.

    Args:
        parts: what is there of the recipe's parts, by name, and whether it is finished.  One that is not may be given
            other steps: the rate of learning is the same until its last part.

    Raises:
        UserError: the first thing that differs, or a part that does not say what it was made from.
    """
    for part, finished in parts.items():
        before = unsealed(read_bytes(_file(work, part)), "made", part.encode())
        advice = "name another folder by --work, or remove this one to begin anew"
        if before is None:
            raise UserError(
                f"{work} does not say what its {part} was made from (an older version began it, or a file is damaged); "
                f"{advice}."
            )
        for field, was, now in _differences(before, made_from(recipe, part)):
            if finished or field not in _STEPS.get(part, {f"{part}.steps"}):
                raise UserError(
                    f"The {part} in {work} was made with {field} = {was!r}, and the configuration says {now!r}; "
                    f"{advice}."
                )


def _differences(before: Any, now: Any, field: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(field, value before, value now) of every leaf that is not the same."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in dict.fromkeys((*before, *now)):
            inner = f"{field}.{name}" if field else name
            yield from _differences(before.get(name), now.get(name), inner)
    elif before != now:
        yield field, before, now
