"""The command line: ``locolib --help``."""

import json
import math
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from . import Notice, UserError
from .study.edit_command import edit
from .study.options import Source, parse_layers

_showwarning = warnings.showwarning
_said: set[str] = set()  # the notices that were shown
app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False,
                  help="Where text-to-image models keep what they know.")


def main() -> None:
    """Run the command line; a user's mistake is one message and exit code 2, a notice one sentence."""
    _said.clear()
    warnings.showwarning = _told
    try:
        app()
    except UserError as error:
        typer.echo(f"locolib: {error}", err=True)
        sys.exit(2)


def _told(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
    """A warning as the command line shows it: a notice of ours as its sentence, once, another library's as ever."""
    if not issubclass(category, Notice):
        _showwarning(message, category, *place, **more)
    elif str(message) not in _said:  # Python forgets what it has shown whenever a library changes a filter
        _said.add(str(message))
        typer.echo(f"locolib: {message}", err=True)


@app.command()
def models() -> None:
    """List the models: what there is, where it comes from, whether it is here."""
    from .models import MODELS, is_here

    for spec in MODELS.values():
        kind = "bundled" if spec.bundled else "published"
        here = "here" if is_here(spec) else "not here"
        typer.echo(f"{spec.name:18} {kind:10} {here:9} {spec.layers:3} layers  {', then '.join(spec.sources)}")


@app.command()
def layers(model: str, source: Source = None) -> None:
    """Show the cross-attention layers of MODEL in execution order."""
    from .drawing.layers import sites
    from .models import load

    loaded = load(model, source=source)
    side = loaded.latent_shape[1]
    typer.echo(f"{'index':>5}  {'block':14} {'resolution':>10}  {'K':>12} {'V':>12}  path")
    for site in sites(loaded.unet):
        shape = f"{site.shape[0]}x{site.shape[1]}"
        typer.echo(f"{site.index:5}  {site.block:14} {f'{side // site.scale}x{side // site.scale}':>10}  {shape:>12} {shape:>12}  {site.path}")


def parse_alteration(text: str) -> tuple[tuple[int, ...], str]:
    """"8-9:a painting of a house" to ((8, 9), "a painting of a house")."""
    where, colon, prompt = text.partition(":")
    asked = "--alter takes LAYERS:PROMPT, such as '8-9:a painting of a house'"
    if not colon:
        raise UserError(f"{asked}, not {text!r}.")
    return parse_layers(where, asked), prompt


@app.command()
def generate(
    model: str,
    prompt: Annotated[list[str], typer.Argument(help="One or more prompts.")],
    alter: Annotated[list[str] | None, typer.Option(help="LAYERS:PROMPT, such as '8-9:a painting of a house'.")] = None,
    negative: Annotated[str, typer.Option(help="Prompt of the unconditional branch.")] = "",
    seed: Annotated[list[int] | None, typer.Option(help="Seed; give it several times for several columns.")] = None,
    steps: Annotated[int, typer.Option(help="Steps of sampling, 1 to 999.")] = 50,
    guidance: Annotated[float | None, typer.Option(help="Scale s in u + s (c - u).")] = None,
    out: Annotated[Path, typer.Option(help="Image (.png, .jpg) to write: a row per prompt, a column per seed.")] = Path("grid.png"),
    source: Source = None,
) -> None:
    """Generate images, optionally with other prompts in some layers."""
    import numpy as np
    from PIL import Image

    from .drawing.memory import Altered, Row, check
    from .drawing.sampling import Settings, check_seeds
    from .drawing.sampling import generate as sample
    from .drawing.text import warn_unread
    from .models import find, load
    from .store import check_out

    check_out(out, ".png", ".jpg", ".jpeg")
    spec = find(model)
    changes = tuple(Altered(layers=chosen, prompt=text) for chosen, text in map(parse_alteration, alter or ()))
    settings = Settings(steps=steps, guidance=spec.guidance if guidance is None else guidance)
    rows = [Row(prompt=p, seed=s, negative=negative, changes=changes) for p in prompt for s in seed or [0]]
    check(rows, spec.layers)
    check_seeds(rows)
    loaded = load(model, source=source)
    warn_unread(loaded, [*prompt, negative, *(change.prompt for change in changes)])
    images = sample(loaded, rows, settings)
    grid = images.reshape(len(prompt), -1, *images.shape[1:])
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate([np.concatenate(list(line), axis=1) for line in grid])).save(out)
    typer.echo(f"{out}: {len(prompt)} rows, {grid.shape[1]} columns")


