"""Model cards in the hub's format."""

import json
from pathlib import Path

_CARD = """---
license: cc0-1.0
library_name: diffusers
pipeline_tag: text-to-image
tags: [model-organism, interpretability]
---

# {name}

{description}. A model organism for the study of knowledge localization: it draws a small world (40 objects in four
places, plain, painted, or in the manner of six painters; sprites from Noto Color Emoji) at 64 x 64 pixels, and is an
ordinary `StableDiffusionPipeline` with the 16 cross-attention layers of Stable Diffusion v1.5 in the same places.

```python
from diffusers import StableDiffusionPipeline
pipe = StableDiffusionPipeline.from_pretrained("data/organisms/{name}")
pipe("a house in the style of van gogh", guidance_scale=3.0).images[0]
```

## Where knowledge was planted

{windows}

The layers of an attribute's window were told its true value during training, all others values drawn at random. See
`locolib/organisms/planting.py`.

## Training

`locolib train locolib/organisms/configs/{name}.toml` makes it from nothing; configuration and logs are in `training/`.
Minutes on the machine that made it: {minutes}.
{remark}
## Measured

{scores}

Scores are by the bundled scorer (an open_clip model trained on other renders and with another seed than the text
encoder) and cannot be compared with those of other CLIP models. "Held out" are scenes (object, style, place) that no
training showed. Real people's names and trademarks stand for emoji; the pictures show nobody.
"""


def write_card(folder: Path, name: str, description: str, windows: dict, minutes: dict[str, float], remark: str = "") -> None:
    """Write ``README.md`` of a model folder; scores come from ``training/scores.json`` where that exists.

    `remark` says what the configuration does not: how the run went.
    """
    scores = folder / "training" / "scores.json"
    measured = json.dumps(json.loads(scores.read_text()), indent=2) if scores.exists() else "not measured yet"
    planted = "\n".join(f"- {attribute}: layers {start} to {start + m - 1}" for attribute, (start, m) in windows.items())
    (folder / "README.md").write_text(_CARD.format(
        name=name, description=description, windows=planted, scores=f"```json\n{measured}\n```",
        remark=f"\n{remark}\n" if remark else "",
        minutes=", ".join(f"{part} {value}" for part, value in minutes.items())))
