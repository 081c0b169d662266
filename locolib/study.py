"""The study: its notebooks run by papermill in order, and rendered by jupyter-book."""

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import nbformat

from . import UserError, locogen
from .book import HOME, build_book, executed, tidy
from .memory import Row, TextMemory
from .models import ORGANISMS, Model, find, load, load_scorer
from .pages import PAGES, Run, absent, parameters, plan
from .profiles import Profile, count, profile, request
from .runs import Store, write_atomic
from .sampling import Settings, denoise

__all__ = ["build_book", "cost", "parameters", "profile", "request", "run_notebooks", "study"]
_profile = profile  # `study` has an argument of that name
KERNEL_PATCH = "import tqdm.auto, tqdm.std; tqdm.auto.tqdm = tqdm.std.tqdm"  # bars as text: widgets need the network


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What a model's images cost: seconds and bytes of one."""

    seconds: float
    size: float


def speed(model: Model, settings: Settings) -> Speed:
    """Time one batch at one and two steps, and go on from there."""
    rows = [Row(prompt=f"an image, {i}", seed=i) for i in range(settings.batch)]
    took = []
    for steps in (1, 1, 2):  # the first warms up
        started = monotonic()
        images = model.decode(denoise(model, rows, Settings(steps=steps, guidance=settings.guidance), TextMemory(model)))
        took.append(monotonic() - started)
    seconds = took[1] + (settings.steps - 1) * max(took[2] - took[1], 0)
    return Speed(seconds=seconds / len(rows), size=0.6 * images[0].nbytes)


def price(images: int, each: Speed, store: Store) -> str:
    return (f"at most {images} images (those in the store are not made again): about "
            f"{images * each.seconds / 60:.1f} minutes, {images * each.size / 1e6:.0f} MB; the store holds {store.size() / 1e6:.0f} MB")


def cost(model: Model, asked: locogen.Request, *, sizes: Sequence[int], store: Store) -> str:
    """One line: images, minutes and disk that sweeps of these window sizes will need at most."""
    sets = 2 + sum(len(locogen.windows(model.spec.layers, m)) for m in sizes)
    return price(count(asked, sets), speed(model, asked.settings), store)


def announce(todo: Sequence[Run], asked: Mapping[str, Any], store: Store) -> None:
    """What the pages `todo` will cost at most, a line each, before any of it is done."""
    kept: dict[tuple[str, int], Speed] = {}
    total = Speed(seconds=0.0, size=0.0)
    for run in todo:
        page = asked[run.name]
        if not (images := page.images()):
            continue
        name, settings = page.about()[0], page.settings
        each = kept.get((name, settings.steps)) or kept.setdefault((name, settings.steps), speed(load(name), settings))
        print(f"{run.name}: at most {images} images, about {images * each.seconds / 60:.1f} minutes", flush=True)
        total = Speed(seconds=total.seconds + images * each.seconds, size=total.size + images * each.size)
    if total.seconds:
        print(f"in all at most {total.seconds / 60:.0f} minutes of images (those in the store are not made again), "
              f"{total.size / 1e6:.0f} MB; the store holds {store.size() / 1e6:.0f} MB", flush=True)


def run_notebooks(chosen: Profile, model: str | None, root: Path = Path("build")) -> None:
    """Execute the pages whose source, parameters, weights or library changed since they last ran, in order."""
    planned = plan(chosen, model)
    asked = {run.name: parameters(run.page, run.values) for run in planned}
    weights = {name: _weights(name) for name in sorted({name for page in asked.values() for name in page.about()})}
    code, file = _digest(_read_by_pages()), root / "pages.json"
    done = json.loads(file.read_text()) if file.exists() else {}
    marks = {run.name: f"{code} {_digest([HOME / PAGES[run.page].source])} {[weights[m] for m in asked[run.name].about()]} {dict(run.values)}"
             for run in planned}
    todo = [run for run in planned if done.get(run.name) != marks[run.name] or not executed(run, root).exists()]
    if not model and absent():
        print(f"absent bundled models, which have no pages: {', '.join(absent())}", flush=True)
    print(f"pages: {', '.join(run.name for run in todo) or 'none'} to run, {len(planned) - len(todo)} unchanged", flush=True)
    announce(todo, asked, Store())
    _kernel(root)
    for run in todo:
        started = monotonic()
        _execute(run, root)
        done[run.name] = marks[run.name]
        write_atomic(file, json.dumps(done, indent=1).encode())
        print(f"{run.name}: {(monotonic() - started) / 60:.1f} minutes", flush=True)


def _read_by_pages() -> list[Path]:
    """Files on which numbers and pictures of the pages depend: of the organisms the world and how well it is drawn, not their training."""
    code = [path for path in HOME.glob("locolib/**/*.py") if path.parent.name != "organisms" or path.stem in ("captions", "world", "evaluate")]
    return sorted([*code, *HOME.glob("locolib/organisms/sprites/*.png"), *HOME.glob("data/prompts/*.csv")])


def _weights(model: str) -> str:
    """What determines the numbers of a model's pages: its weights and its scorer's."""
    spec = find(model)
    if spec.bundled:  # its files say as much as loading it would
        return _digest(sorted(path for name in (spec.sources[0], spec.scorer) for path in (ORGANISMS / name).rglob("*") if path.is_file()))
    return f"{load(model).fingerprint}-{load_scorer(spec.scorer).fingerprint}"


def _digest(paths: Sequence[Path]) -> str:
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in paths)).hexdigest()[:16]


def _kernel(root: Path) -> None:
    """A kernel called python3 which is this interpreter, for this process and its children only."""
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--IPKernelApp.log_level=50",
            f"--IPKernelApp.exec_lines={KERNEL_PATCH}"]
    env = {"LOCOLIB_STORE": str(Store().root.resolve()), "TQDM_MININTERVAL": "20"}
    spec = {"argv": argv, "display_name": "Python 3", "language": "python", "env": env}
    folder = (root / "jupyter").resolve()
    write_atomic(folder / "kernels" / "python3" / "kernel.json", json.dumps(spec).encode())
    before = os.environ.get("JUPYTER_PATH", "").split(os.pathsep)
    os.environ["JUPYTER_PATH"] = os.pathsep.join(dict.fromkeys([str(folder), *filter(None, before)]))


def _execute(run: Run, root: Path) -> None:
    import papermill
    from papermill.exceptions import PapermillExecutionError

    source, out = HOME / PAGES[run.page].source, root / "running" / f"{run.name}.ipynb"
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(source, out, dict(run.values), kernel_name="python3", progress_bar=False, cwd=HOME)
    except PapermillExecutionError as error:
        reason = error.evalue if error.ename == "UserError" else f"{error.ename}: {error.evalue}"
        raise UserError(f"{run.name}, cell {error.cell_index}: {reason} (Finished images stay in the store; "
                        f"the notebook up to there is {out}.)") from None
    notebook = tidy(nbformat.read(out, as_version=4), papermill.inspect_notebook(source), run.values, run.model)
    write_atomic(executed(run, root), nbformat.writes(notebook).encode())
    out.unlink()


def study(*, profile: str = "quick", model: str | None = None, book_only: bool = False, root: Path = Path("build")) -> None:
    """``make study``: run what changed, of all models or of one, and render the book."""
    started, chosen = monotonic(), _profile(profile)
    if not book_only:
        run_notebooks(chosen, find(model).name if model else None, root)
    print(f"{build_book(root)}: rendered; {(monotonic() - started) / 60:.1f} minutes in all", flush=True)
