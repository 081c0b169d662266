"""What the notebooks on LocoGen may be asked, and what that costs."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field, field_validator

from ...drawing.sampling import Settings
from ...models import Model, Spec, find
from ...prompts import ATTRIBUTES, Prompt, choose, listed
from ...store import Store
from ..page import MINIATURES, ModelPage, Page, here
from ..profiles import PROFILES, Profile
from . import layer_sets, measuring
from .comparing import Answer, locate
from .measuring import Request
from .proposed import DRAWN, SIZES
from .searching import ahead


def request(chosen: Profile, spec: Spec, prompts: Sequence[Prompt]) -> Request:
    """What a profile asks of a model: the same images as the notebooks of that profile."""
    return Request(
        prompts=choose(prompts, chosen.prompts_of(spec)),
        seeds=measuring.seeds(chosen.seeds),
        settings=Settings(steps=chosen.steps_of(spec) or spec.steps, guidance=spec.guidance),
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
            "steps": chosen.steps_of(spec),
        }


class LocoGenPage(Sweeping):
    """LocoGen on one model: every attribute, all windows of one size."""

    source = "notebooks/02_locogen.ipynb"
    each = MINIATURES
    model: str = "mini-sd-v1-5"
    attribute: str = "all"
    m: int | str = 0
    method: Literal["sweep", "fast"] = "sweep"

    @field_validator("m")
    @classmethod
    def _m(cls, sizes: int | str) -> int | str:
        parts = [sizes] if isinstance(sizes, int) else sizes.split(",")
        if not all(str(part).strip().isdigit() for part in parts):
            raise ValueError('it must be a number of layers, 0 or a list such as "2, 3, 5"')
        return sizes

    @field_validator("attribute")
    @classmethod
    def _attribute(cls, name: str) -> str:
        if name not in (*ATTRIBUTES, "bare style", "paper", "all"):
            raise ValueError(f"it must be one of {', '.join(ATTRIBUTES)}, bare style, paper, all")
        return name

    def request(self, attribute: str, **options: bool) -> Request:
        return super().request(attribute, bare_target=self.attribute == "bare style", **options)

    def names(self) -> tuple[str, ...]:
        """The attributes that are asked about."""
        several = {"all": ATTRIBUTES, "paper": ("style", "object", "fact")}
        return several.get(self.attribute) or (self.attribute.removeprefix("bare "),)

    def sizes(self) -> dict[str, int]:
        """Attribute -> the one window size that is asked for, or else the paper's for this model and attribute."""
        spec = find(self.model)
        sizes = {name: self._one() or spec.m[name] for name in self.names()}
        layer_sets.windows(spec.layers, max(sizes.values()))
        return sizes

    def _one(self) -> int:
        return self.m if isinstance(self.m, int) else 0

    def searched(self) -> tuple[int, ...]:
        """The window sizes that are searched, in order: 1, 2, ... to a quarter of the layers, unless `m` says which."""
        layers = find(self.model).layers
        if self.m == 0:
            return tuple(range(1, max(1, layers // 4) + 1))
        sizes = sorted({int(part) for part in str(self.m).split(",")})
        for size in (sizes[0], sizes[-1]):
            layer_sets.windows(layers, size)
        return tuple(sizes)

    def known(self, attribute: str) -> tuple[int, int] | None:
        """The paper's (start, m) for this model and attribute, or the planted one."""
        return find(self.model).paper.get(attribute)

    def locate(self, model: Model, attribute: str, store: Store) -> Answer:
        """Algorithm 1 as this page runs it: the smallest m of those searched, and the known window beside it."""
        return locate(
            model,
            self.request(attribute),
            self.known(attribute),
            store=store,
            sizes=self.searched(),
            fast=self.method == "fast",
        )

    def ahead(self, model: Model, store: Store) -> Iterator[int]:
        """Draw a shard's rows of all sweeps, attribute by attribute: more than the search will need if it ends early."""
        for attribute in self.names():
            fast, known = self.method == "fast", self.known(attribute)
            asked, sizes = self.request(attribute), self.searched()
            yield ahead(model, asked, sizes, store=store, fast=fast, known=known)

    def growing(self, attribute: str) -> int:
        """The layer from which windows grow (Figs. 55 and 56: style, where there are few layers); -1 where none do."""
        spec = find(self.model)
        return (
            spec.paper["style"][0]
            if attribute == "style" in spec.paper and spec.layers <= 16
            else -1
        )

    def images_of(self, name: str) -> int:
        layers = find(self.model).layers
        total = 0
        for attribute in self.names():
            known = self.known(attribute)
            sizes = {*self.searched(), *([known[1]] if known else [])}
            if self.method == "fast":  # a prompt's backward passes count as ten images
                sets = 10 + (DRAWN + 1) * min(SIZES + 1, len(sizes))
            else:
                sets = sum(len(layer_sets.windows(layers, m)) for m in sizes)
            start = self.growing(attribute)
            grown = layers - start - max(sizes) if start >= 0 else 0
            # beside the windows: clean, all layers, all with the text that bypasses them, and the known window
            total += count(self.request(attribute), sets + 4 + max(grown, 0))
        return total

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        return super().values(chosen, spec) | {
            "m": chosen.sizes_of(spec),
            "method": chosen.method_of(spec),
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
    prompts: int = Field(12, ge=0)

    @field_validator("model")
    @classmethod
    def _planted(cls, name: str) -> str:
        if not find(name).planted or "style" not in find(name).paper:
            raise ValueError(
                "only a model in which style was planted in a window has a known right answer here"
            )
        return name

    def images_of(self, name: str) -> int:
        spec = find(self.model)
        sizes = range(1, max(3, spec.layers // 4) + 1)  # searched; m = 1, 2, 3 are drawn
        windows = sum(len(layer_sets.windows(spec.layers, m)) for m in sizes)
        grown = max(spec.layers - spec.paper["style"][0] - len(sizes), 0)
        # beside the windows: clean, all layers, and of the planting all but the window and parts with a gap
        return sum(
            count(self.request(each), windows + 4 + (grown if each == "style" else 0))
            for each in spec.paper
        )

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        # Places need the model's own number of steps: with fewer they are hardly drawn.
        return super().values(chosen, spec) | {
            "prompts": min(chosen.prompts, 12),
            "steps": chosen.steps,
        }


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

    def images_of(self, name: str) -> int:
        asked, window = self.request("style"), name == self.window
        once = 21 * len(asked.prompts) if name == self.split else 0  # layers spared one by one
        return count(asked, 33 if window else 60) + once  # m = 1 to 4, of the window m = 1, 2

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

    def images_of(self, name: str) -> int:
        windows = len(layer_sets.windows(find(self.model).layers, self.m)) + 2
        return 4 * count(
            self.request("style"), windows
        )  # three artists, and all prompts as they are
