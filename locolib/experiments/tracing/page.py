"""What the notebook on causal tracing may be asked, and what that costs."""

from typing import Any, Literal

from pydantic import Field

from ...models import Spec, find
from ...prompts import choose, listed
from .. import locogen
from ..page import MINIATURES, ModelPage
from ..profiles import Profile
from . import restoring, states


class TracingPage(ModelPage):
    """Causal tracing of one model's UNet and text encoders."""

    source = "notebooks/01_causal_tracing.ipynb"
    each = MINIATURES
    model: str = "mini-sd-v1-5"
    attribute: Literal["all", "style", "object", "fact"] = "all"
    prompts: int = Field(3, ge=0)
    seeds: int = Field(1, ge=1)
    noise: float = Field(restoring.NOISE, ge=0)
    where: Literal["both", "last", "all"] = "both"
    stride: int = Field(1, ge=1)

    @property
    def places(self) -> tuple[states.Where, ...]:
        """At which of the subject's tokens text states are restored."""
        return states.PLACES if self.where == "both" else (self.where,)

    @property
    def sizes(self) -> list[float]:
        """Sizes of the noise that are compared."""
        return sorted({1.0, 3.0, 10.0, float(self.noise)})

    def request(self) -> restoring.Request:
        printed = not find(self.model).bundled
        wanted = ("style", "object", "fact") if self.attribute == "all" else (self.attribute,)
        chosen = tuple(
            prompt
            for name in wanted
            for prompt in choose(listed(name, printed=printed), self.prompts)
        )
        return restoring.Request(
            prompts=chosen,
            seeds=locogen.seeds(self.seeds),
            settings=self.settings,
            size=float(self.noise),
        )

    def images(self) -> int:
        traced = states.count(find(self.model), stride=self.stride, where=self.places)
        return (
            len(self.request().prompts)
            * self.seeds
            * (len(restoring.PLAIN) + traced + len(self.sizes) - 1)
        )

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        large = spec.layers > 16
        return {
            "model": spec.name,
            "prompts": chosen.traced_few if large else chosen.traced,
            "seeds": chosen.seeds,
            "steps": chosen.steps,
            "stride": chosen.thinned if large or chosen.name == "smoke" else 1,
        }
