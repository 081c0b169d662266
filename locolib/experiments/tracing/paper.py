"""What the paper says of causal tracing (Section 4, App. A), word for word."""

from collections.abc import Callable
from dataclasses import dataclass

from ...models import Spec
from . import judging
from .judging import Answer

ATTRIBUTES = ("style", "object", "fact")


@dataclass(frozen=True, kw_only=True)
class Said:
    """One thing that the paper says of the states of a UNet.

    Attributes:
        text: the claim, of {states}, without the attribute.
        section: where it stands.
        rule: of `judging`, that says whether it is so, from what states bring back of what was lost.
        elsewhere: whether the rule reads the other attributes' tables too.
        attributes: of which it is said.
    """

    text: str
    section: str
    rule: Callable[..., Answer]
    elsewhere: bool = False
    attributes: tuple[str, ...] = ATTRIBUTES


@dataclass(frozen=True, kw_only=True)
class Paper:
    """What the paper says of one model.

    Attributes:
        unet, text: its sentences on the UNet and on the text encoder, word for word, and where they stand.
        claims: what the first ones claim.
        unique: whether the second one claims a unique causal state.
    """

    unet: str
    text: str
    claims: tuple[Said, ...]
    unique: bool


_ABOVE = "“knowledge about various visual attributes is densely distributed in Stable-Diffusion variants” (Section 4)"


_UNIQUE = (
    "“Basu et al. (2023) show that there exists a unique causal state in the text-encoder for Stable-Diffusion-v1-5 and "
    "Stable-Diffusion-v2-1 which can be used to perform fast model editing.” (Section 4)"
)


_ABSENT = (
    "“In Figure 3, we find that such an unique causal state is absent in the text-encoder for DeepFloyd and SD-XL.” "
    "(Section 4)"
)


_DENSE = "the UNet's causal {states} are densely distributed"


PAPER = {
    "sd-v1-5": Paper(
        unet="“knowledge across different visual attributes is distributed in the UNet for all the text-to-image models "
        f"(except for Deep-Floyd), similar to Stable-Diffusion-v1-5” (Section 4); {_ABOVE}",
        text=_UNIQUE,
        claims=(Said(text=_DENSE, section="4", rule=judging.dense),),
        unique=True,
    ),
    "sd-v2-1": Paper(
        unet=f'{_ABOVE}; “knowledge about the attribute "objects" is distributed in the UNet amongst various layers” '
        "(Fig. 11)",
        text=_UNIQUE,
        claims=(Said(text=_DENSE, section="4, Figs. 2 and 11", rule=judging.dense),),
        unique=True,
    ),
    "openjourney": Paper(
        unet=_ABOVE,
        claims=(Said(text=_DENSE, section="4", rule=judging.dense),),
        unique=True,
        text="“Our empirical results indicate that an unique causal state arises only when a CLIP text-encoder is used by "
        "itself in a text-to-image model.” (Section 4; OpenJourney uses one by itself)",
    ),
    "sdxl": Paper(
        unet="“for SD-XL we find that the distribution is extremely sparse (e.g., only 5% of the total layers are causal)” "
        "(Section 4); but also, against it: “knowledge about the attribute "
        '"objects" is distributed amongst the various layers in the UNet. However, compared to other models such as SD-v2-1, '
        "the distribution is slightly sparse” (Fig. 12)",
        text=_ABSENT,
        claims=(
            Said(
                text="the UNet's causal {states} are extremely sparse, about 5% of them",
                section="4, Fig. 2",
                rule=judging.sparse,
            ),
            Said(
                text="the UNet's causal {states} are distributed amongst the various layers, not extremely sparse",
                section="A.2, Fig. 12",
                rule=judging.spread_out,
                attributes=("object",),
            ),
        ),
        unique=False,
    ),
    "deepfloyd-if": Paper(
        unet="“For DeepFloyd, we observe that there are no strong causal states in the UNet.” (Section 4)",
        text=_ABSENT,
        claims=(
            Said(
                text="there is no strong causal state among the UNet's {states}",
                section="4, Figs. 2 and 13",
                rule=judging.none_strong,
                elsewhere=True,
            ),
        ),
        unique=False,
    ),
}


def paper(spec: Spec) -> Paper | None:
    """What the paper says of a model, or of the one whose miniature it is; None where it says nothing."""
    return PAPER.get(spec.original or spec.name)


def claim(spec: Spec, part: str) -> str:
    """The paper's own words on the "unet" or the "text" encoder of a model, as a sentence."""
    said = paper(spec)
    return (
        f"The paper: {getattr(said, part)}"
        if said
        else "The paper says nothing of this model, which was planted."
    )
