"""Which pages there are, for which models, in which order; and a notebook's parameters, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from .. import UserError
from ..experiments.deepfloyd.page import LimitsPage
from ..experiments.editing.page import EditPage, FiveEditPage
from ..experiments.human.page import HumanPage
from ..experiments.locogen.page import ArtistPage, FivePage, LocoGenPage, NowherePage, PlantedPage
from ..experiments.neurons.page import NeuronPage
from ..experiments.page import MINIATURES, Page, here
from ..experiments.profiles import Profile
from ..experiments.tracing.page import TracingPage
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


def parameters(page: str, namespace: Mapping[str, Any]) -> Any:
    """A notebook's parameters, checked: ``p = pages.parameters("02_locogen", globals())``.

    Every plain value in `namespace` counts as a parameter, so that a misspelt name (of which papermill only warns) is
    refused before any work.
    """
    plain = (str, int, float, bool, list, tuple, dict, type(None))
    given = {
        name: value
        for name, value in namespace.items()
        if not name.startswith("_") and name not in ("In", "Out") and isinstance(value, plain)
    }
    kind = PAGES[page]
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
