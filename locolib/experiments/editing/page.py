"""What the notebooks on editing may be asked, and what that costs."""

from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from ... import prompts
from ...drawing.text import TOKENS
from ...models import Model, Spec, find
from ...prompts import choose, generic_halves, generic_of, listed
from ...store import Store
from .. import locogen
from ..locogen.page import FivePage, Sweeping, count
from ..page import Page
from ..profiles import Profile
from . import fine_tuning, specificity, trials

ATTRIBUTES = ("style", "object", "fact")


class _Edits(Page):
    """What a page on LocoEdit edits."""

    per: ClassVar[int] = 8  # held-out pictures for one of each other value
    most: ClassVar[int] = specificity.MOST
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
            known = listed(attribute, printed=self._printed(), edited=True)
            if len(prompts.about(known, value)) < 2:
                raise ValueError(
                    f"there is only one prompt about {value!r}: none would be left to judge the edit by"
                )
        return self

    def _printed(self) -> bool:
        """Whether the model is asked the paper's prompts alone."""
        return not all(find(name).bundled for name in self.about())

    @property
    def per_value(self) -> int:
        """Images of each value that is asked for when another is edited."""
        return max(1, self.pictures // self.per)

    def values_of(self) -> dict[str, str]:
        """Attribute -> the value that is edited."""
        return {"style": self.style, "object": self.object, "fact": self.fact}

    def whos(self) -> dict[str, str]:
        """Attribute -> of whom the page's claims are: of this value, not of all."""
        return {
            attribute: f"{attribute} ({value})" for attribute, value in self.values_of().items()
        }

    def asked_values(self) -> int:
        """Values, of all attributes together, that are asked for when one is edited."""
        return sum(min(self.most, len(specificity.values_of(name))) for name in ATTRIBUTES)


class EditPage(_Edits, Sweeping):
    """LocoEdit in one model, at the layers that LocoGen's search names: where we know the answer, and in a natural model."""

    source = "notebooks/03_locoedit.ipynb"
    each = ("planted-sd-v1-5", "mini-sd-v1-5")
    after = ("02_locogen",)
    model: str = "planted-sd-v1-5"
    prompts: int = Field(16, ge=0)

    def search(self, model: Model, attribute: str, store: Store) -> locogen.Sweep:
        """LocoGen's answer: the smallest size that is confirmed, or the largest searched; of many layers the paper's size alone."""
        return locogen.search(
            model, self.request(attribute), store=store, sizes=self.sizes(attribute)
        )[-1]

    def sizes(self, attribute: str) -> tuple[int, ...]:
        """Window sizes that are searched."""
        spec = find(self.model)
        few = spec.layers <= 16
        return tuple(range(1, spec.layers // 4 + 1)) if few else (spec.m[attribute],)

    def trial(self, model: Model, done: locogen.Sweep, store: Store) -> trials.Trial:
        return trials.trial_at(
            model,
            done.attribute,
            self.values_of()[done.attribute],
            done,
            self.settings,
            self.pictures,
            store=store,
        )

    def generic(self) -> tuple[str, ...]:
        """Generic prompts of which no edit was told, two for each picture."""
        without = generic_halves(
            list(self.values_of().values()), generic_of(find(self.model).bundled)
        )
        return choose(without[1], 2 * self.pictures)

    def training(self) -> int | None:
        """Steps that the fine-tuned methods are trained at most: until their loss is flat, unless next to nothing is drawn."""
        return None if self.pictures > 4 else 10

    def images_of(self, name: str) -> int:
        layers, three = find(self.model).layers, len(ATTRIBUTES)
        sweeps = sum(
            count(self.request(each), len(self.sizes(each)) * layers) for each in ATTRIBUTES
        )  # of which the models' own pages have most
        edits = self.pictures * three * (3 + 8 + 8 + 4 + 5 + layers) + self.pictures * 4
        others = self.per_value * (self.asked_values() * 9 + 3 * self.most**2)
        many, again = 6 * self.most * 5, 12 * (layers + 1)
        generic = 2 * 9 * len(self.generic())
        return sweeps + edits + others + generic + many + again + self._training_pictures()

    def _training_pictures(self) -> int:
        """Pictures on which fine-tuned methods are trained: two methods and two attributes, of models that are not planted."""
        spec = find(self.model)
        each = fine_tuning.Training.pictures if spec.bundled else fine_tuning.PICTURES
        return 0 if spec.planted else 2 * 2 * each

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        return {
            "model": spec.name,
            "prompts": chosen.prompts_of(spec),
            "pictures": chosen.pictures,
            "steps": chosen.steps_of(spec),
        }


class FiveEditPage(_Edits, FivePage):
    """LocoEdit in every miniature, at the layers that the search on its own page names."""

    source = "notebooks/03b_five_models.ipynb"
    after = ("02_locogen",)
    per: ClassVar[int] = 3
    most: ClassVar[int] = 4
    pictures: int = Field(8, ge=1)

    def search(self, model: Model, attribute: str, store: Store) -> locogen.Sweep:
        """LocoGen's answer for one model, as on its own page."""
        return self.asked(model.name).locate(model, attribute, store).done

    def whole(self, name: str) -> bool:
        """Whether all edits are tried in a model: the paper makes none where it names no window, so there its own edit must do."""
        return bool(find(name).paper)

    def images_of(self, name: str) -> int:
        if not self.whole(name):
            return len(ATTRIBUTES) * self.pictures * 8
        tokens = len(ATTRIBUTES) * max(2, self.pictures // 2) * (len(TOKENS) + 3)
        return (
            len(ATTRIBUTES) * self.pictures * 10 + tokens + self.asked_values() * self.per_value * 5
        )

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        return super().values(chosen, spec) | {"pictures": chosen.pictures_five}
