"""The command line: ``locolib --help``."""

import errno
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from . import Notice, UserError
from .study.bench_command import bench_localiser
from .study.doctor_command import doctor
from .study.edit_command import edit
from .study.live.command import live
from .study.localize_command import localize
from .study.options import (
    Compile,
    Device,
    Dtype,
    Engine,
    Lora,
    Shard,
    Source,
    computing,
    parse_layers,
)
from .study.rate_command import rate
from .study.share_command import export_, import_

_showwarning = warnings.showwarning
_said: set[str] = set()  # the notices that were shown
app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Where text-to-image models keep what they know.",
)


def main() -> None:
    """Run the command line; a user's mistake is one message and exit code 2, a notice one sentence."""
    _said.clear()
    warnings.showwarning = _told
    try:
        _in_utf8()
        app()
    except UserError as error:
        typer.echo(f"locolib: {error}", err=True)
        sys.exit(2)
    except Exception as error:
        if not _no_room(error):
            raise
        where = getattr(error, "filename", None)
        typer.echo(
            f"locolib: {where or 'A file'} could not be written, as its disk is full: make room there, and run the same again; "
            "what was finished before is kept.",
            err=True,
        )
        sys.exit(2)


def _no_room(error: Exception) -> bool:
    """Whether it says that a disk is full; libraries that write in Rust or C++ say it in words alone."""
    full = (errno.ENOSPC, errno.EDQUOT)
    number = error.errno if isinstance(error, OSError) else None
    return number in full or any(os.strerror(one) in str(error) for one in full)


def _in_utf8() -> None:
    """Start again in UTF-8 where the locale has another encoding: under an ASCII one no other letter can be read or printed.

    Raises:
        UserError: a word of the command is not written in UTF-8.
    """
    if "utf" not in sys.getfilesystemencoding():
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, "-m", "locolib", *sys.argv[1:]])
    for word in sys.argv[1:]:
        if not word.isascii() and os.fsencode(word).decode(errors="replace") != word:
            raise UserError(
                f"The word {ascii(word)} of the command is not written in UTF-8; write it so."
            )


