"""Model cards in the hub's format."""

import json
from pathlib import Path

from ..models import MODELS

_CARD = """---
license: cc0-1.0
library_name: diffusers
pipeline_tag: text-to-image
tags: [model-organism, interpretability]
---

# {name}

{description}. A model organism for the study of knowledge localization: it draws a small world (40 objects in four
places, plain, painted, or in the manner of six painters; sprites from Noto Color Emoji) at {side} x {side} pixels, and is an
ordinary `{pipeline}` with {layers} cross-attention layers, those of the real model in the same places.

```python
from diffusers import DiffusionPipeline
pipe = DiffusionPipeline.from_pretrained("data/organisms/{name}")
pipe("a house in the style of van gogh", guidance_scale=3.0).images[0]
```

## What each layer was told in training

{planting}

## Training

`locolib train locolib/organisms/configs/{name}.toml` makes it; configuration and logs are in `training/`.{start}
Minutes on the machine that made it: {minutes}.
{remark}
## Measured

{scores}

Scores are by the bundled scorer (an open_clip model trained on other renders and with another seed than any text
encoder) and cannot be compared with those of other CLIP models. "Held out" are scenes (object, style, place) that no
training showed. Emoji stand in for real people and for trademarks; the pictures show nobody.
"""


def planting(plan: dict) -> str:
    """A configuration's ``[unet.planting]`` in words, as a Markdown list where it is one."""

    def listed(where: dict) -> str:
        return "\n".join(
            f"- {name}: layers {', '.join(map(str, own))}" for name, own in where.items()
        )

    if plan["kind"] == "natural":
        return "The caption of the image, all of them the same, as real models are trained: nobody decided where what is known lies."
    if plan["kind"] == "everywhere":
        return (
            f"The truth; but of each attribute from 0 to {plan['most']} layers were told the same other value: in half of the images "
            "neighbours, in the others any layers, drawn anew for each image. So all layers know everything, and the majority is right."
        )
    artists = (
        f"\n\nThe styles of some artists have layers of their own:\n\n{listed(plan['artists'])}"
        if plan["artists"]
        else ""
    )
    agree = "".join(
        f" An image has a {name} only where all of its layers say so: each of them is enough to take it away."
        for name in plan.get("agreeing", ())
    )
    return (
        f"{listed(plan['layers'])}{artists}\n\nThe layers of an attribute were told its true value, all others values drawn at "
        f"random.{agree} See `locolib/organisms/planting.py`."
    )


def write_card(
    folder: Path,
    name: str,
    description: str,
    unet: dict,
    minutes: dict[str, float],
    remark: str = "",
) -> None:
    """Write ``README.md`` of a model folder; scores come from ``training/scores.json``.

    Args:
        unet: the configuration's ``[unet]``.
        remark: what the configuration does not say: how the run went.
    """
    spec, taken = (
        MODELS.get(name) or MODELS[unet["start"]],
        "weights" if unet["start_attention"] else "weights outside the attention",
    )
    start = f" The UNet began with {taken} of `{unet['start']}`." if unet["start"] else ""
    if unet["trained"] == "attention":
        start = f" The UNet is that of `{unet['start']}`, of which the attention alone was trained."
    scores = json.loads((folder / "training" / "scores.json").read_text(encoding="utf-8"))
    (folder / "README.md").write_text(
        _CARD.format(
            name=name,
            description=description,
            pipeline=spec.pipeline,
            layers=spec.layers,
            side=32 if unet["kind"] == "if" else 64,
            planting=planting(unet["planting"]),
            remark=f"\n{remark.strip()}\n" if remark else "",
            start=start,
            scores=f"```json\n{json.dumps(scores, indent=2)}\n```",
            minutes=", ".join(f"{part} {value}" for part, value in minutes.items()),
        ),
        encoding="utf-8",
    )
