"""What the notebooks beside LocoGen's may be asked: causal tracing, editing, neurons, DeepFloyd's limits, people."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from . import UserError, editing, locogen, neurons, outcomes, ratings, tracing
from .asked import MINIATURES, FivePage, ModelPage, Page, Sweeping
from .models import Model, Spec, find
from .profiles import Profile, choose, count, in_turn
from .prompts import FOLDER, generic_halves, generic_of, read, read_styled
from .runs import Store
from .sampling import Settings
from .text import TOKENS


class TracingPage(ModelPage):
    source = "notebooks/01_causal_tracing.ipynb"
    each = MINIATURES
    model: str = "mini-sd-v1-5"
    attribute: Literal["all", "style", "object", "fact"] = "all"
    prompts: int = Field(3, ge=0)
    seeds: int = Field(1, ge=1)
    noise: float = Field(tracing.NOISE, ge=0)
    where: Literal["both", "last", "all"] = "both"
    stride: int = Field(1, ge=1)

    @property
    def places(self) -> tuple[str, ...]:
        """At which of the subject's tokens text states are restored."""
        return tracing.PLACES if self.where == "both" else (self.where,)

    @property
    def sizes(self) -> list[float]:
        """Sizes of the noise that are compared."""
        return sorted({1.0, 3.0, 10.0, float(self.noise)})

    def request(self) -> tracing.Request:
        wanted = ("style", "object", "fact") if self.attribute == "all" else (self.attribute,)
        chosen = tuple(prompt for name in wanted for prompt in in_turn(read(name), self.prompts))
        return tracing.Request(prompts=chosen, seeds=locogen.seeds(self.seeds), settings=self.settings, size=float(self.noise))

    def images(self) -> int:
        states = tracing.count(find(self.model), stride=self.stride, where=self.places)
        return len(self.request().prompts) * self.seeds * (len(tracing.PLAIN) + states + len(self.sizes) - 1)

    @classmethod
    def values(cls, chosen: Profile, spec: Spec | None = None) -> dict[str, Any]:
        large = spec.layers > 16
        return {"model": spec.name, "prompts": chosen.traced_few if large else chosen.traced, "seeds": chosen.seeds, "steps": chosen.steps,
                "stride": chosen.thinned if large or chosen.name == "smoke" else 1}


