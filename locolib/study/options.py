"""Options that several commands of the command line take, and how they are read."""

from pathlib import Path
from typing import Annotated

import typer

from .. import UserError

Source = Annotated[
    str | None,
    typer.Option(
        help="What to load instead of the known sources: a diffusers folder, OWNER/NAME or OWNER/NAME@REVISION of the hub, "
        "or one .safetensors file of a whole model."
    ),
]
Lora = Annotated[
    Path | None,
    typer.Option(help="A LoRA (.safetensors, by diffusers or kohya) to merge into the weights."),
]


def parse_layers(text: str, asked: str) -> tuple[int, ...]:
    """Layers as words, "6,8-9" to (6, 8, 9); `asked` says what the option takes."""
    from ..experiments.locogen import labelled

    try:
        chosen = labelled(text)
    except ValueError:
        chosen = ()
    if not chosen:
        raise UserError(f"{asked}, not {text!r}.")
    return chosen
