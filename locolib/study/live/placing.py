"""The live page's files put into the rendered site."""

import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ... import Notice, UserError
from ...models import find, is_here
from . import runtime
from .export import MANIFEST, MODELS, made

WEB = Path(__file__).parent / "web"
PLACE = Path("_static") / "live"  # in the site


def exported(folder: Path) -> None:
    """Export what the live page loads, if it is not there (`make study`); a `Notice` says what stands in the way.

    The rest of the site does not need it.
    """
    if not all(is_here(find(name)) for name in MODELS):
        return
    try:
        size = made(folder)["bytes"]
    except UserError as error:
        warnings.warn(str(error), Notice, stacklevel=2)
        return
    print(f"live page: {size / 1e6:.1f} MB of models in {folder}", flush=True)


@contextmanager
def exporting(folder: Path) -> Iterator[None]:
    """``with exporting(folder):`` the export is made in a process of its own beside the work of the block, and waited for."""
    command = [sys.executable, "-m", "locolib.study.live.placing", str(folder)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        yield
        said, errors = process.communicate()
    except BaseException:
        process.kill()
        raise
    print(said, end="", flush=True)
    if process.returncode:
        reason = (errors.strip().splitlines() or ["no reason given"])[-1]
        warnings.warn(f"The live page has no models ({reason}).", Notice, stacklevel=2)


def place(export: Path, site: Path) -> bool:
    """Copy scripts, runtime and export to ``site/_static/live``; says whether there is an export.

    Without one the page says how to make it.
    """
    folder = site / PLACE
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(WEB, folder)
    if not (export / MANIFEST).exists():
        return False
    runtime.place(folder / "runtime")
    shutil.copytree(export, folder / "models")
    return True


if __name__ == "__main__":
    with warnings.catch_warnings(record=True) as notices:
        exported(Path(sys.argv[1]))
    for notice in notices:
        if issubclass(notice.category, Notice):
            print(notice.message)
