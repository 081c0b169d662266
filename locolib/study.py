"""The study: its notebooks run by papermill in order, and rendered by jupyter-book."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import nbformat

from . import UserError, locogen
from .memory import Row, TextMemory
from .models import Model, find, load, load_scorer
from .pages import PAGES, Profile, count, parameters, profile, request
from .runs import Store, write_atomic
from .sampling import Settings, denoise

__all__ = ["build_book", "cost", "parameters", "profile", "request", "run_notebooks", "study", "tidy"]
HOME = Path(__file__).resolve().parents[1]  # of notebooks/ and book/
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


def page_parameters(page: str, chosen: Profile, model: str) -> dict[str, Any]:
    """What `make study` passes to a page; pages about planted models keep theirs when the study is of another."""
    fields = PAGES[page].model_fields
    values = {"model": model, "prompts": chosen.objects if page == "model" else chosen.prompts, "seeds": chosen.seeds, "steps": chosen.steps}
    if page != "02_locogen" and not model.startswith("planted"):
        del values["model"]
    return {name: value for name, value in values.items() if name in fields}


def run_notebooks(chosen: Profile, model: str, root: Path = Path("build")) -> None:
    """Execute the pages whose source, parameters, weights or library changed since they last ran, in order."""
    wanted = {page: page_parameters(page, chosen, model) for page in PAGES}
    asked = {page: parameters(page, values) for page, values in wanted.items()}
    weights = {name: _weights(name) for name in sorted({p.model for p in asked.values() if hasattr(p, "model")})}
    code = _digest(_read_by_pages())
    file = root / "pages.json"
    done = json.loads(file.read_text()) if file.exists() else {}
    marks = {page: f"{code} {_digest([HOME / PAGES[page].source])} {weights.get(getattr(asked[page], 'model', ''))} {v}" for page, v in wanted.items()}
    todo = [page for page in PAGES if done.get(page) != marks[page] or not executed(page, root).exists()]
    print(f"pages: {', '.join(todo) or 'none'} to run, {len(PAGES) - len(todo)} unchanged", flush=True)
    shared = asked["02_locogen"].images() if len(weights) == 1 and {"02_locogen", "07_planted_truth"} <= set(todo) else 0
    if images := sum(asked[page].images() for page in todo) - shared:
        print(price(images, speed(load(model), asked["02_locogen"].settings), Store()), flush=True)
    _kernel(root)
    for page in todo:
        started = monotonic()
        _execute(page, wanted[page], root)
        done[page] = marks[page]
        write_atomic(file, json.dumps(done, indent=1).encode())
        print(f"{PAGES[page].source}: {(monotonic() - started) / 60:.1f} minutes", flush=True)


def _read_by_pages() -> list[Path]:
    """Files on which numbers and pictures of the pages depend: of the organisms the world and how well it is drawn, not their training."""
    code = [path for path in HOME.glob("locolib/**/*.py") if path.parent.name != "organisms" or path.stem in ("captions", "world", "evaluate")]
    return sorted([*code, *HOME.glob("locolib/organisms/sprites/*.png"), *HOME.glob("data/prompts/*.csv")])


def _weights(model: str) -> str:
    """What determines the numbers of a model's pages: its weights and its scorer's."""
    return f"{load(model).fingerprint}-{load_scorer(find(model).scorer).fingerprint}"


def _digest(paths: Sequence[Path]) -> str:
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in paths)).hexdigest()[:16]


def executed(page: str, root: Path) -> Path:
    """Where a page's executed copy lies."""
    return root / "book" / PAGES[page].source.removeprefix("book/")


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


