"""What the paper says of causal tracing (Section 4, App. A), word for word."""

from dataclasses import dataclass

from ...models import Spec


@dataclass(frozen=True, kw_only=True)
class Paper:
    """What the paper says of one model.

    Attributes:
        unet, text: its sentences on the UNet and on the text encoder, word for word, and where they stand.
        spread: what the first one claims: "distributed", "sparse" or "no strong state".
        unique: whether the second one claims a unique causal state.
    """

    unet: str
    text: str
    spread: str
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


PAPER = {
    "sd-v1-5": Paper(
        unet="“knowledge across different visual attributes is distributed in the UNet for all the text-to-image models "
        f"(except for Deep-Floyd), similar to Stable-Diffusion-v1-5” (Section 4); {_ABOVE}",
        text=_UNIQUE,
        spread="distributed",
        unique=True,
    ),
    "sd-v2-1": Paper(
        unet=f'{_ABOVE}; “knowledge about the attribute "objects" is distributed in the UNet amongst various layers” '
        "(Fig. 11)",
        text=_UNIQUE,
        spread="distributed",
        unique=True,
    ),
    "openjourney": Paper(
        unet=_ABOVE,
        spread="distributed",
        unique=True,
        text="“Our empirical results indicate that an unique causal state arises only when a CLIP text-encoder is used by "
        "itself in a text-to-image model.” (Section 4; OpenJourney uses one by itself)",
    ),
    "sdxl": Paper(
        unet="“for SD-XL we find that the distribution is extremely sparse (e.g., only 5% of the total layers are causal)” "
        "(Section 4); but also: “compared to other models such as SD-v2-1, the distribution is slightly sparse” (Fig. 12)",
        text=_ABSENT,
        spread="sparse",
        unique=False,
    ),
    "deepfloyd-if": Paper(
        unet="“For DeepFloyd, we observe that there are no strong causal states in the UNet.” (Section 4)",
        text=_ABSENT,
        spread="no strong state",
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
