"""What the notebooks on LocoGen may be asked, and what that costs."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, field_validator

from ...drawing.sampling import Settings
from ...models import Spec, find
from ...prompts import ATTRIBUTES, Prompt, choose, listed
from ..page import MINIATURES, ModelPage, Page, here
from ..profiles import PROFILES, Profile
from . import measuring
from .measuring import Request


def request(chosen: Profile, spec: Spec, prompts: Sequence[Prompt]) -> Request:
    """What a profile asks of a model: the same images as the notebooks of that profile."""
    return Request(
        prompts=choose(prompts, chosen.prompts_of(spec)),
        seeds=measuring.seeds(chosen.seeds),
        settings=Settings(steps=chosen.steps or spec.steps, guidance=spec.guidance),
    )


def count(asked: Request, sets: int) -> int:
    """Images of a request with so many layer sets."""
    return len(asked.prompts) * len(asked.seeds) * sets


class Sweeping(ModelPage):
    """Pages that sweep over windows."""

    prompts: int = Field(0, ge=0)
    seeds: int = Field(1, ge=1)

    def listed(self, attribute: str) -> tuple[Prompt, ...]:
        """The prompts that there are for the model: a published one is asked those that the paper prints."""
        return listed(attribute, printed=not find(self.model).bundled)

    def request(self, attribute: str, **options: bool) -> Request:
        """The request for one attribute, as `locogen.sweep` takes it."""
        return Request(
            prompts=choose(self.listed(attribute), self.prompts),
            seeds=measuring.seeds(self.seeds),
            settings=self.settings,
            **options,
        )

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        return {
            "model": spec.name,
            "prompts": chosen.prompts_of(spec),
            "seeds": chosen.seeds,
            "steps": chosen.steps,
        }


class LocoGenPage(Sweeping):
    """LocoGen on one model: every attribute, all windows of one size."""

    source = "notebooks/02_locogen.ipynb"
    each = MINIATURES
    model: str = "mini-sd-v1-5"
    attribute: str = "all"
    m: int = Field(0, ge=0)
    stride: int = Field(1, ge=1)

    @field_validator("attribute")
    @classmethod
    def _attribute(cls, name: str) -> str:
        if name not in (*ATTRIBUTES, "bare style", "paper", "all"):
            raise ValueError(f"it must be one of {', '.join(ATTRIBUTES)}, bare style, paper, all")
        return name

    def request(self, attribute: str, **options: bool) -> Request:
        return super().request(attribute, bare_target=self.attribute == "bare style", **options)

    def sizes(self) -> dict[str, int]:
        """Attribute -> window size: m, or the paper's for this model and attribute."""
        several = {"all": ATTRIBUTES, "paper": ("style", "object", "fact")}
        spec, wanted = (
            find(self.model),
            several.get(self.attribute) or (self.attribute.removeprefix("bare "),),
        )
        sizes = {name: self.m or spec.m[name] for name in wanted}
        measuring.windows(spec.layers, max(sizes.values()))
        return sizes

    def images(self) -> int:
        layers = find(
            self.model
        ).layers  # beside the windows: clean, all layers, and all with the text that bypasses them
        return sum(
            count(self.request(name), len(measuring.windows(layers, m, self.stride)) + 3)
            for name, m in self.sizes().items()
        )

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        return super().values(chosen, spec) | {
            "stride": chosen.stride_of(spec),
            "attribute": "all" if chosen.places else "paper",
        }


class FivePage(Page):
    """It reads what the pages of the models stored, so it needs no images of its own."""

    source = "notebooks/02b_five_models.ipynb"
    after = ("02_locogen",)
    profile: Literal["smoke", "quick", "paper"] = "quick"

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        return {"profile": chosen.name}

    def asked(self, name: str) -> LocoGenPage:
        """What the page of the model `name` was asked in this profile."""
        return LocoGenPage(**LocoGenPage.values(PROFILES[self.profile], find(name)))

    def about(self) -> tuple[str, ...]:
        return here(MINIATURES)

    def settings_of(self, name: str) -> Settings:
        return self.asked(name).settings

    @property
    def settings(self) -> Settings:
        return self.settings_of((self.about() or MINIATURES)[0])


class PlantedPage(Sweeping):
    """LocoGen where the right answer is known, with the search for m."""

    source = "notebooks/07_planted_truth.ipynb"
    after = ("03_locoedit",)
    needs = ("planted-sd-v1-5",)
    model: str = "planted-sd-v1-5"
    prompts: int = Field(16, ge=0)

    @field_validator("model")
    @classmethod
    def _planted(cls, name: str) -> str:
        if not find(name).planted or "style" not in find(name).paper:
            raise ValueError(
                "only a model in which style was planted in a window has a known right answer here"
            )
        return name

    def images(self) -> int:
        layers = find(self.model).layers
        return sum(
            count(self.request(name), 3 * layers + 4) for name in find(self.model).paper
        )  # m = 1, 2, 3 and the checks


class NowherePage(Sweeping):
    """No window to find: how often does LocoGen say so?"""

    source = "notebooks/07b_no_window.ipynb"
    needs = ("planted-none", "planted-split", "planted-sd-v1-5")
    model: str = "planted-none"
    split: str = "planted-split"
    window: str = "planted-sd-v1-5"
    seeds: int = Field(4, ge=1)
    steps: int = Field(4, ge=1)
    splits: int = Field(200, ge=1)

    def images(self) -> int:
        return (
            count(self.request("style"), 60 + 60 + 33) + len(self.request("style").prompts) * 21
        )  # m = 1 to 4 twice, m = 1, 2

    def about(self) -> tuple[str, ...]:
        return (self.model, self.split, self.window)

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        return {
            "prompts": chosen.prompts if chosen.name == "smoke" else 0,
            "seeds": chosen.split_seeds,
            "steps": chosen.split_steps,
            "splits": chosen.splits,
        }


class ArtistPage(Sweeping):
    """LocoGen where each artist has a window of his own."""

    source = "notebooks/07c_by_artist.ipynb"
    needs = ("planted-prompt",)
    model: str = "planted-prompt"
    m: int = Field(2, ge=1)

    @field_validator("model")
    @classmethod
    def _by_artist(cls, name: str) -> str:
        if not find(name).by_value:
            raise ValueError(
                "only a model in which artists were planted in windows of their own is asked about them"
            )
        return name

    def images(self) -> int:
        windows = len(measuring.windows(find(self.model).layers, self.m)) + 2
        return 4 * count(
            self.request("style"), windows
        )  # three artists, and all prompts as they are
