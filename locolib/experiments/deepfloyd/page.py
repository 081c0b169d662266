"""What the notebook on DeepFloyd's limits may be asked, and what that costs."""

from typing import Any, ClassVar

from pydantic import Field

from ... import prompts as prompts_
from ...drawing.sampling import Settings
from ...models import Model, Spec, find
from ...store import Store
from .. import editing, locogen
from ..locogen.page import Sweeping, count
from ..page import Page
from ..profiles import Profile


class LimitsPage(Page):
    """LocoEdit and reading direction: a bidirectional text encoder beside a causal one."""

    source = "notebooks/05_deepfloyd_limits.ipynb"
    after: ClassVar[tuple[str, ...]] = ("02_locogen",)
    needs: ClassVar[tuple[str, ...]] = ("mini-deepfloyd", "mini-sd-v1-5")
    model: str = "mini-deepfloyd"
    beside: str = "mini-sd-v1-5"
    artist: str = "van gogh"
    prompts: int = Field(8, ge=0)
    beside_prompts: int = Field(16, ge=0)
    pictures: int = Field(12, ge=1)
    seeds: int = Field(1, ge=1)
    steps: int = Field(0, ge=0)

    def about(self) -> tuple[str, ...]:
        return (find(self.model).name, find(self.beside).name)

    def of(self, name: str) -> Sweeping:
        """What is asked of one of the two models."""
        prompts = self.beside_prompts if name == find(self.beside).name else self.prompts
        return Sweeping(
            model=name, prompts=prompts, seeds=self.seeds, steps=self.steps, guidance=0.0
        )

    def settings_of(self, name: str) -> Settings:
        return self.of(name).settings

    @property
    def settings(self) -> Settings:
        return self.settings_of(self.model)

    def trial(self, model: Model, done: locogen.Sweep, store: Store) -> editing.Trial:
        return editing.trial_at(
            model,
            "style",
            self.artist,
            done,
            self.settings_of(model.name),
            self.pictures,
            store=store,
        )

    def images(self) -> int:
        for name in self.about():
            prompts_.about(self.of(name).listed("style"), self.artist)
        sweeps = sum(
            count(self.of(name).request("style"), find(name).layers + 1 + 8)
            for name in self.about()
        )
        return sweeps + 2 * self.pictures * 8

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        return {
            "prompts": chosen.few,
            "beside_prompts": chosen.prompts,
            "pictures": chosen.pictures_few,
            "steps": chosen.steps,
        }