class _Edits(Page):
    """What a page on LocoEdit edits."""

    per: ClassVar[int] = 8  # held-out pictures for one of each other value
    style: str = "van gogh"
    object: str = "snoopy"
    fact: str = "british monarch"
    tokens: str = "auto"
    pictures: int = Field(16, ge=1)

    @field_validator("tokens")
    @classmethod
    def _tokens(cls, name: str) -> str:
        if name not in (*TOKENS, "auto"):
            raise ValueError(f"it must be one of auto, {', '.join(TOKENS)}")
        return name

    @model_validator(mode="after")
    def _known_values(self) -> "_Edits":
        for attribute, value in self.values_of().items():
            if len(outcomes.about(read(attribute), value)) < 2:
                raise ValueError(f"there is only one prompt about {value!r}: none would be left to judge the edit by")
        return self

    @property
    def per_value(self) -> int:
        """Images of each value that is asked for when another is edited."""
        return max(1, self.pictures // self.per)

    def values_of(self) -> dict[str, str]:
        """Attribute -> the value that is edited."""
        return {"style": self.style, "object": self.object, "fact": self.fact}


class EditPage(_Edits, Sweeping):
    """LocoEdit, at the layers that LocoGen's sweep names."""

    source = "notebooks/03_locoedit.ipynb"
    needs = ("planted-sd-v1-5",)
    model: str = "planted-sd-v1-5"
    prompts: int = Field(16, ge=0)

    def trial(self, model: Model, done: locogen.Sweep, store: Store) -> outcomes.Trial:
        return editing.trial(model, done.attribute, self.values_of()[done.attribute], done, self.settings, self.pictures, store=store)

    def generic(self) -> tuple[str, ...]:
        """Generic prompts of which no edit was told, three for each picture."""
        return choose(generic_halves(list(self.values_of().values()), generic_of(find(self.model).bundled))[1], 3 * self.pictures)

    def values_known(self, attribute: str) -> list[str]:
        return list(dict.fromkeys(prompt.value for prompt in read(attribute)))

    def images(self) -> int:
        layers, three = find(self.model).layers, len(self.values_of())
        sweeps = sum(count(self.request(name), layers + 1) for name in self.values_of())
        edits = self.pictures * three * (7 + 7 + layers + 8) + self.pictures * 10  # tokens, controls, windows, methods; lambdas
        others = sum(self.per_value * known * (8 * known + 3) for known in (len(self.values_known(name)) for name in self.values_of()))
        return sweeps + edits + others + 3 * 8 * len(self.generic()) + 8 * 6 * 9 + 2 * count(self.request("style"), layers + 1)

    @classmethod
    def values(cls, chosen: Profile, spec: Spec | None = None) -> dict[str, Any]:
        return {"prompts": chosen.prompts, "pictures": chosen.pictures, "steps": chosen.steps}


class FiveEditPage(_Edits, FivePage):
    """LocoEdit in every miniature, at the layers that the sweep on its own page names."""

    source = "notebooks/03b_five_models.ipynb"
    after = ("02_locogen",)
    per: ClassVar[int] = 3
    pictures: int = Field(8, ge=1)

    def images(self) -> int:
        known = sum(len({prompt.value for prompt in read(name)}) for name in self.values_of())
        return len(self.about()) * (len(self.values_of()) * self.pictures * (len(TOKENS) + 3 + 7) + known * self.per_value * 5)

    @classmethod
    def values(cls, chosen: Profile, spec: Spec | None = None) -> dict[str, Any]:
        return super().values(chosen, spec) | {"pictures": chosen.pictures_five}


class NeuronPage(ModelPage):
    """Neurons dropped in the layers that control style."""

    source = "notebooks/04_neuron_editing.ipynb"
    needs = ("planted-sd-v1-5",)
    model: str = "planted-sd-v1-5"
    artist: str = "all"
    layers: str = "auto"
    at: Literal["subject", "end"] = "subject"
    to: Literal["zero", "neutral"] = "zero"
    prompts: int = Field(6, ge=0)
    seeds: int = Field(1, ge=1)

    def where(self) -> tuple[int, ...]:
        """The layers whose neurons are dropped: those named, or the known window of style."""
        spec = find(self.model)
        if self.layers != "auto":
            try:
                return locogen.labelled(self.layers)
            except ValueError:
                raise UserError(f"Layers are named as \"8-9\", \"3\" or \"0,4-5\", or left \"auto\", not {self.layers!r}.") from None
        if "style" not in spec.paper:
            raise UserError(f"No window of {spec.title} is known for style; let LocoGen find one, and name its layers, such as \"8-9\".")
        return tuple(range(spec.paper["style"][0], sum(spec.paper["style"])))

    def requests(self) -> dict[str, neurons.Request]:
        """What is asked about each artist whose prompts there are."""
        listed = read_styled(FOLDER / f"neuron_{'world' if find(self.model).bundled else 'paper'}.csv")
        of = {name: tuple(p for p in listed if p.artist == name) for name in dict.fromkeys(p.artist for p in listed)}
        return {name: neurons.Request(artist=name, prompts=listed, tests=choose(own, self.prompts), layers=self.where(), at=self.at, to=self.to,
                                      seeds=locogen.seeds(self.seeds), settings=self.settings) for name, own in of.items()}

    def shown(self) -> list[str]:
        """The artists of whom images are made."""
        known = list(self.requests())
        if self.artist not in ("all", *known):
            raise UserError(f"There are no prompts of {self.artist!r}; choose all, or one of {', '.join(known)}.")
        return known if self.artist == "all" else [self.artist]

    def images(self) -> int:
        sets = 1 + len(neurons.NEURONS) + 3 * len(neurons.DOSES) - 2 + 3 * (len(neurons.READINGS) - 1)  # clean and altered among them
        return sum(len(self.requests()[name].tests) for name in self.shown()) * self.seeds * sets

    @classmethod
    def values(cls, chosen: Profile, spec: Spec | None = None) -> dict[str, Any]:
        return {"prompts": chosen.few, "seeds": chosen.seeds, "steps": chosen.steps}


class LimitsPage(Page):
    """LocoEdit and reading direction: a bidirectional text encoder beside a causal one."""

    source = "notebooks/05_deepfloyd_limits.ipynb"
    after = ("02_locogen",)
    needs = ("mini-deepfloyd", "mini-sd-v1-5")
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
        return Sweeping(model=name, prompts=prompts, seeds=self.seeds, steps=self.steps)

    @property
    def settings(self) -> Settings:
        return self.of(self.model).settings

    def trial(self, model: Model, done: locogen.Sweep, store: Store) -> outcomes.Trial:
        return editing.trial(model, "style", self.artist, done, self.of(model.name).settings, self.pictures, store=store)

    def images(self) -> int:
        outcomes.about(read("style"), self.artist)
        sweeps = sum(count(self.of(name).request("style"), find(name).layers + 1 + 8) for name in self.about())
        return sweeps + 2 * self.pictures * 8

    @classmethod
    def values(cls, chosen: Profile, spec: Spec | None = None) -> dict[str, Any]:
        return {"prompts": chosen.few, "beside_prompts": chosen.prompts, "pictures": chosen.pictures_few, "steps": chosen.steps}


class SwitchPage(LimitsPage):
    """Both readings of each step, on a planted and on a natural model."""

    source = "book/switchboard.ipynb"
    after = ("02_locogen", "03_locoedit", "04_neuron_editing")
    needs = ("planted-sd-v1-5", "mini-sd-v1-5")
    model: str = "planted-sd-v1-5"
    beside: str = "mini-sd-v1-5"
    prompts: int = Field(16, ge=0)

    def images(self) -> int:
        outcomes.about(read("style"), self.artist)
        return sum(count(self.of(name).request("style"), 4 * find(name).layers) for name in self.about()) + 2 * self.pictures * 12 + 2 * 8 * 9

    @classmethod
    def values(cls, chosen: Profile, spec: Spec | None = None) -> dict[str, Any]:
        return super().values(chosen, spec) | {"prompts": chosen.prompts}


class HumanPage(Page):
    """The human study; `windows` "found" reads what the pages of the models stored in `profile`."""

    source = "notebooks/06_human_study.ipynb"
    after = ("02_locogen",)
    needs = ratings.FOUR
    raters: str = "data/ratings"
    which: str = "all"
    windows: Literal["paper", "found"] = "found"
    profile: Literal["smoke", "quick", "paper"] = "quick"
    seeds: int = Field(3, ge=1)
    placebos: int = Field(3, ge=0)
    steps: int = Field(0, ge=0)
    guidance: float = Field(0.0, ge=0)

    def about(self) -> tuple[str, ...]:
        return self.needs if self.which == "all" else tuple(find(name.strip()).name for name in self.which.split(","))

    def of(self, name: str) -> ModelPage:
        """What is asked of one of its models."""
        return ModelPage(model=name, steps=self.steps, guidance=self.guidance)

    @property
    def folder(self) -> Path:
        """Where the raters' files are: wherever a kernel starts, a relative name is one of the project's."""
        return FOLDER.parents[1] / self.raters

    def sweeps(self, here: Iterable[Model], store: Store) -> dict[tuple[str, str], locogen.Sweep]:
        """(model, attribute) -> the sweep that finds its window; empty where `windows` are the paper's."""
        if self.windows == "paper":
            return {}
        asked = [(model, FivePage(profile=self.profile).asked(model.name)) for model in here]
        return {(model.name, name): locogen.sweep(model, given.request(name), given.sizes()[name], store=store, stride=given.stride)
                for model, given in asked for name in ratings.ATTRIBUTES}

    def plan(self, sweeps: Mapping[tuple[str, str], locogen.Sweep]) -> tuple[ratings.Pair, ...]:
        """The pairs, at the best windows of `sweeps`, or at the paper's where there are none."""
        windows = {place: (done.verdict.start, done.m) for place, done in sweeps.items()} or None
        return ratings.plan(self.about(), windows=windows, seeds=self.seeds, placebos=self.placebos)

    def only(self, name: str) -> "HumanPage":
        """The same for one model."""
        return self.model_copy(update={"which": name})

    @property
    def settings(self) -> Settings:
        return self.of(self.about()[0]).settings

    def images(self) -> int:
        return 2 * len(self.about()) * (self.seeds * len(ratings.read()) + self.placebos)

    def reads(self) -> list[Path]:
        return sorted(self.folder.glob("*.csv"))

    @classmethod
    def values(cls, chosen: Profile, spec: Spec | None = None) -> dict[str, Any]:
        return {"windows": "found", "profile": chosen.name, "steps": chosen.steps} | ({"seeds": 1} if chosen.name == "smoke" else {})
