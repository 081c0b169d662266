"""What every notebook may be asked: the base of the rooms' own pages (`page` in each), whose `parameters` cells they check."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..drawing.sampling import Settings
from ..models import MODELS, Spec, find, is_here
from ..models.chosen import source_of
from .profiles import Profile

BUNDLED = tuple(spec.name for spec in MODELS.values() if spec.bundled)
MINIATURES = tuple(name for name in BUNDLED if not find(name).planted)


def here(names: Iterable[str]) -> tuple[str, ...]:
    """Those of the models that can be loaded without the network."""
    return tuple(name for name in names if is_here(find(name)))


def bundled() -> tuple[str, ...]:
    """The bundled models that are here."""
    return here(BUNDLED)


def absent() -> tuple[str, ...]:
    """The bundled models that are not here."""
    found = bundled()
    return tuple(name for name in BUNDLED if name not in found)


class Page(BaseModel):
    """What every notebook's `parameters` cell may say; each notebook has a class of its own below.

    Attributes:
        source: the notebook.
        each: the models of which it is run once each (empty: it is one page).
        needs: the models without which it cannot run.
        always: whether `make study` runs it whichever model it is asked about.
        after: pages that must have been run before it, if they are run at all: it reads what they stored, or would do the same work.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    source: ClassVar[str]
    each: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[tuple[str, ...]] = ()
    always: ClassVar[bool] = False
    after: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def values(cls, chosen: Profile, spec: Spec) -> dict[str, Any]:
        """What `make study` passes to it."""
        return {}

    @classmethod
    def alone(cls, chosen: Profile, spec: Spec) -> dict[str, Any] | None:
        """What `make study` passes to a published model's own copy of a page that all miniatures share; None: it has none."""
        return None

    def images_of(self, name: str) -> int:
        """Images of one of its models that the page needs at most."""
        return 0

    def images(self) -> int:
        """Images that the page needs at most, of all its models."""
        return sum(self.images_of(name) for name in dict.fromkeys(self.about()))

    def source_of(self, name: str) -> str | None:
        """Where a model is loaded from, if not from where the registry says (`make study SOURCE=`): what `models.load` takes."""
        return source_of(name)

    def about(self) -> tuple[str, ...]:
        """The models that the page is about."""
        return self.needs

    @property
    def settings(self) -> Settings:
        """How its images are sampled, where it has any."""
        return Settings()

    def settings_of(self, name: str) -> Settings:
        """How the images of one of these models are sampled."""
        return self.settings

    def reads(self) -> list[Path]:
        """Files, beside models, prompts and code, on which its numbers depend."""
        return []


class ModelPage(Page):
    """Pages about one model."""

    model: str
    steps: int = Field(0, ge=0)
    guidance: float = Field(0.0, ge=0)

    @field_validator("model")
    @classmethod
    def _known(cls, name: str) -> str:
        return find(name).name

    @property
    def settings(self) -> Settings:
        spec = find(self.model)
        return Settings(
            steps=self.steps or spec.steps, guidance=float(self.guidance or spec.guidance)
        )

    def about(self) -> tuple[str, ...]:
        return (self.model,)
