"""``locolib edit``: LocoEdit from the command line, judged before it is written."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from .. import UserError
from .edit_options import (
    Attribute,
    Force,
    Keys,
    Kind,
    Lambda,
    Layers,
    Method,
    Out,
    Pictures,
    Prompts,
    Value,
    check_options,
    check_place,
)
from .options import Compile, Device, Dtype, Lora, Source, computing, parse_layers

SHEET = "before_after.png"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command was asked, checked before a model is loaded.

    Attributes:
        method, tokens: as the options of that name.
        attribute, value, lambda_: what is edited, and how firmly.
        known, chosen: all prompts of the attribute, and those about the value, which make the edit.
        where: file of the prompts, named in refusals; "" for the study's own.
        window: the layers; all of them where LocoGen is yet to find them (`locate`).
        locate: LocoGen looks for the layers.
        pictures: for each question of the judge.
    """

    method: str
    tokens: Any
    attribute: str
    value: str
    lambda_: float
    known: Sequence[Any]
    chosen: Sequence[Any]
    where: str
    window: tuple[int, ...]
    locate: bool
    pictures: int


def edit(
    model: str,
    attribute: Attribute,
    value: Value,
    out: Out,
    layers: Layers = "auto",
    method: Method = "spares",
    tokens: Keys = "auto",
    lambda_: Lambda = 0.01,
    prompts: Prompts = None,
    kind: Kind = "lora",
    pictures: Pictures = 24,
    force: Force = False,
    source: Source = None,
    lora: Lora = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    compiled: Compile = "auto",
) -> None:
    """LocoEdit: make MODEL forget a style or an object, or update a fact, by changing a few layers' keys and values.

    Before anything is written the edit is judged by pictures: is the value gone, are other values kept, are other pictures unmoved?
    """
    from ..drawing.sampling import Settings
    from ..drawing.text import check_prompts
    from ..experiments.editing import judge, told
    from ..models import find, load
    from ..prompts import about
    from ..store import Store, check_out

    check_options(method, tokens, kind, pictures)
    check_out(out)
    computing(device, dtype, compiled)
    spec = find(model)
    check_place(out, kind, spec, source, force)
    known = _known(attribute, prompts, spec)
    asked = Asked(
        method=method,
        tokens=tokens,
        attribute=attribute,
        value=value,
        lambda_=lambda_,
        known=known,
        chosen=about(known, value),
        where=str(prompts or ""),
        window=_window(layers, spec.layers, lambda_),
        locate=layers == "auto",
        pictures=pictures,
    )
    loaded, store = load(model, source=source, lora=lora), Store()
    check_prompts(loaded, known, asked.where)
    told(loaded, asked.chosen, "subject")  # its tokens are found before anything is drawn
    settings = Settings(steps=spec.steps, guidance=spec.guidance)
    window = _located(loaded, asked, store) if asked.locate else asked.window
    change, used = _solved(loaded, asked, window, settings, store)
    _say(change, used, window, asked)
    found = judge(loaded, known, value, change, settings, store=store, most=pictures)
    _show(found, asked, out, force)
    _write(loaded, change, out, kind, _facts(loaded, asked, change, used, window, found))


def _known(attribute: str, prompts: Path | None, spec: Any) -> Sequence[Any]:
    """All prompts of an attribute: of a file, or the study's own for this model."""
    from ..prompts import listed, read

    if prompts:
        return read(attribute, prompts)
    return listed(attribute, printed=not spec.bundled, edited=True)


def _window(layers: str, count: int, lambda_: float) -> tuple[int, ...]:
    """The layers that are named; all of them where LocoGen is yet to find them."""
    from ..experiments import editing

    every = "--layers takes auto, all, or layers such as 8-9 or 6,8-9"
    window = tuple(range(count)) if layers in ("auto", "all") else parse_layers(layers, every)
    editing.check_layers(window, count)
    editing.check_lambda(lambda_)
    return window


def _say(change: Any, used: str, window: tuple[int, ...], asked: Asked) -> None:
    """What was solved, and what is odd about it."""
    from ..drawing.provenance import processor
    from ..experiments import locogen

    typer.echo(
        f"{change.method}, tokens {used}: layers {locogen.label(window)}, {len(asked.chosen)} prompts, largest relative size "
        f"{change.size:.2f}, condition number {change.condition:.1e}, {change.seconds:.2f} s on {processor()}"
    )
    if change.warning():
        typer.echo(f"Warning: {change.warning()}", err=True)


