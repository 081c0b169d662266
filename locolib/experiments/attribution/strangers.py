"""A localiser of one's own: ``FILE.py:function``, called as ``function(model, prompts)`` and measured by counting UNet rows."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from types import ModuleType
from typing import Any

import numpy as np
import torch

from ... import UserError
from ...models import Model
from ..locogen import Request
from ..locogen.backward.walking import BACKWARD
from .localisers import Localiser, Scores

FORM = (
    "it must return a score for each layer, or a dictionary with `layers` (the scores) and, if it decides, "
    "`found` (a list of layers) and `verdict` (localised or not localised)"
)


def read(place: str) -> tuple[str, Localiser]:
    """(name, localiser) of ``FILE.py:function``.

    Raises:
        UserError: there is no such file or function, or the file cannot be run.
    """
    path, _, name = place.rpartition(":")
    if not path or not name:
        raise UserError(f"Name a file and a function in it, as in mine.py:localise, not {place!r}.")
    if not Path(path).is_file():
        raise UserError(f"There is no file {path}.")
    function = getattr(_module(Path(path)), name, None)
    if not callable(function):
        raise UserError(f"{path} has no function {name!r}.")
    return f"{Path(path).stem}:{name}", _localiser(place, function)


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))  # so that it finds its neighbours
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a stranger's file does
        raise UserError(f"{path} cannot be run ({type(error).__name__}: {error}).") from error
    finally:
        sys.path.pop(0)
    return module


def _localiser(place: str, function: Callable[..., Any]) -> Localiser:
    def localiser(model: Model, request: Request) -> Scores:
        started = monotonic()
        with counting(model) as counted:
            try:
                answer = function(model, list(request.prompts))
            except UserError:
                raise
            except Exception as error:
                raise UserError(
                    f"{place} failed on {model.name} ({type(error).__name__}: {error})."
                ) from error
        told = answer if isinstance(answer, dict) else {"layers": answer}
        try:
            layers = np.asarray([float(score) for score in told["layers"]])
            found = tuple(sorted(int(layer) for layer in told.get("found", ())))
        except (KeyError, TypeError, ValueError):
            raise UserError(f"{place}: {FORM}.") from None
        return Scores(
            layers=layers,
            rows=counted[0],
            seconds=monotonic() - started,
            verdict=str(told.get("verdict", "localised" if found else "")),
            found=found,
            adjacent=False,
        )

    return localiser


@contextmanager
def counting(model: Model) -> Iterator[list[int]]:
    """Counts the UNet rows that a function asks for: one forward, `BACKWARD` where gradients are asked for."""
    counted = [0]

    def count(module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        rows = len(given[0] if given else named["sample"])
        counted[0] += rows * (BACKWARD if torch.is_grad_enabled() else 1)

    handle = model.unet.register_forward_pre_hook(count, with_kwargs=True)
    try:
        yield counted
    finally:
        handle.remove()
