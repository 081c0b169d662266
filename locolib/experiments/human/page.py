"""What the notebook on the human study may be asked, and what that costs."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ...drawing.sampling import Settings
from ...models import Model, Spec, find
from ...prompts import FOLDER
from ...store import Store
from .. import locogen
from ..locogen.page import FivePage
from ..page import ModelPage, Page
from ..profiles import Profile
from . import files, pairs


class HumanPage(Page):
    """The human study; `windows` "found" reads what the pages of the models stored in `profile`."""

    source = "notebooks/06_human_study.ipynb"
    after = ("02_locogen",)
    needs = pairs.FOUR
    raters: str = "data/ratings"
    which: str = "all"
    windows: Literal["paper", "found"] = "found"
    profile: Literal["smoke", "quick", "paper"] = "quick"
    seeds: int = Field(3, ge=1)
    placebos: int = Field(3, ge=0)
    steps: int = Field(0, ge=0)
    guidance: float = Field(0.0, ge=0)

    def about(self) -> tuple[str, ...]:
        return (
            self.needs
            if self.which == "all"
            else tuple(find(name.strip()).name for name in self.which.split(","))
        )

    def of(self, name: str) -> ModelPage:
        """What is asked of one of its models."""
        return ModelPage(model=name, steps=self.steps, guidance=self.guidance)

    @property
    def folder(self) -> Path:
        """Where the raters' files are: wherever a kernel starts, a relative name is one of the project's."""
        return FOLDER.parents[1] / self.raters

    def sweeps(self, here: Iterable[Model], store: Store) -> dict[tuple[str, str], locogen.Sweep]:
        """(model, attribute) -> the sweep that names its window, of the smallest m that is confirmed; empty where `windows` are the paper's."""
        if self.windows == "paper":
            return {}
        asked = [(model, FivePage(profile=self.profile).asked(model.name)) for model in here]
        return {
            (model.name, name): given.locate(model, name, store).done
            for model, given in asked
            for name in pairs.ATTRIBUTES
        }

    def plan(self, sweeps: Mapping[tuple[str, str], locogen.Sweep]) -> tuple[pairs.Pair, ...]:
        """The pairs, at the best windows of `sweeps`, or at the paper's where there are none."""
        windows = {place: (done.found[0], done.m) for place, done in sweeps.items()} or None
        return pairs.plan(self.about(), windows=windows, seeds=self.seeds, placebos=self.placebos)

    def only(self, name: str) -> "HumanPage":
        """The same for one model."""
        return self.model_copy(update={"which": name})

    def settings_of(self, name: str) -> Settings:
        return self.of(name).settings

    @property
    def settings(self) -> Settings:
        return self.settings_of(self.about()[0])

    def images_of(self, name: str) -> int:
        return 2 * (self.seeds * len(pairs.read()) + self.placebos)

    @property
    def label(self) -> str:
        """What its files are called by: nothing where it is about the four models of the study."""
        return "" if self.which == "all" else "-".join(self.about())

    def reads(self) -> list[Path]:
        return files.files(self.folder)

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        return {"windows": "found", "profile": chosen.name, "steps": chosen.steps_of(spec)} | (
            {"seeds": 1} if chosen.name == "smoke" else {}
        )

    @classmethod
    def alone(cls, chosen: Profile, spec: Spec) -> dict[str, Any] | None:
        return cls.values(chosen, spec) | {"which": spec.name}
