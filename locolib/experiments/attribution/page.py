"""What the notebook on backward passes may be asked, and what that costs."""

from dataclasses import replace
from typing import Any

from pydantic import Field

from ...drawing.sampling import Settings
from ...models import Spec, find
from ...models.planted import benchmark as models_of_benchmark
from ...prompts import choose
from ..locogen import Request, layer_sets
from ..locogen.page import Sweeping, count
from ..page import Page, here
from ..profiles import Profile
from .benchmark import Question, questions, words
from .confirming import PROPOSE

ATTRIBUTES = ("style", "object", "fact")
SETS = 18  # layer sets that the fast search draws for each confirming prompt at most, windows and other sets together


class BackwardPage(Sweeping):
    """LocoGen by backward passes, beside its sweep: where the answer is known, in a natural model, and where one layer is enough."""

    source = "notebooks/08_one_backward_pass.ipynb"
    after = ("02_locogen", "03_locoedit", "07_planted_truth", "07b_no_window")
    needs = ("planted-sd-v1-5", "mini-sd-v1-5", "planted-split")
    model: str = "planted-sd-v1-5"
    beside: str = "mini-sd-v1-5"
    split: str = "planted-split"
    m: int = Field(2, ge=1)
    prompts: int = Field(18, ge=0)
    drawn: int = Field(6, ge=1)

    def about(self) -> tuple[str, ...]:
        return tuple(find(name).name for name in (self.model, self.beside, self.split))

    def sets(self) -> int:
        """Windows of m layers of the first model."""
        return len(layer_sets.windows(find(self.model).layers, self.m))

    def few(self, attribute: str) -> Request:
        """The request about so many prompts as figures of shares are drawn from."""
        asked = self.request(attribute)
        return replace(asked, prompts=choose(asked.prompts, self.drawn))

    def images_of(self, name: str) -> int:
        """Of the fast searches and of all windows of one size; a backward pass counts as ten images."""
        if name == self.split:
            return 10 * 3 * self.drawn
        asked = [self.request(attribute) for attribute in ATTRIBUTES]
        drawn = sum(count(one, SETS) // 2 + count(one, self.sets() + 2) for one in asked)
        return drawn + 10 * len(ATTRIBUTES) * (PROPOSE + 2 * self.drawn)

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        known = super().values(chosen, spec)
        return known | {"drawn": min(6, chosen.prompts)}


# Images of a question at most, backward passes among them: a prompt and layer to all that score layers, the same to the sweep of all
# windows, and a prompt to those that propose and confirm.
EACH_LAYER, CONFIRMED = 5, 8


class BenchmarkPage(Page):
    """Planted T2I: every localiser on every planted model."""

    source = "notebooks/09_planted_benchmark.ipynb"
    after = ("08_one_backward_pass",)
    needs = ("planted-sd-v1-5",)
    attributes: str = "style"
    models: str = ""
    prompts: int = Field(4, ge=1)
    more: int = Field(18, ge=0)
    swept: bool = False
    steps: int = Field(0, ge=0)

    def questions(self) -> list[Question]:
        """What is asked: attributes and models, separated by commas; no models: all that are here."""
        names = words(self.models) or here(models_of_benchmark())
        return questions(words(self.attributes), names, self.steps)

    @property
    def settings(self) -> Settings:
        spec = find(self.needs[0])
        return Settings(steps=self.steps or spec.steps, guidance=spec.guidance)

    def images_of(self, name: str) -> int:
        """Of all questions, on the first model's account."""
        asked = self.questions()
        layers = sum(find(one.model).layers for one in asked)
        drawn = EACH_LAYER * layers * (self.prompts + self.swept * self.more)
        return drawn + CONFIRMED * self.more * len(asked)

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        names, small = here(models_of_benchmark()), chosen.name == "smoke"
        whole = chosen.steps >= 50  # places too, which need the model's own number of steps
        return {
            "attributes": "style, object, place" if whole else "style",
            "models": ", ".join(names[:2]) if small else "",
            "prompts": 6 if whole else 2,
            "more": 0 if small else 18,
            "swept": whole,
            "steps": 0 if whole else chosen.steps_of(spec),
        }
