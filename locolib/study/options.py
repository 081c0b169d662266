"""Options that several commands of the command line take, and how they are read."""

import os
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
Device = Annotated[str, typer.Option(help="auto (a GPU where there is one), cuda, mps or cpu.")]
Dtype = Annotated[
    str,
    typer.Option(
        help="Type of numbers: auto (float16 on a GPU, float32 on a CPU), float32, bfloat16 or float16."
    ),
]
Compile = Annotated[
    str,
    typer.Option(
        "--compile",
        help="Compile the UNet: auto (on a GPU, where the plan is long enough to pay for it), on or off.",
    ),
]


def computing(device: str, dtype: str, compiled: str = "auto") -> None:
    """Have this process and its notebooks compute so: models, scorers and kernels read it from the environment.

    What is "auto" stays as the environment has it.

    Raises:
        UserError: an unknown device, type or choice, or one that is not there.
    """
    from ..drawing import compiling
    from ..models import precision

    precision.dtype(dtype, precision.device(device))
    asked = {precision.DEVICE: device, precision.DTYPE: dtype, compiling.COMPILE: compiled}
    os.environ.update({name: value for name, value in asked.items() if value != "auto"})
    compiling.choice()


Engine = Annotated[
    str,
    typer.Option(
        help="Who draws: local; dask (a process for each processor); or dask:ADDRESS, the scheduler of many machines."
    ),
]
Shard = Annotated[
    str,
    typer.Option(
        help="i/n: draw every n-th batch of each sweep into the store, and nothing else; run without it when all n are done."
    ),
]


def check_engines(engine: str, shard: str) -> None:
    """Draw as `--engine` and `--shard` say from now on, in the kernels of notebooks too.

    Raises:
        UserError: they are not of their form, or both are given.
    """
    from ..drawing import engines, machines

    if shard and engine not in ("", "local"):
        raise UserError(
            f"Give either --shard {shard} or --engine {engine}, not both: a scheduler deals out the batches itself."
        )
    engines.use(machines.shard(shard) if shard else machines.engine(engine))


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