def _show(found: Any, asked: Asked, out: Path, force: bool) -> None:
    """Say and draw what the edit does; refuse one that does not do what was asked, or with `force` only warn."""
    typer.echo("\n".join(found.lines()))
    _draw(found, out / SHEET)
    if (wrong := found.problems()) and not force:
        raise UserError(
            f"No edit was written, as it does not do what was asked: {'; '.join(wrong)}. {_advice(asked)} --force writes it all the same."
        )
    for problem in wrong:
        typer.echo(f"Warning: {problem}", err=True)


def _facts(
    model: Any, asked: Asked, change: Any, used: str, window: Sequence[int], found: Any
) -> dict[str, Any]:
    """What the file's metadata say of the edit, and of what it does."""
    return {
        "model": model.name,
        "attribute": asked.attribute,
        "method": change.method,
        "tokens": used,
        "layers": list(window),
        "lambda": asked.lambda_,
        "verdict": "; ".join(found.problems()) or "it does what was asked",
    } | found.facts()


def _write(model: Any, change: Any, out: Path, kind: str, facts: dict[str, Any]) -> None:
    """Write the edit, with facts in its metadata."""
    from ..experiments import editing

    if kind == "pipeline":
        editing.save_pipeline(model, change, out, facts)
        typer.echo(f"{out}: written")
        return
    save = editing.save_kohya if kind == "kohya" else editing.save_lora
    rank = save(model, change, out, facts)
    typer.echo(f"{out}: written, LoRA of rank {rank}; load it with a weight from -1 to 1")


def _located(model: Any, asked: Asked, store: Any) -> tuple[int, ...]:
    """The layers in which LocoGen finds the attribute, said."""
    from ..experiments import locogen, profiles
    from ..experiments.locogen import page as locogen_page

    request = locogen_page.request(profiles.profile("quick"), model.spec, asked.known)
    found = locogen.sweep(model, request, model.spec.m[asked.attribute], store=store).verdict
    window = tuple(range(found.start, found.start + found.m))
    typer.echo(
        f"LocoGen: {found.verdict}, layers {locogen.label(window)}, share {found.share} on held-out prompts"
    )
    return window


def _solved(
    model: Any, asked: Asked, window: tuple[int, ...], settings: Any, store: Any
) -> tuple[Any, str]:
    """(edit, tokens) by the method that was asked."""
    from ..experiments import editing
    from ..experiments.editing import kept, locoedit, sparing
    from ..experiments.locogen import SEED, Request

    if asked.method == "spares":
        tokens: Any = "onward" if asked.tokens == "auto" else asked.tokens
        keep = kept(asked.known, asked.value, asked.chosen, bundled=model.spec.bundled)
        return sparing(
            model, asked.chosen, window, keep, tokens=tokens, lambda_=asked.lambda_
        ), tokens
    tokens = asked.tokens
    if asked.method == "paper":
        tokens = "subject"
    elif tokens == "auto":  # as the notebook does
        one = editing.Trial(
            model=model,
            store=store,
            train=tuple(asked.chosen),
            window=window,
            held=Request(prompts=tuple(asked.chosen), seeds=(SEED,), settings=settings),
        )
        tokens = editing.best_tokens(editing.by_tokens(one, lambda_=asked.lambda_))
    return locoedit(model, asked.chosen, window, tokens=tokens, lambda_=asked.lambda_), tokens


def _advice(asked: Asked) -> str:
    """What to try when an edit does not do what was asked."""
    ways = [] if asked.method == "spares" else ["--method spares keeps what must stay"]
    ways += (
        ["--layers all changes every layer"]
        if len(asked.window) > 0 and asked.locate
        else ["--layers auto lets LocoGen name the layers"]
    )
    return f"Try another way: {', or '.join(ways)}."


def _draw(found: Any, path: Path) -> None:
    """Write the pictures before and after."""
    import matplotlib.pyplot as plt

    from ..experiments.editing.figures import judged
    from ..store import write_atomic

    path.parent.mkdir(parents=True, exist_ok=True)
    buffer, figure = io.BytesIO(), judged(found)
    figure.savefig(buffer, format="png", dpi=150)
    plt.close(figure)
    write_atomic(path, buffer.getvalue())
    typer.echo(f"{path}: pictures before and after")
