"""``locolib localize``: LocoGen from the command line."""

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import UserError
from .options import Compile, Device, Dtype, Engine, Lora, Shard, Source, check_engines, computing

METHODS = {
    "sweep": "every window is drawn (Algorithm 1)",
    "fast": "a backward pass proposes, pictures confirm",
    "sets": "the same with any set of layers",
}
# What the options are called and say; the command's own signature stays readable.
Size = Annotated[
    int | None, typer.Option("--m", help="Window size; default: the paper's for this model.")
]
Search = Annotated[bool, typer.Option("--search", help="Look for the smallest m.")]
Prompts = Annotated[Path | None, typer.Option(help="CSV of prompts instead of the study's own.")]
Method = Annotated[
    str, typer.Option(help="; ".join(f"{name}: {what}" for name, what in METHODS.items()) + ".")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


def localize(
    model: str,
    attribute: Annotated[str, typer.Option(help="style, object, fact or place.")],
    m: Size = None,
    search: Search = False,
    profile: Annotated[str, typer.Option(help="smoke, quick or paper.")] = "quick",
    prompts: Prompts = None,
    method: Method = "sweep",
    as_json: Json = False,
    source: Source = None,
    lora: Lora = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    compiled: Compile = "auto",
    engine: Engine = "local",
    shard: Shard = "",
) -> None:
    """Run LocoGen: which layers of MODEL control an attribute?"""
    from ..drawing.text import check_prompts
    from ..experiments import locogen, profiles
    from ..experiments.locogen import page as locogen_page
    from ..models import find, load
    from ..models.chosen import choose_source
    from ..prompts import listed, read
    from ..store import Store
    from .costs import cost

    computing(device, dtype, compiled)
    check_engines(engine, shard)
    spec, chosen = find(model), profiles.profile(profile)
    _check(m, search, method)
    size = spec.m.get(attribute, 2) if m is None else m
    locogen.windows(spec.layers, size)
    known = read(attribute, prompts) if prompts else listed(attribute, printed=not spec.bundled)
    request = locogen_page.request(chosen, spec, known)
    if source:
        choose_source(spec.name, source)  # for workers
    loaded, store = load(model, source=source, lora=lora), Store()
    check_prompts(loaded, known, str(prompts or ""))
    if method != "sweep":
        typer.echo(_fast(loaded, request, store, method, as_json))
        return
    sizes = range(1, spec.layers // 4 + 1) if search else [size]
    if not as_json:
        typer.echo(cost(loaded, request, sizes=sizes, store=store))
    if shard:
        drawn = locogen.ahead(loaded, request, sizes, store=store)
        typer.echo(f"shard {shard}: its rows of {drawn} window sizes are in {store.root}")
        return
    if search:
        sweeps = locogen.search(loaded, request, store=store)
    else:
        sweeps = [locogen.sweep(loaded, request, size, store=store)]
    typer.echo(_json(_answer(sweeps[-1])) if as_json else "\n".join(map(_chart, sweeps)))


def _check(m: int | None, search: bool, method: str) -> None:
    """Refuse options that do not go together, before anything is read."""
    if method not in METHODS:
        raise UserError(f"--method must be one of {', '.join(METHODS)}, not {method!r}.")
    if m is not None and search:
        raise UserError("Give either --m or --search, not both.")
    if method != "sweep" and (m is not None or search):
        raise UserError(
            f"--method {method} finds the smallest size itself: leave out --m and --search."
        )


def _fast(model: Any, request: Any, store: Any, method: str, as_json: bool) -> str:
    """LocoGen by a backward pass, confirmed by pictures: a table of what was tried, and the answer in words."""
    from ..experiments import attribution
    from ..experiments.locogen import label

    found = attribution.localise(model, request, store=store, adjacent=method == "fast")
    by, last = found.attribution, found.tried[-1] if found.tried else None
    if as_json:
        answer = {
            "model": model.name,
            "attribute": request.attribute,
            "method": method,
            "layers": list(found.found),
            "share": last.share.value if last else None,
            "low": last.share.low if last else None,
            "high": last.share.high if last else None,
            "verdict": found.verdict,
            "why": found.why,
            "predicted": [round(float(share), 4) for share in by.mean],
            "gap": float(abs(by.gap).max()),
            "unet_rows": found.rows,
        }
        return _json(answer)
    lines = [f"{model.name}, {request.attribute}: shares of layers by backward passes"]
    for layer, share in enumerate(by.mean):
        lines.append(f"{layer:>7} {share:6.2f} |{'#' * round(40 * max(0.0, min(1.0, share)))}")
    lines.append(
        f"mean of {len(by.layers)} prompts; they add up to 1 but for {abs(by.gap).max():.3f} at most"
    )
    for one in found.tried:
        lines.append(
            f"layers {label(one.proposal.layers)}: predicted {one.proposal.predicted:.2f}, by pictures of {one.prompts} other prompts "
            f"{one.share}, lead over {label(one.proposal.rival)} {one.lead}, target seen in {100 * one.picks:.0f}%"
        )
    if last:
        lines.append(
            f"all layers but {label(last.proposal.layers)}: {last.rest}; layers {label(last.proposal.chance)}, at random: {last.chance}"
        )
    where = f": layers {label(found.found)}" if found.verdict == "localised" else ""
    lines.append(f"{found.verdict}{where} ({found.why})")
    lines.append(
        f"{found.rows} UNet rows, {found.seconds:.0f} s; intervals are of one look of {attribution.ROUNDS}"
    )
    return "\n".join(lines)


def _answer(sweep: Any) -> dict[str, Any]:
    verdict = sweep.verdict
    return {
        "model": sweep.model,
        "attribute": sweep.attribute,
        "start": verdict.start,
        "m": verdict.m,
        "share": verdict.share.value,
        "low": verdict.share.low,
        "high": verdict.share.high,
        "verdict": verdict.verdict,
        "argbest": sweep.argbest,
        "needed": verdict.needed,
        "images": len(sweep.table),
        "plateau": list(verdict.plateau),
    }


def _json(answer: dict[str, Any]) -> str:
    return json.dumps(_plain(answer), allow_nan=False)


def _plain(value: Any) -> Any:
    """The same without NaN and infinity, which JSON does not have: null stands there."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _chart(sweep: Any) -> str:
    """A table of windows with a bar for each share, and the answer in words."""
    from ..experiments.locogen import label

    verdict = sweep.verdict
    lines = [
        f"{sweep.model}, {sweep.attribute}, m = {sweep.m}",
        f"{'window':>7} {'score':>7} {'share':>6} {'target':>7}",
    ]
    for row in sweep.curve.itertuples():
        bar = "#" * round(40 * max(0.0, min(1.0, row.share)))
        mark = " destroyed" if row.destroyed else ""
        lines.append(
            f"{row.layers:>7} {row.score:7.2f} {row.share:6.2f} {100 * row.picks_target:6.0f}% |{bar}{mark}"
        )
    more = (
        f"; about {verdict.needed} held-out prompts are needed to settle it"
        if verdict.needed
        else ""
    )
    if verdict.verdict == "inconclusive" and not verdict.needed:
        more = "; windows of this size do not settle it, larger ones may"
    window = label(tuple(range(verdict.start, verdict.start + verdict.m)))
    lines.append(
        f"{verdict.verdict}: layers {window}, share {verdict.share} on the held-out prompts, "
        f"lead over the best disjoint window {verdict.margin}{more}"
    )
    lines.append(
        f"the paper's rule (plain {'argmax' if sweep.attribute == 'fact' else 'argmin'}) says start {sweep.argbest}\n"
    )
    return "\n".join(lines)
