"""The live page's files put into the rendered site."""

import shutil
import warnings
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


def place(export: Path, site: Path) -> bool:
    """Copy scripts, runtime and export to ``site/_static/live``; says whether there is an export.

    Without one the page says how to make it.
    """
    folder = site / PLACE
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(WEB, folder)
    if not (export / MANIFEST).exists():
        return False
    runtime.check()
    shutil.copytree(runtime.FOLDER, folder / "runtime")
    shutil.copytree(export, folder / "models")
    return True
