"""What the pages of the book that are no experiment may be asked: world, models, rules, ledger, report, switchboard."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from .. import prompts as prompts_
from ..experiments.deepfloyd.page import LimitsPage
from ..experiments.locogen.page import Sweeping, count
from ..experiments.page import BUNDLED, ModelPage, Page, bundled
from ..experiments.profiles import Profile
from ..models import Spec, find
from ..store import Store


class WorldPage(Page):
    """The world that the miniatures were trained on."""

    source = "book/world.ipynb"
    place: Literal["beach", "forest", "city", "house"] = "beach"
    seed: int = Field(0, ge=0)


class QualityPage(Page):
    """How well the bundled models draw."""

    source = "book/models.ipynb"
    which: Literal["all"] = "all"

    def about(self) -> tuple[str, ...]:
        return bundled()


class LedgerPage(Page):
    """It reads what other pages kept, so it is run whenever one of them was."""

    source = "book/ledger.ipynb"
    always = True
    after: ClassVar[tuple[str, ...]] = (
        "01_causal_tracing",
        "02_locogen",
        "02b_five_models",
        "03_locoedit",
        "03b_five_models",
        "04_neuron_editing",
        "05_deepfloyd_limits",
        "06_human_study",
        "07_planted_truth",
        "07b_no_window",
        "07c_by_artist",
        "08_one_backward_pass",
        "09_planted_benchmark",
    )
    which: str = "all"

    def reads(self) -> list[Path]:
        root = Store().root
        imported = sorted((root / "imported").glob("*/claims/*.json"))
        return [*sorted((root / "claims").glob("*.json")), *imported]


class ReproductionPage(LedgerPage):
    """The same claims as a reproducibility report."""

    source = "book/reproduction.ipynb"
    after: ClassVar[tuple[str, ...]] = (*LedgerPage.after, "ledger")


class RulesPage(Sweeping):
    """How often intervals and rules are wrong, on simulated tables and on one that was measured."""

    source = "book/rules.ipynb"
    after = ("07_planted_truth",)
    needs = ("planted-sd-v1-5",)
    model: str = "planted-sd-v1-5"
    prompts: int = Field(16, ge=0)
    worlds: int = Field(400, ge=1)

    def images_of(self, name: str) -> int:
        return count(self.request("style"), find(self.model).layers + 1)

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        return {"worlds": 20 if chosen.name == "smoke" else 400, "prompts": chosen.prompts}


class CardPage(ModelPage):
    """One bundled model: its card, and its pictures of all objects and styles."""

    source = "book/model.ipynb"
    each = BUNDLED
    model: str = "planted-sd-v1-5"
    objects: int = Field(0, ge=0)

    @field_validator("model")
    @classmethod
    def _bundled(cls, name: str) -> str:
        if name not in cls.each:
            raise ValueError("only a bundled model knows the miniatures' world")
        return name

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        return {"model": spec.name, "objects": chosen.objects, "steps": chosen.steps_of(spec)}

    def images_of(self, name: str) -> int:
        return 8 * (self.objects or 40)  # styles by objects


class SwitchPage(LimitsPage):
    """Both readings of each step, on a planted and on a natural model."""

    source = "book/switchboard.ipynb"
    after = ("02_locogen", "03_locoedit", "04_neuron_editing")
    needs = ("planted-sd-v1-5", "mini-sd-v1-5")
    model: str = "planted-sd-v1-5"
    beside: str = "mini-sd-v1-5"
    prompts: int = Field(16, ge=0)

    def images_of(self, name: str) -> int:
        prompts_.about(self.of(name).listed("style"), self.artist)
        swept = count(self.of(name).request("style"), 2 * find(name).layers + 16)
        return swept + self.pictures * 12 + 8 * 8

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        asked = super().values(chosen, spec) | {"prompts": chosen.prompts}
        del asked["profile"]  # its windows are of the paper's m, on its own prompts
        return asked

    @classmethod
    def alone(cls, chosen: Profile, spec: Spec) -> dict[str, Any] | None:
        return None  # it sets a planted model beside a natural one