def _execute(page: str, values: dict[str, Any], root: Path) -> None:
    import papermill
    from papermill.exceptions import PapermillExecutionError

    source, out = HOME / PAGES[page].source, root / "running" / f"{page}.ipynb"
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(source, out, values, kernel_name="python3", progress_bar=False, cwd=HOME)
    except PapermillExecutionError as error:
        reason = error.evalue if error.ename == "UserError" else f"{error.ename}: {error.evalue}"
        raise UserError(f"{PAGES[page].source}, cell {error.cell_index}: {reason} (Finished images stay in the store; "
                        f"the notebook up to there is {out}.)") from None
    notebook = tidy(nbformat.read(out, as_version=4), papermill.inspect_notebook(source), values)
    write_atomic(executed(page, root), nbformat.writes(notebook).encode())
    out.unlink()


def tidy(notebook: nbformat.NotebookNode, known: Mapping[str, Mapping[str, str]], values: Mapping[str, Any]) -> nbformat.NotebookNode:
    """An executed copy for readers: one parameters cell with the values used, no bars that moved, no machine's paths.

    Args:
        known: what `papermill.inspect_notebook` says of the source's parameters: their defaults and comments.
        values: those that papermill was given.
    """
    notebook.cells = [cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = "\n".join(_line(name, values, info) for name, info in known.items())
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if "outputs" in cell:
            cell.outputs = _settled(cell.outputs)
    notebook.metadata.pop("papermill", None)
    notebook.metadata.pop("widgets", None)
    return notebook


def _settled(outputs: Sequence[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Outputs with neighbouring streams joined, and of each progress bar only its last state."""
    kept: list[nbformat.NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream" and kept and kept[-1].get("name") == output.name:
            kept[-1].text += output.text
        else:
            kept.append(output)
    for output in kept:
        if output.output_type == "stream":
            lines = (line.rstrip("\r").rsplit("\r", 1)[-1].replace("\x1b[A", "") for line in output.text.split("\n"))
            output.text = "".join(f"{line}\n" for line in lines if line.strip()).replace(f"{HOME}/", "")
    return kept


def _line(name: str, values: Mapping[str, Any], info: Mapping[str, str]) -> str:
    shown = repr(values[name]) if name in values else info["default"]
    return f"{name} = {shown}" + (f"  # {info['help']}" if info["help"] else "")


def build_book(root: Path = Path("build")) -> Path:
    """Render book/ and the executed notebooks to ``build/site``; any warning fails it.  Returns the first page."""
    missing = [page for page in PAGES if not executed(page, root).exists()]
    if missing:
        raise UserError(f"Not run yet: {', '.join(missing)}; run `make study` first.")
    for folder, where in ((HOME / "book", root / "book"), (HOME / "locolib", root / "book" / "locolib")):
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix in (".md", ".yml", ".bib", ".css", ".py", ".png", ".html"):
                _copy(path, where / path.relative_to(folder))
    os.utime(root / "book" / "intro.md")  # it pastes numbers of other pages, whose changes Sphinx does not see
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(root / "book"),
               "--path-output", str(root / "sphinx"), "-W", "-n", "--keep-going"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"NO_COLOR": "1"})
    if done.returncode:
        shutil.rmtree(root / "sphinx", ignore_errors=True)  # or the next build would not repeat these warnings
        lines = [line for line in done.stderr.splitlines() if "WARNING" in line or "ERROR" in line] or done.stderr.splitlines()[-5:]
        raise UserError("The book has warnings:\n" + "\n".join(lines))
    shutil.rmtree(root / "site", ignore_errors=True)
    shutil.copytree(root / "sphinx" / "_build" / "html", root / "site")
    return root / "site" / "index.html"


def _copy(source: Path, target: Path) -> None:
    """Copy what changed only, so that what did not is not rendered again."""
    if not target.exists() or target.read_bytes() != source.read_bytes():
        write_atomic(target, source.read_bytes())


def study(*, profile: str = "quick", model: str = "planted-sd-v1-5", book_only: bool = False, root: Path = Path("build")) -> None:
    """``make study``: run what changed, render the book."""
    started, chosen = monotonic(), _profile(profile)
    if not book_only:
        run_notebooks(chosen, find(model).name, root)
    print(f"{build_book(root)}: rendered; {(monotonic() - started) / 60:.1f} minutes in all", flush=True)
