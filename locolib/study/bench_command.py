"""``locolib bench-localiser``: a localiser of one's own on the planted models."""

import re
from pathlib import Path
from typing import Annotated

import typer

from .. import UserError


def bench_localiser(
    place: Annotated[
        str, typer.Argument(help="FILE.py:function, called as function(model, prompts).")
    ],
    attributes: Annotated[str, typer.Option(help="Separated by commas.")] = "style,object,place",
    models: Annotated[str, typer.Option(help="Separated by commas; default: all.")] = "",
    prompts: Annotated[int, typer.Option(help="Of each question.")] = 6,
    out: Annotated[
        Path | None, typer.Option(help="CSV of all answers; default: in the store.")
    ] = None,
) -> None:
    """Score a localiser of your own on the planted models; the book's page of the benchmark shows its row."""
    from ..experiments.attribution import benchmark, strangers
    from ..store import Store, check_out, write_atomic
    from .bench import FOLDER, told

    if prompts < 1:
        raise UserError(f"--prompts must be at least 1, not {prompts}.")
    if out:
        check_out(out, ".csv")
    name, localiser = strangers.read(place)
    asked = benchmark.questions(benchmark.words(attributes), benchmark.words(models))
    found = benchmark.run({name: localiser}, asked, prompts=prompts)
    file = re.sub(r"[^\w.-]+", "-", name) + ".csv"
    write_atomic(out or Store().root / FOLDER / file, found.to_csv(index=False).encode())
    typer.echo(told(benchmark.summary(found)))