@app.command()
def localize(
    model: str,
    attribute: Annotated[str, typer.Option(help="style, object, fact or place.")],
    m: Annotated[int | None, typer.Option(help="Window size; default: the paper's for this model.")] = None,
    search: Annotated[bool, typer.Option("--search", help="Look for the smallest m.")] = False,
    profile: Annotated[str, typer.Option(help="smoke, quick or paper.")] = "quick",
    prompts: Annotated[Path | None, typer.Option(help="CSV of prompts instead of the study's own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    source: Source = None,
) -> None:
    """Run LocoGen: which layers of MODEL control an attribute?"""
    from .drawing.text import check_prompts
    from .experiments import locogen, profiles
    from .experiments.locogen import page as locogen_page
    from .models import find, load
    from .prompts import read
    from .store import Store
    from .study.costs import cost

    spec, chosen = find(model), profiles.profile(profile)
    if m is not None and search:
        raise UserError("Give either --m or --search, not both.")
    size = spec.m.get(attribute, 2) if m is None else m
    locogen.windows(spec.layers, size)
    known = read(attribute, prompts)
    request = locogen_page.request(chosen, spec, known)
    loaded, store = load(model, source=source), Store()
    check_prompts(loaded, known, str(prompts or ""))
    if not as_json:
        typer.echo(cost(loaded, request, sizes=range(1, spec.layers // 4 + 1) if search else [size], store=store))
    sweeps = locogen.search(loaded, request, store=store) if search else [locogen.sweep(loaded, request, size, store=store)]
    typer.echo(json.dumps(_answer(sweeps[-1]), allow_nan=False) if as_json else "\n".join(map(_chart, sweeps)))


def _answer(sweep: Any) -> dict[str, Any]:
    verdict = sweep.verdict
    found = {"model": sweep.model, "attribute": sweep.attribute, "start": verdict.start, "m": verdict.m,
            "share": verdict.share.value, "low": verdict.share.low, "high": verdict.share.high,
            "verdict": verdict.verdict, "argbest": sweep.argbest, "needed": verdict.needed,
            "images": len(sweep.table), "plateau": list(verdict.plateau)}
    return _plain(found)


def _plain(value: Any) -> Any:
    """The same without NaN and infinity, which JSON does not have: null stands there."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _chart(sweep: Any) -> str:
    """A table of windows with a bar for each share, and the answer in words."""
    from .experiments.locogen import label

    verdict = sweep.verdict
    lines = [f"{sweep.model}, {sweep.attribute}, m = {sweep.m}", f"{'window':>7} {'score':>7} {'share':>6} {'target':>7}"]
    for row in sweep.curve.itertuples():
        bar = "#" * round(40 * max(0.0, min(1.0, row.share)))
        mark = " destroyed" if row.destroyed else ""
        lines.append(f"{row.layers:>7} {row.score:7.2f} {row.share:6.2f} {100 * row.picks_target:6.0f}% |{bar}{mark}")
    more = f"; about {verdict.needed} held-out prompts are needed to settle it" if verdict.needed else ""
    if verdict.verdict == "inconclusive" and not verdict.needed:
        more = "; windows of this size do not settle it, larger ones may"
    window = label(tuple(range(verdict.start, verdict.start + verdict.m)))
    lines.append(f"{verdict.verdict}: layers {window}, share {verdict.share} on the held-out prompts, "
                 f"lead over the best disjoint window {verdict.margin}{more}")
    lines.append(f"the paper's rule (plain {'argmax' if sweep.attribute == 'fact' else 'argmin'}) says start {sweep.argbest}\n")
    return "\n".join(lines)


app.command()(edit)


@app.command()
def study(
    profile: Annotated[str, typer.Option(help="smoke, quick or paper.")] = "quick",
    model: Annotated[str | None, typer.Option(help="Run the pages of this model alone; default: of all bundled ones.")] = None,
    book_only: Annotated[bool, typer.Option("--book-only", help="Render the notebooks executed before.")] = False,
) -> None:
    """Run the notebooks in order and render the book to build/site."""
    from .study import runner

    runner.study(profile=profile, model=model, book_only=book_only)


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="A file of locolib/organisms/configs.")],
    work: Annotated[Path, typer.Option(help="Folder of checkpoints: they are kept, and a training goes on from them.")] = Path("checkpoints"),
    out: Annotated[Path | None, typer.Option(help="Where to save the model; by default it overwrites data/organisms/NAME.")] = None,
    seed: Annotated[int | None, typer.Option(help="Train the UNet alone, once more, from this seed; needs --out.")] = None,
) -> None:
    """Train a bundled model again, in minutes to hours, as its card says (most borrow parts of others); it goes on where it was stopped."""
    from .drawing.sampling import SEEDS
    from .organisms.recipe import make

    if seed is not None and not 0 <= seed < SEEDS:
        raise UserError(f"--seed must be from 0 to {SEEDS - 1}, not {seed}.")
    make(config, work=work, out=out, seed=seed)


rate = typer.Typer(no_args_is_help=True, help="The human study: write the rating page, check what raters send back.")
app.add_typer(rate, name="rate")


@rate.command()
def page(
    out: Annotated[Path, typer.Option(help="HTML file to write; the key of its pairs, NAME.plan.csv, is written beside it.")],
    model: Annotated[list[str] | None, typer.Option(help="Model; give it several times; default: the four miniatures.")] = None,
    windows: Annotated[str, typer.Option(help="paper: layers that the paper names; found: those that LocoGen finds.")] = "found",
    profile: Annotated[str, typer.Option(help="Of the sweeps by which LocoGen finds them: smoke, quick or paper.")] = "quick",
    seeds: Annotated[int, typer.Option(help="Images of each prompt.")] = 3,
    placebos: Annotated[int, typer.Option(help="Placebo pairs of each model.")] = 3,
    steps: Annotated[int, typer.Option(help="Sampling steps; 0: the model's default.")] = 0,
) -> None:
    """Write the page on which people rate pairs of images, at the windows that the paper names or that LocoGen finds."""
    from .experiments import human
    from .models import load
    from .store import Store, check_out
    from .study.pages import parameters

    check_out(out, ".html", ".htm")
    given = {"which": ",".join(model or human.FOUR), "windows": windows, "profile": profile}
    asked = parameters("06_human_study", given | {"seeds": seeds, "placebos": placebos, "steps": steps})
    here, store, images = [load(name) for name in asked.about()], Store(), dict[str, Any]()
    pairs = asked.plan(asked.sweeps(here, store))
    for loaded in here:
        images |= human.render(loaded, pairs, asked.of(loaded.name).settings, store=store)
    human.write_page(pairs, images, out)
    typer.echo(f"{out}: {len(pairs)} pairs, {sum(pair.placebo for pair in pairs)} of them placebos; "
               f"{out.with_suffix('.plan.csv')} says which pair is what (keep it from the raters)")


@rate.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="CSV files that raters saved.")],
    plan: Annotated[Path, typer.Option(help="The plan of the page that they used: NAME.plan.csv.")] = Path("build/rating.plan.csv"),
) -> None:
    """Check files of ratings: each problem is one line that names its row."""
    from .experiments import human

    pairs = human.read_plan(plan)
    wrong = human.all_problems(files, pairs)
    typer.echo("\n".join(human.listed(wrong)), err=True, nl=bool(wrong))
    if wrong:
        raise UserError(f"{len(wrong)} thing(s) wrong in {len(files)} file(s), the first of each kind are above; mend them and check again.")
    typer.echo(f"{len(files)} file(s), {len(pairs)} pairs each: nothing is wrong")


@app.command()
def clean(run: Annotated[str | None, typer.Argument(help="A run's name; without it, the runs are listed.")] = None,
          everything: Annotated[bool, typer.Option("--all", help="Empty the whole store.")] = False) -> None:
    """Show the store's size and runs, or remove one run, or all."""
    from .store import Store

    if run and everything:
        raise UserError(f"Give either a run, {run}, or --all, not both.")
    store = Store()
    if run or everything:
        typer.echo(f"freed {store.clean(None if everything else run) / 1e6:.1f} MB")
        return
    for name, facts in store.runs().items():
        typer.echo(f"{name:44} {facts['prompts']} prompts, {len(facts['seeds'])} seeds, {facts['steps']} steps, {facts['minutes']} min on {facts.get('processor', 'an unnamed processor')}")
    typer.echo(f"{store.root}: {store.size() / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