def _told(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
    """A warning as the command line shows it: a notice of ours as its sentence, once, another library's as ever."""
    if not issubclass(category, Notice):
        _showwarning(message, category, *place, **more)
    elif (
        str(message) not in _said
    ):  # Python forgets what it has shown whenever a library changes a filter
        _said.add(str(message))
        typer.echo(f"locolib: {message}", err=True)


@app.command()
def models() -> None:
    """List the models: what there is, where it comes from, whether it is here."""
    from .models import MODELS, is_here

    for spec in MODELS.values():
        kind = "bundled" if spec.bundled else "published"
        here = "here" if is_here(spec) else "not here"
        typer.echo(
            f"{spec.name:18} {kind:10} {here:9} {spec.layers:3} layers  {', then '.join(spec.sources)}"
        )


@app.command()
def layers(
    model: str,
    source: Source = None,
    lora: Lora = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
) -> None:
    """Show the cross-attention layers of MODEL in execution order."""
    from .drawing.layers import sites
    from .models import load

    computing(device, dtype)
    loaded = load(model, source=source, lora=lora)
    side = loaded.latent_shape[1]
    typer.echo(f"{'index':>5}  {'block':14} {'resolution':>10}  {'K':>12} {'V':>12}  path")
    for site in sites(loaded.unet):
        shape = f"{site.shape[0]}x{site.shape[1]}"
        typer.echo(
            f"{site.index:5}  {site.block:14} {f'{side // site.scale}x{side // site.scale}':>10}  {shape:>12} {shape:>12}  {site.path}"
        )


def parse_alteration(text: str) -> tuple[tuple[int, ...], str]:
    """An alteration as words: "8-9:a painting of a house" to ((8, 9), "a painting of a house")."""
    where, colon, prompt = text.partition(":")
    asked = "--alter takes LAYERS:PROMPT, such as '8-9:a painting of a house'"
    if not colon:
        raise UserError(f"{asked}, not {text!r}.")
    return parse_layers(where, asked), prompt


@app.command()
def generate(
    model: str,
    prompt: Annotated[list[str], typer.Argument(help="One or more prompts.")],
    alter: Annotated[
        list[str] | None, typer.Option(help="LAYERS:PROMPT, such as '8-9:a painting of a house'.")
    ] = None,
    negative: Annotated[str, typer.Option(help="Prompt of the unconditional branch.")] = "",
    seed: Annotated[
        list[int] | None, typer.Option(help="Seed; give it several times for several columns.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps of sampling, 1 to 999.")] = 50,
    guidance: Annotated[float | None, typer.Option(help="Scale s in u + s (c - u).")] = None,
    out: Annotated[
        Path, typer.Option(help="Image (.png, .jpg) to write: a row per prompt, a column per seed.")
    ] = Path("grid.png"),
    source: Source = None,
    lora: Lora = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    compiled: Compile = "auto",
) -> None:
    """Generate images, optionally with other prompts in some layers."""
    import io

    import numpy as np
    from PIL import Image

    from .drawing.memory import Altered, Row, check
    from .drawing.sampling import Settings, check_seeds
    from .drawing.sampling import generate as sample
    from .drawing.text import warn_unread
    from .models import find, load
    from .store import check_out, write_atomic

    check_out(out, ".png", ".jpg", ".jpeg")
    computing(device, dtype, compiled)
    spec = find(model)
    changes = tuple(
        Altered(layers=chosen, prompt=text) for chosen, text in map(parse_alteration, alter or ())
    )
    settings = Settings(steps=steps, guidance=spec.guidance if guidance is None else guidance)
    rows = [
        Row(prompt=p, seed=s, negative=negative, changes=changes)
        for p in prompt
        for s in seed or [0]
    ]
    check(rows, spec.layers)
    check_seeds(rows)
    loaded = load(model, source=source, lora=lora)
    warn_unread(loaded, [*prompt, negative, *(change.prompt for change in changes)])
    images = sample(loaded, rows, settings)
    grid = images.reshape(len(prompt), -1, *images.shape[1:])
    whole = np.concatenate([np.concatenate(list(line), axis=1) for line in grid])
    buffer, kind = io.BytesIO(), "PNG" if out.suffix.lower() == ".png" else "JPEG"
    Image.fromarray(whole).save(buffer, format=kind)
    write_atomic(out, buffer.getvalue())
    typer.echo(f"{out}: {len(prompt)} rows, {grid.shape[1]} columns")


app.command()(doctor)
app.command()(localize)
app.command()(edit)
app.command("bench-localiser")(bench_localiser)
app.command()(live)
app.command("export")(export_)
app.command("import")(import_)


@app.command()
def study(
    profile: Annotated[str, typer.Option(help="smoke, quick or paper.")] = "quick",
    model: Annotated[
        str | None,
        typer.Option(help="Run the pages of this model alone; default: of all bundled ones."),
    ] = None,
    source: Source = None,
    book_only: Annotated[
        bool, typer.Option("--book-only", help="Render the notebooks executed before.")
    ] = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    compiled: Compile = "auto",
    engine: Engine = "local",
    shard: Shard = "",
) -> None:
    """Run the notebooks in order and render the book to build/site."""
    from .study import runner
    from .study.options import check_engines

    computing(device, dtype, compiled)
    check_engines(engine, shard)
    place = str(source) if source else None
    runner.study(profile=profile, model=model, source=place, book_only=book_only, shard=bool(shard))


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="A file of locolib/organisms/configs.")],
    work: Annotated[
        Path,
        typer.Option(
            help="Folder of checkpoints: they are kept, and a training goes on from them."
        ),
    ] = Path("checkpoints"),
    out: Annotated[
        Path | None,
        typer.Option(help="Where to save the model; by default it overwrites data/organisms/NAME."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Train the UNet alone, once more, from this seed; needs --out."),
    ] = None,
) -> None:
    """Train a bundled model again, in minutes to hours, as its card says (most borrow parts of others); it goes on where it was stopped."""
    from .drawing.sampling import SEEDS
    from .organisms.recipe import make

    if seed is not None and not 0 <= seed < SEEDS:
        raise UserError(f"--seed must be from 0 to {SEEDS - 1}, not {seed}.")
    make(config, work=work, out=out, seed=seed)


app.add_typer(rate, name="rate")


@app.command()
def clean(
    run: Annotated[
        str | None, typer.Argument(help="A run's name; without it, the runs are listed.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Empty the whole store.")] = False,
) -> None:
    """Show the store's size and runs, or remove one run, or all."""
    from .store import Store

    if run and everything:
        raise UserError(f"Give either a run, {run}, or --all, not both.")
    store = Store()
    if run or everything:
        typer.echo(f"freed {store.clean(None if everything else run) / 1e6:.1f} MB")
        return
    for name, facts in store.runs().items():
        typer.echo(
            f"{name:44} {facts['prompts']} prompts, {len(facts['seeds'])} seeds, {facts['steps']} steps, {facts['minutes']} min on {facts.get('processor', 'an unnamed processor')}"
        )
    typer.echo(f"{store.root}: {store.size() / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
