"""What the notebook on causal tracing may be asked, and what that costs."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal

from pydantic import Field

from ...drawing.engines import Elsewhere
from ...models import Model, Spec, find
from ...prompts import choose, listed
from ...store import Store
from .. import locogen
from ..page import MINIATURES, ModelPage
from ..profiles import Profile
from . import restoring
from .states import PLACES, Where, count, of_model


class TracingPage(ModelPage):
    """Causal tracing of one model's UNet and text encoders."""

    source = "notebooks/01_causal_tracing.ipynb"
    each = MINIATURES
    model: str = "mini-sd-v1-5"
    attribute: Literal["all", "style", "object", "fact"] = "all"
    prompts: int = Field(6, ge=0)
    seeds: int = Field(1, ge=1)
    noise: float = Field(restoring.NOISE, ge=0, allow_inf_nan=False)
    where: Literal["both", "last", "all"] = "both"
    states: int = Field(0, ge=0)

    @property
    def places(self) -> tuple[Where, ...]:
        """At which of the subject's tokens text states are restored."""
        return PLACES if self.where == "both" else (self.where,)

    @property
    def sizes(self) -> list[float]:
        """Sizes of the noise that are compared."""
        return sorted({3.0, 10.0, float(self.noise)})

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

    def ahead(self, model: Model, store: Store) -> Iterator[int]:
        """Draw a shard's rows of the tracing."""
        chosen = of_model(model, most=self.states, where=self.places)
        with suppress(Elsewhere):
            restoring.trace(model, self.request(), chosen, store=store)
        yield 1

    def images_of(self, name: str) -> int:
        traced = count(find(self.model), most=self.states, where=self.places)
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
            "steps": chosen.steps_of(spec),
            "states": chosen.thinned_few if large else chosen.thinned,
            "where": "last" if chosen.name == "quick" else "both",
        }
