"""``locolib export`` and ``locolib import``: results of one machine, shown on another."""

from pathlib import Path
from typing import Annotated

import typer

from .. import UserError


def export_(
    run: Annotated[
        str, typer.Argument(help="A run that `locolib clean` lists, or a model: all of its runs.")
    ],
    out: Annotated[Path | None, typer.Option(help="Archive to write; default: RUN.zip.")] = None,
    by: Annotated[str, typer.Option(help="Who measured it, such as the name of a lab.")] = "",
    pictures: Annotated[
        str, typer.Option(help="figures: of the prompts that figures show; all; or none.")
    ] = "figures",
    force: Annotated[bool, typer.Option("--force", help="Write over an older archive.")] = False,
) -> None:
    """Write results to one archive: tables, pictures, what they were computed with, claims."""
    from ..store import Store, check_out
    from . import sharing

    place = out or Path(f"{run}.zip")
    check_out(place, ".zip")
    if place.exists() and not force:
        raise UserError(
            f"{place} is there already; name another archive by --out, or overwrite it by --force."
        )
    file, count = sharing.export(Store(), run, place, by=by, pictures=pictures)
    typer.echo(f"{file}: {count} files, {file.stat().st_size / 1e6:.1f} MB")


def import_(
    file: Annotated[Path, typer.Argument(help="An archive that `locolib export` wrote.")],
) -> None:
    """Take in the results of another machine: the book shows them with their origin; nothing of this store is replaced."""
    from ..store import Store
    from . import sharing

    taken, usable = sharing.take_in(Store(), file)
    runs = len(taken.runs())
    claims = len(list((taken.folder / "claims").glob("*.json")))
    typer.echo(
        f"{taken.origin}: {runs} runs ({usable} with all of their pictures, from which the study goes on), claims of "
        f"{claims} pages about {', '.join(taken.facts['models'])}; `make study` or `make book` shows them"
    )
