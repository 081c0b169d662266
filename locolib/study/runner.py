"""The study: its notebooks run by papermill in order, and rendered by jupyter-book."""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from pathlib import Path
from time import monotonic
from typing import Any

import nbformat
from papermill import inspect_notebook
from tqdm import tqdm

from .. import UserError
from ..claims import kept_in
from ..drawing.provenance import processor
from ..experiments.page import absent
from ..experiments.profiles import Profile, profile
from ..models import MODELS, ORGANISMS, find, load, load_scorer, precision
from ..models.chosen import choose_source, said_of, source_of
from ..store import Store, digest, read_bytes, remove, write_atomic
from . import execute
from .ahead import ahead, shared_engine
from .book import build_book, tidy
from .costs import announce, threads, workers
from .live import placing
from .pages import HOME, PAGES, Run, parameters, plan
from .shown import executed

_profile = profile  # `study` has an argument of that name
KERNEL_PATCH = "import tqdm.auto, tqdm.std; tqdm.auto.tqdm = tqdm.std.tqdm"  # bars as text: widgets need the network


def run_notebooks(chosen: Profile, model: str | None, root: Path = Path("build")) -> None:
    """Execute the pages whose source, parameters, weights or library changed since they last ran, in order."""
    planned = plan(chosen, model)
    asked = {run.name: parameters(run.page, run.values) for run in planned}
    weights = {
        name: _weights(name)
        for name in sorted({name for page in asked.values() for name in page.about()})
    }
    code, file = _digest(_read_by_pages()), root / "pages.json"
    done = marks(file)

    sources = {name: said_of(name) for name in weights if said_of(name)}

    def mark(run: Run) -> str:
        """What the page's numbers depend on; read anew each time, as the ledger depends on what other pages keep."""
        page = asked[run.name]
        return f"{code} {_digest([HOME / PAGES[run.page].source, *page.reads()])} {[weights[m] for m in page.about()]} {dict(run.values)}{sources or ''}"

    def stale(run: Run) -> bool:
        now = {"mark": mark(run)} | left(run, root)
        return done.get(run.name) != now or None in now["claims"].values()

    def finish(run: Run) -> None:
        started = monotonic()
        for path in _claims(run):
            if kept_in(path) is None:
                remove(path)  # a page need not keep again what it kept once: of fewer models, say
        _execute(run, root)
        done[run.name] = {"mark": mark(run)} | left(run, root)
        write_atomic(file, json.dumps(done, indent=1).encode())
        tqdm.write(f"{run.name}: {(monotonic() - started) / 60:.1f} minutes", file=sys.stdout)

    todo = [run for run in planned if stale(run)]
    if not model and absent():
        print(f"absent bundled models, which have no pages: {', '.join(absent())}", flush=True)
    print(
        f"pages: {', '.join(run.name for run in todo) or 'none'} to run, {len(planned) - len(todo)} unchanged",
        flush=True,
    )
    seconds = announce(todo, asked, Store())
    order = sorted(
        planned, key=lambda run: -seconds.get(run.name, 0)
    )  # the longest first, so that none is left over at the end
    _kernel(root)
    with tqdm(
        total=sum(asked[run.name].images() for run in todo),
        unit="image",
        desc="pages",
        disable=not todo,
        mininterval=1,
    ) as bar:
        _in_turn(order, stale, finish, lambda run: bar.update(asked[run.name].images()))


def marks(file: Path) -> dict[str, Any]:
    """What each page depended on when it was last run, and what it left; nothing where the file is missing or damaged."""
    try:
        read = json.loads(read_bytes(file))
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def left(run: Run, root: Path) -> dict[str, Any]:
    """What a page leaves, by hashes of what is there now: its executed copy, and the claims that it keeps (None: a damaged file).

    A page whose work is not as it left it is run again, so that neither the book nor the ledger shows what no page said.
    """
    return {
        "copy": digest(read_bytes(executed(run, root))),
        "claims": {
            path.name: None if kept_in(path) is None else digest(read_bytes(path))
            for path in _claims(run)
        },
    }


def _claims(run: Run) -> list[Path]:
    """The files in which a page keeps claims: of its own model, or of all that have no copy of their own."""
    if run.model:
        return sorted((Store().root / "claims").glob(f"{run.name}.json"))
    others = {f"{run.page}-{name}.json" for name, spec in MODELS.items() if not spec.bundled}
    found = sorted((Store().root / "claims").glob(f"{run.name}-*.json"))
    return [path for path in found if path.name not in others]


