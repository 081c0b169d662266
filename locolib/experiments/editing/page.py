"""What the notebooks on editing may be asked, and what that costs."""

from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from ... import prompts
from ...drawing.text import TOKENS
from ...models import Model, Spec, find
from ...prompts import choose, generic_halves, generic_of, read
from ...store import Store
from .. import locogen
from ..locogen.page import FivePage, Sweeping, count
from ..page import Page
from ..profiles import Profile
from . import trials


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
            if len(prompts.about(read(attribute), value)) < 2:
                raise ValueError(
                    f"there is only one prompt about {value!r}: none would be left to judge the edit by"
                )
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
        """Generic prompts of which no edit was told, three for each picture."""
        return choose(
            generic_halves(list(self.values_of().values()), generic_of(find(self.model).bundled))[
                1
            ],
            3 * self.pictures,
        )

    def values_known(self, attribute: str) -> list[str]:
        return list(dict.fromkeys(prompt.value for prompt in read(attribute)))

    def images(self) -> int:
        layers, three = find(self.model).layers, len(self.values_of())
        sweeps = sum(count(self.request(name), layers + 1) for name in self.values_of())
        edits = (
            self.pictures * three * (7 + 7 + layers + 8) + self.pictures * 10
        )  # tokens, controls, windows, methods; lambdas
        others = sum(
            self.per_value * known * (8 * known + 3)
            for known in (len(self.values_known(name)) for name in self.values_of())
        )
        return (
            sweeps
            + edits
            + others
            + 3 * 8 * len(self.generic())
            + 8 * 6 * 9
            + 2 * count(self.request("style"), layers + 1)
        )

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        return {"prompts": chosen.prompts, "pictures": chosen.pictures, "steps": chosen.steps}


class FiveEditPage(_Edits, FivePage):
    """LocoEdit in every miniature, at the layers that the sweep on its own page names."""

    source = "notebooks/03b_five_models.ipynb"
    after = ("02_locogen",)
    per: ClassVar[int] = 3
    pictures: int = Field(8, ge=1)

    def images(self) -> int:
        known = sum(len({prompt.value for prompt in read(name)}) for name in self.values_of())
        return len(self.about()) * (
            len(self.values_of()) * self.pictures * (len(TOKENS) + 3 + 7)
            + known * self.per_value * 5
        )

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        return super().values(chosen, spec) | {"pictures": chosen.pictures_five}
