"""Options that several commands of the command line take, and how they are read."""

from pathlib import Path
from typing import Annotated

import typer

from .. import UserError

Source = Annotated[
    Path | None, typer.Option(help="A local diffusers folder to load instead of the known sources.")
]

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