def _in_turn(
    planned: Sequence[Run],
    stale: Callable[[Run], bool],
    finish: Callable[[Run], None],
    tell: Callable[[Run], object],
) -> None:
    """Run pages side by side, one for each processor, none before those that it reads from (`Page.after`)."""
    waiting, failed = list(planned), list[BaseException]()
    running: dict[Future[None], Run] = {}
    with ThreadPoolExecutor(workers()) as pool:
        while waiting or running:
            ahead = {run.page for run in (*waiting, *running.values())}
            ready = [run for run in waiting if not ahead & set(PAGES[run.page].after)]
            for run in ready[: max(0, workers() - len(running))] if not failed else ():
                waiting.remove(run)
                if stale(run):
                    running[pool.submit(finish, run)] = run
            if failed and not running:
                raise failed[0]
            for future in wait(
                running, timeout=None if running else 0, return_when=FIRST_COMPLETED
            ).done:
                run = running.pop(future)
                failed += [error] if (error := future.exception()) else []
                tell(run)
    if failed:
        raise failed[0]


def _read_by_pages() -> list[Path]:
    """Files on which numbers and pictures of the pages depend: of the organisms the world and how well it is drawn, not their training."""
    code = [
        path
        for path in HOME.glob("locolib/**/*.py")
        if path.parent.name != "organisms" or path.stem in ("captions", "world", "evaluate")
    ]
    data = (
        path
        for pattern in (
            "locolib/**/*.html",
            "locolib/organisms/sprites/*.png",
            "data/prompts/*.csv",
        )
        for path in HOME.glob(pattern)
    )
    return sorted([*code, *data])


def _weights(model: str) -> str:
    """What determines the numbers of a model's pages: its weights and its scorer's, and the type of numbers."""
    spec = find(model)
    if spec.bundled and not source_of(model):  # its files say as much as loading it would
        kind = precision.title(precision.dtype("auto", precision.device()))
        return ("" if kind == "float32" else f"{kind} ") + _digest(
            sorted(
                path
                for name in (spec.sources[0], spec.scorer)
                for path in (ORGANISMS / name).rglob("*")
                if path.is_file()
            )
        )
    return (
        f"{load(model, source=source_of(model)).fingerprint}-{load_scorer(spec.scorer).fingerprint}"
    )


def _digest(paths: Sequence[Path]) -> str:
    return hashlib.sha256(
        b"".join(path.name.encode() + read_bytes(path) for path in paths)
    ).hexdigest()[:16]


def _kernel(root: Path) -> None:
    """A kernel called python3 which is this interpreter, for this process and its children only."""
    argv = [
        sys.executable,
        "-m",
        "ipykernel_launcher",
        "-f",
        "{connection_file}",
        "--IPKernelApp.log_level=50",
        f"--IPKernelApp.exec_lines={KERNEL_PATCH}",
    ]
    env = {
        "OMP_NUM_THREADS": str(threads()),
        "LOCOLIB_STORE": str(Store().root.resolve()),
        "LOCOLIB_BOOK": str((root / "book").resolve()),
        "TQDM_MININTERVAL": "20",
    }
    spec = {"argv": argv, "display_name": "Python 3", "language": "python", "env": env}
    folder = (root / "jupyter").resolve()
    write_atomic(folder / "kernels" / "python3" / "kernel.json", json.dumps(spec).encode())
    before = os.environ.get("JUPYTER_PATH", "").split(os.pathsep)
    os.environ["JUPYTER_PATH"] = os.pathsep.join(
        dict.fromkeys([str(folder), *filter(None, before)])
    )


def _execute(run: Run, root: Path) -> None:
    """Run a page's notebook and keep its tidied copy; a cell's error is one sentence."""
    source, out = HOME / PAGES[run.page].source, (root / "running" / f"{run.name}.ipynb").resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    asked = {"source": str(source), "out": str(out), "values": dict(run.values)}
    if error := execute.executed(asked, dict(os.environ)):
        if "reason" in error:
            raise UserError(f"{run.name} could not be run: {error['reason']}")
        reason = (
            error["value"] if error["name"] == "UserError" else f"{error['name']}: {error['value']}"
        )
        raise UserError(
            f"{run.name}, cell {error['cell']}: {reason} (Finished images stay in the store; the notebook up to there is {out}.)"
        )
    notebook = tidy(
        nbformat.read(out, as_version=4), inspect_notebook(source), run.values, run.model
    )
    write_atomic(executed(run, root), nbformat.writes(notebook).encode())
    out.unlink()


def study(
    *,
    profile: str = "quick",
    model: str | None = None,
    source: str | None = None,
    book_only: bool = False,
    shard: bool = False,
    root: Path = Path("build"),
) -> None:
    """``make study``: run what changed, of all models or of one (loaded from `source`, if it is named), and render the book.

    As a `shard` it only draws rows of the sweeps that depend on no other result.
    """
    started, chosen = monotonic(), _profile(profile)
    if source and not model:
        raise UserError("A source is of one model: name it too, by --model (make study MODEL=).")
    if source and model:
        choose_source(find(model).name, source)
    if shard:
        ahead(chosen, find(model).name if model else None)
        return
    if not book_only:
        live = placing.exporting(root / "live") if model is None else nullcontext()
        with shared_engine(), live:
            run_notebooks(chosen, find(model).name if model else None, root)
    print(
        f"{build_book(root)}: rendered; {(monotonic() - started) / 60:.1f} minutes in all on {processor()}",
        flush=True,
    )
