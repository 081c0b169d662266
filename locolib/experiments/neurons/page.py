"""What the notebook on neurons may be asked, and what that costs."""

from typing import Any, Literal

from pydantic import Field

from ... import UserError
from ...models import Spec, find
from ...prompts import FOLDER, choose, read_styled
from .. import locogen
from ..page import ModelPage
from ..profiles import Profile
from . import dropping, ranking


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
                raise UserError(
                    f'Layers are named as "8-9", "3" or "0,4-5", or left "auto", not {self.layers!r}.'
                ) from None
        if "style" not in spec.paper:
            raise UserError(
                f'No window of {spec.title} is known for style; let LocoGen find one, and name its layers, such as "8-9".'
            )
        return tuple(range(spec.paper["style"][0], sum(spec.paper["style"])))

    def requests(self) -> dict[str, ranking.Request]:
        """What is asked about each artist whose prompts there are."""
        listed = read_styled(
            FOLDER / f"neuron_{'world' if find(self.model).bundled else 'paper'}.csv"
        )
        of = {
            name: tuple(p for p in listed if p.artist == name)
            for name in dict.fromkeys(p.artist for p in listed)
        }
        return {
            name: ranking.Request(
                artist=name,
                prompts=listed,
                tests=choose(own, self.prompts),
                layers=self.where(),
                at=self.at,
                to=self.to,
                seeds=locogen.seeds(self.seeds),
                settings=self.settings,
            )
            for name, own in of.items()
        }

    def shown(self) -> list[str]:
        """The artists of whom images are made."""
        known = list(self.requests())
        if self.artist not in ("all", *known):
            raise UserError(
                f"There are no prompts of {self.artist!r}; choose all, or one of {', '.join(known)}."
            )
        return known if self.artist == "all" else [self.artist]

    def images(self) -> int:
        sets = (
            1
            + len(ranking.NEURONS)
            + 3 * len(dropping.DOSES)
            - 2
            + 3 * (len(dropping.READINGS) - 1)
        )  # clean and altered among them
        return sum(len(self.requests()[name].tests) for name in self.shown()) * self.seeds * sets

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        return {"prompts": chosen.few, "seeds": chosen.seeds, "steps": chosen.steps}
