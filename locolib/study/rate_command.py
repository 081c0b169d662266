"""``locolib rate``: the human study from the command line."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .. import UserError

rate = typer.Typer(
    no_args_is_help=True,
    help="The human study: write the rating page, check what raters send back.",
)


@rate.command()
def page(
    out: Annotated[
        Path,
        typer.Option(
            help="HTML file to write; the key of its pairs, NAME.plan.csv, is written beside it."
        ),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model; give it several times; default: the four miniatures."),
    ] = None,
    windows: Annotated[
        str,
        typer.Option(help="paper: layers that the paper names; found: those that LocoGen finds."),
    ] = "found",
    profile: Annotated[
        str, typer.Option(help="Of the sweeps by which LocoGen finds them: smoke, quick or paper.")
    ] = "quick",
    seeds: Annotated[int, typer.Option(help="Images of each prompt.")] = 3,
    placebos: Annotated[int, typer.Option(help="Placebo pairs of each model.")] = 3,
    steps: Annotated[int, typer.Option(help="Sampling steps; 0: the model's default.")] = 0,
) -> None:
    """Write the page on which people rate pairs of images, at the windows that the paper names or that LocoGen finds."""
    from ..experiments import human
    from ..models import load
    from ..store import Store, check_out
    from .pages import parameters

    check_out(out, ".html", ".htm")
    given = {"which": ",".join(model or human.FOUR), "windows": windows, "profile": profile}
    asked = parameters(
        "06_human_study", given | {"seeds": seeds, "placebos": placebos, "steps": steps}
    )
    here, store, images = [load(name) for name in asked.about()], Store(), dict[str, Any]()
    pairs = asked.plan(asked.sweeps(here, store))
    human.check_new(out.with_suffix(".plan.csv"), pairs)
    for loaded in here:
        images |= human.render(loaded, pairs, asked.of(loaded.name).settings, store=store)
    human.write_page(pairs, images, out)
    typer.echo(
        f"{out}: {len(pairs)} pairs, {sum(pair.placebo for pair in pairs)} of them placebos; "
        f"{out.with_suffix('.plan.csv')} says which pair is what (keep it from the raters)"
    )


@rate.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="CSV files that raters saved.")],
    plan: Annotated[
        Path, typer.Option(help="The plan of the page that they used: NAME.plan.csv.")
    ] = Path("build/rating.plan.csv"),
) -> None:
    """Check files of ratings: each problem is one line that names its row."""
    from ..experiments import human

    pairs = human.read_plan(plan)
    wrong = human.all_problems(files, pairs)
    typer.echo("\n".join(human.listed(wrong)), err=True, nl=bool(wrong))
    if wrong:
        raise UserError(
            f"{len(wrong)} thing(s) wrong in {len(files)} file(s), the first of each kind are above; mend them and check again."
        )
    typer.echo(f"{len(files)} file(s), {len(pairs)} pairs each: nothing is wrong")
