"""What the notebook on neurons may be asked, and what that costs."""

from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from ... import UserError
from ...models import Model, Spec, find
from ...prompts import FOLDER, Styled, choose, read_styled
from ...store import Store
from .. import locogen
from ..locogen.page import FivePage
from ..page import ModelPage
from ..profiles import Profile
from . import dropping, ranking

FOUND = "found"  # of layers: those that LocoGen finds


class NeuronPage(ModelPage):
    """Neurons dropped in the layers that control style, in one model in full, and in others with fewer numbers of them."""

    source = "notebooks/04_neuron_editing.ipynb"
    after: ClassVar[tuple[str, ...]] = ("02_locogen",)
    needs: ClassVar[tuple[str, ...]] = ("mini-sd-v1-5", "mini-sd-v2-1", "planted-sd-v1-5")
    model: str = "mini-sd-v1-5"
    others: str = "mini-sd-v2-1, planted-sd-v1-5"
    artist: str = "all"
    layers: str = "auto"
    profile: Literal["smoke", "quick", "paper"] = "quick"
    prompts: int = Field(6, ge=0)
    seeds: int = Field(1, ge=1)

    @field_validator("others")
    @classmethod
    def _known_others(cls, names: str) -> str:
        return ", ".join(find(name.strip()).name for name in names.split(",") if name.strip())

    def beside(self) -> tuple[str, ...]:
        """The other models."""
        return tuple(name for name in self.others.split(", ") if name and name != self.model)

    def about(self) -> tuple[str, ...]:
        return (self.model, *self.beside())

    def of(self, name: str) -> "NeuronPage":
        """The same about one model alone; layers that were named are those of this page's own."""
        layers = self.layers if name == self.model else "auto"
        return self.model_copy(update={"model": name, "others": "", "layers": layers})

    def settings_of(self, name: str) -> Any:
        return self.of(name).settings

    def where(self, model: Model, store: Store) -> tuple[locogen.Window, str, bool]:
        """The layers whose neurons are dropped, where they come from, in words, and whether they are known to control style.

        Those named, or if they are to be "found" LocoGen's; else of a planted model those planted; of a published one the paper's; of a miniature those that LocoGen finds
        there, as the page of that model does in `profile`.
        """
        if named := self._named():
            return named, "named on this page", True
        if self.layers != FOUND and (model.spec.planted or not model.spec.bundled):
            start, m = model.spec.paper["style"]
            whose = "where it was planted" if model.spec.planted else "the paper's"
            return tuple(range(start, start + m)), whose, True
        asked = FivePage(profile=self.profile).asked(model.name)
        done = asked.locate(model, "style", store).done
        return done.found, f"LocoGen's window, {done.verdict.verdict}", done.localised

    def _named(self) -> locogen.Window:
        """The layers that the page names; none where they are left to the model."""
        spec = find(self.model)
        if self.layers == FOUND:
            return ()
        if self.layers != "auto":
            try:
                return locogen.labelled(self.layers)
            except ValueError:
                raise UserError(
                    f'Layers are named as "8-9", "3" or "0,4-5", or left "auto" or "found", not {self.layers!r}.'
                ) from None
        if "style" not in spec.paper and (spec.planted or not spec.bundled):
            raise UserError(
                f'No window of {spec.title} is known for style; let LocoGen find one, and name its layers, such as "8-9".'
            )
        return ()

    def _listed(self) -> tuple[Styled, ...]:
        return read_styled(
            FOLDER / f"neuron_{'world' if find(self.model).bundled else 'paper'}.csv"
        )

    def requests(self, layers: locogen.Window) -> dict[str, ranking.Request]:
        """What is asked about each artist whose prompts there are, of these layers."""
        listed = self._listed()
        of = {
            name: tuple(p for p in listed if p.artist == name)
            for name in dict.fromkeys(p.artist for p in listed)
        }
        return {
            name: ranking.Request(
                artist=name,
                prompts=listed,
                tests=choose(own, self.prompts),
                layers=layers,
                seeds=locogen.seeds(self.seeds),
                settings=self.settings,
            )
            for name, own in of.items()
        }

    def shown(self) -> list[str]:
        """The artists of whom images are made."""
        known = list(dict.fromkeys(p.artist for p in self._listed()))
        if self.artist not in ("all", *known):
            raise UserError(
                f"There are no prompts of {self.artist!r}; choose all, or one of {', '.join(known)}."
            )
        return known if self.artist == "all" else [self.artist]

    def _tests(self) -> int:
        """Images of one condition."""
        self._named()
        asked = self.requests((0,))
        return sum(len(asked[name].tests) for name in self.shown()) * self.seeds

    def images_of(self, name: str) -> int:
        """Those of the sweeps that find windows are not among them: the models' own pages make them before."""
        most, controls = len(ranking.NEURONS) - 1 + len(dropping.DOSES), 2 * len(dropping.DOSES) - 2
        whole = 2 + most + controls + 3 * (len(dropping.READINGS) - 1) + 1  # clean, altered
        few = 2 + len(dropping.FEW) + 3 + 2
        return (whole if name == self.model else few) * self.of(name)._tests()

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        return {
            "profile": chosen.name,
            "prompts": min(chosen.few, 6),
            "seeds": chosen.seeds,
            "steps": chosen.steps_of(spec),
        }

    @classmethod
    def alone(cls, chosen: Profile, spec: Spec) -> dict[str, Any] | None:
        layers = "auto" if "style" in spec.paper else FOUND
        return cls.values(chosen, spec) | {"model": spec.name, "others": "", "layers": layers}
