"""Which pages there are, for which models, in which order; and a notebook's parameters, checked."""

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from .. import UserError
from ..drawing.machines import use_environment
from ..experiments.attribution.page import BackwardPage, BenchmarkPage
from ..experiments.deepfloyd.page import LimitsPage
from ..experiments.editing.page import EditPage, FiveEditPage
from ..experiments.human.page import HumanPage
from ..experiments.locogen.page import ArtistPage, FivePage, LocoGenPage, NowherePage, PlantedPage
from ..experiments.neurons.page import NeuronPage
from ..experiments.page import MINIATURES, Page, here
from ..experiments.profiles import Profile
from ..experiments.tracing.page import TracingPage
from ..figures import offer
from ..models import find
from .parameters import (
    CardPage,
    LedgerPage,
    QualityPage,
    ReproductionPage,
    RulesPage,
    SwitchPage,
    WorldPage,
)

HOME = Path(__file__).resolve().parents[2]  # of notebooks/ and book/
# The pages' tables are shown whole: all their rows and columns, and cells that are sentences.
pd.set_option("display.max_rows", None, "display.max_columns", None, "display.max_colwidth", None)
PAGES: dict[str, type[Page]] = {
    "world": WorldPage,
    "model": CardPage,
    "models": QualityPage,
    "01_causal_tracing": TracingPage,
    "02_locogen": LocoGenPage,
    "02b_five_models": FivePage,
    "03_locoedit": EditPage,
    "03b_five_models": FiveEditPage,
    "04_neuron_editing": NeuronPage,
    "05_deepfloyd_limits": LimitsPage,
    "switchboard": SwitchPage,
    "06_human_study": HumanPage,
    "07_planted_truth": PlantedPage,
    "07b_no_window": NowherePage,
    "07c_by_artist": ArtistPage,
    "08_one_backward_pass": BackwardPage,
    "09_planted_benchmark": BenchmarkPage,
    "rules": RulesPage,
    "ledger": LedgerPage,
    "reproduction": ReproductionPage,
}  # in order


@dataclass(frozen=True, kw_only=True)
class Run:
    """One page of the study: a notebook and what it is asked; `model` where it is a copy of a model's own."""

    page: str
    values: Mapping[str, Any]
    model: str = ""

    @property
    def name(self) -> str:
        return f"{self.page}-{self.model}" if self.model else self.page


def plan(chosen: Profile, model: str | None = None) -> list[Run]:
    """The pages that can run, in order: of all models, or those of one (which may be a published one)."""
    made: list[Run] = []
    for page, kind in PAGES.items():
        if kind.each:
            of = [
                name
                for name in (here(kind.each) if model is None else (model,))
                if kind is not CardPage or find(name).bundled
            ]
            made += [
                Run(page=page, values=kind.values(chosen, find(name)), model=name) for name in of
            ]
        elif model and not (spec := find(model)).bundled and (own := kind.alone(chosen, spec)):
            made.append(Run(page=page, values=own, model=model))
        elif (kind.always or model in (None, _own(kind))) and here(kind.needs) == kind.needs:
            made.append(
                Run(
                    page=page,
                    values=kind.values(chosen, find(_own(kind) or (kind.needs or MINIATURES)[0])),
                )
            )
    return made


def _own(kind: type[Page]) -> str | None:
    """The model that a page is about, if it is about one, or about one beside others."""
    field = kind.model_fields.get("model")
    return field.default if field else None


INJECTED = "PAPERMILL_"  # what papermill adds by --inject-paths


def _plain(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """What in a namespace may be a parameter."""
    plain = (str, int, float, bool, list, tuple, dict, type(None))
    return {
        name: value
        for name, value in namespace.items()
        if not name.startswith("_") and name not in ("In", "Out") and isinstance(value, plain)
    }


def given_in(history: Any, fields: Collection[str]) -> dict[str, Any] | None:
    """What the last cells that only set names, one of `fields` at least, have set; None where no cell did.

    Args:
        history: sources of the cells that a kernel has run (IPython's ``In``); the last one is running.
    """
    found: dict[str, Any] = {}
    for cell in reversed(list(history or ())[:-1]):
        told = _set_in(cell)
        if not told and set(found) & set(fields):
            break
        found = {**told, **found} if told else {}
    return found if set(found) & set(fields) else None


def _set_in(cell: str) -> dict[str, Any]:
    """Names and values of a cell that sets names to literals and does nothing else; empty where it does."""
    told: dict[str, Any] = {}
    try:
        for line in ast.parse(cell).body:
            if not isinstance(line, ast.Assign) or not isinstance(line.targets[0], ast.Name):
                return {}
            told[line.targets[0].id] = _value(line.value)
    except (SyntaxError, ValueError):  # no Python, or no literal
        return {}
    return told


def _value(node: ast.expr) -> Any:
    """A literal's value; papermill writes infinity as a call."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "float":
        return float(ast.literal_eval(node.args[0]))
    return ast.literal_eval(node)


def parameters(page: str, namespace: Mapping[str, Any]) -> Any:
    """A notebook's parameters, checked: ``p = pages.parameters("02_locogen", globals())``.

    In a kernel they are what its `parameters` cell said, and the cell that papermill put behind it: names that later cells gave
    to other things are no parameters when all is run again.  Elsewhere every plain value in `namespace` counts.  Either way a
    misspelt name (of which papermill only warns) is refused before any work.
    """
    use_environment()
    offer()  # importing figures did it, unless this kernel was forked from a process that had imported them
    kind = PAGES[page]
    told = given_in(namespace.get("In"), kind.model_fields)
    given = _plain(namespace) if told is None else told
    given = {name: value for name, value in given.items() if not name.startswith(INJECTED)}
    try:
        made = kind(**given)
        (
            made.images(),
            getattr(made, "settings", None),
        )  # also refuses what only these can, such as a window larger than the model
        return made
    except ValidationError as error:
        first = error.errors()[0]
        reason = first["msg"].removeprefix("Value error, ").rstrip(".")
        if not first["loc"]:  # it is about several parameters
            raise UserError(f"{reason}.") from None
        name = first["loc"][0]
        if first["type"] == "extra_forbidden":
            raise UserError(
                f"Unknown parameter {name!r} of {page}; it has {', '.join(kind.model_fields)}."
            ) from None
        raise UserError(
            f"Parameter {name!r} of {page} cannot be {first['input']!r}: {reason}."
        ) from None
