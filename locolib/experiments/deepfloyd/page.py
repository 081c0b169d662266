"""What the notebook on DeepFloyd's limits may be asked, and what that costs."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from ... import prompts as prompts_
from ...drawing.sampling import Settings
from ...drawing.text import TOKENS
from ...models import Model, Spec, find
from ...store import Store
from .. import editing, locogen
from ..locogen.page import FivePage, Sweeping, count
from ..page import Page
from ..profiles import PROFILES, Profile
from . import reading

BESIDE = "sd-v1-5"


class LimitsPage(Page):
    """LocoEdit and reading direction: a bidirectional text encoder beside a causal one."""

    source = "notebooks/05_deepfloyd_limits.ipynb"
    after: ClassVar[tuple[str, ...]] = ("02_locogen",)
    needs: ClassVar[tuple[str, ...]] = ("mini-deepfloyd", "mini-sd-v1-5")
    model: str = "mini-deepfloyd"
    beside: str = "mini-sd-v1-5"
    artist: str = "van gogh"
    profile: Literal["smoke", "quick", "paper"] = "quick"
    prompts: int = Field(8, ge=0)
    beside_prompts: int = Field(16, ge=0)
    pictures: int = Field(12, ge=1)
    seeds: int = Field(1, ge=1)
    steps: int = Field(0, ge=0)

    def about(self) -> tuple[str, ...]:
        return (find(self.model).name, find(self.beside).name)

    def of(self, name: str) -> Sweeping:
        """What is asked of one of the two models; where `steps` is 0 it is sampled as on its own page in `profile`."""
        prompts = self.beside_prompts if name == find(self.beside).name else self.prompts
        steps = self.steps or PROFILES[self.profile].steps_of(find(name))
        return Sweeping(model=name, prompts=prompts, seeds=self.seeds, steps=steps, guidance=0.0)

    def settings_of(self, name: str) -> Settings:
        return self.of(name).settings

    @property
    def settings(self) -> Settings:
        return self.settings_of(self.model)

    def sweep(self, model: Model, store: Store) -> locogen.Sweep:
        """The sweep that names the window of style, as the page of that model has it in `profile`."""
        asked = FivePage(profile=self.profile).asked(model.name)
        return asked.locate(model, "style", store).done

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

    def images_of(self, name: str) -> int:
        """Those of the sweeps are not among them, as the models' own pages make them before, but of a published model beside."""
        prompts_.about(self.of(name).listed("style"), self.artist)
        positions = len(reading.GROUPS) + 3  # and none, all, and all but the last
        traced = count(self.of(name).request("style"), positions)
        swept = FivePage(profile=self.profile).asked(name).model_copy(update={"attribute": "style"})
        more = swept.images() if name != self.model and not find(name).bundled else 0
        return traced + self.pictures * (len(TOKENS) + 3) + more

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        return {
            "profile": chosen.name,
            "prompts": chosen.few,
            "beside_prompts": chosen.prompts,
            "pictures": chosen.pictures_few,
            "steps": chosen.steps,
        }

    @classmethod
    def alone(cls, chosen: Profile, spec: Spec) -> dict[str, Any] | None:
        """Of DeepFloyd alone; the causal model beside it is the paper's SD-v1-5, whose scorer is the same."""
        own = spec.pipeline == find(cls.model_fields["model"].default).pipeline
        return cls.values(chosen, spec) | {"model": spec.name, "beside": BESIDE} if own else None
