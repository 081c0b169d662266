"""How much the study computes: three profiles, from a smoke test to the paper's own numbers of prompts, seeds and steps."""

from pydantic import BaseModel, ConfigDict

from .. import UserError
from ..models import Spec


class Profile(BaseModel):
    """How much is computed.

    Attributes:
        steps: of sampling; 0: as many as a model's pictures need (`Spec.steps`).
        most_steps: of sampling, of bundled models whose default is more, by their pipeline.
        prompts: of each attribute; 0: all.
        few: the same for models of more than 16 layers, whose sweeps have more windows.
        seeds: of each prompt.
        fast: whether models of more than 16 layers are asked by backward passes first, so that few windows are drawn.
        sizes: window sizes that LocoGen searches, by the number of layers; not there: 1, 2, ... to a quarter of them.
        objects: on a model's own page; 0: all.
        places: whether pages of models also sweep over places, which the paper does not.
        traced, traced_few: prompts of each attribute that are traced; the second for models of more than 16 layers.
        thinned, thinned_few: UNet states of each kind that are traced at most (see `tracing.states`), of those models; 0: all.
        pictures, pictures_few, pictures_five: held-out images of an edit; fewer where two models are compared, or five.
        split_seeds, split_steps, splits: of the page that asks how stable an answer is.
    """

    model_config = ConfigDict(frozen=True)
    name: str
    steps: int = 0
    most_steps: dict[str, int] = {}
    prompts: int
    few: int
    seeds: int = 1
    fast: bool = False
    sizes: dict[int, str] = {}
    objects: int = 0
    places: bool = True
    traced: int = 0
    traced_few: int = 0
    thinned: int = 0
    thinned_few: int = 0
    pictures: int = 12
    pictures_few: int = 12
    pictures_five: int = 6
    split_seeds: int = 4
    split_steps: int = 4
    splits: int = 200

    def steps_of(self, spec: Spec) -> int:
        """Steps of sampling, as a page's parameter `steps` says them; 0: the model's default."""
        most = self.most_steps.get(spec.pipeline, spec.steps) if spec.bundled else spec.steps
        return self.steps or (most if most < spec.steps else 0)

    def prompts_of(self, spec: Spec) -> int:
        return self.few if spec.layers > 16 else self.prompts

    def sizes_of(self, spec: Spec) -> int | str:
        """The sizes that are searched, as the page's parameter `m` says them; where there are many layers a few around the paper's (App. G)."""
        return self.sizes.get(spec.layers, 0)

    def method_of(self, spec: Spec) -> str:
        """How LocoGen is asked, as the page's parameter `method` says it."""
        return "fast" if self.fast and spec.layers > 16 else "sweep"


PROFILES = {
    p.name: p
    for p in (
        Profile(
            name="smoke",
            steps=2,
            prompts=2,
            few=2,
            fast=True,
            sizes={16: "1, 2", 22: "2, 3", 70: "3, 5"},
            objects=2,
            traced=1,
            traced_few=1,
            thinned=1,
            thinned_few=1,
            pictures=2,
            pictures_few=2,
            pictures_five=2,
            split_seeds=1,
            split_steps=1,
            splits=10,
        ),  # tests
        Profile(
            name="quick",
            # The scorer names as many styles and nearly as many objects as with the planted miniatures' 10 and DeepFloyd's 16.
            most_steps={"StableDiffusionPipeline": 6, "IFPipeline": 10},
            prompts=18,  # three of each artist; every object
            few=18,
            fast=True,
            objects=16,
            places=False,
            traced=6,
            traced_few=6,
            thinned=8,
            thinned_few=5,
            split_seeds=2,
        ),  # two cores: minutes
        Profile(
            name="paper",
            steps=50,
            prompts=0,
            few=0,
            seeds=8,
            traced=12,
            traced_few=6,
            thinned_few=16,
            pictures=96,
            pictures_few=48,
            pictures_five=24,
            split_seeds=8,
            split_steps=50,
            sizes={70: "1, 2, 3, 4, 5, 6, 8, 10"},
        ),
    )
}  # the paper's 50 steps


def profile(name: str) -> Profile:
    """The profile called `name`, or one sentence that lists the names."""
    if name not in PROFILES:
        raise UserError(f"Unknown profile {name!r}; choose one of {', '.join(PROFILES)}.")
    return PROFILES[name]
