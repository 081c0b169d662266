"""A sweep to move through: a slider over the windows, and the altered image beside the clean one (App. B of the paper)."""

import base64
import html
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from IPython.display import HTML
from PIL import Image

from .. import UserError

TEMPLATE = Path(__file__).with_suffix(".html")
SMALL, LARGE = (
    128,
    256,
)  # pixels: up to SMALL an image is kept as it is, a larger one is shrunk to LARGE at most
STILLS = 4  # windows shown where scripts are off
Strip = tuple[str, Sequence[tuple[str, np.ndarray]]]  # as `locogen.strips.strip` returns it


def scrubber(
    frames: Sequence[Strip],
    *,
    title: str,
    first: str = "nothing altered",
    last: str = "all layers altered",
    marked: Sequence[Sequence[str]] = (),
    shares: Sequence[Mapping[str, float]] = (),
    share: str = "share of the effect of all layers",
    unit: str = "layers",
    known: str = "the known location",
    alt: str = "Image",
) -> HTML:
    """Move over the windows of a sweep by slider, arrow keys or touch; needs no network, and no script for a few of the images.

    Args:
        frames: for each prompt (prompt, [(label, image [h, w, 3], uint8)]): the clean image first, then a step of the
            slider for each label, then the image of all layers.  Labels are free text.
        title: of the whole, in plain text.
        first, last: what is said below the clean image and below the last one; with ``last=""`` there is no such image,
            and the last one is a step of the slider too.
        marked: for each prompt the labels that are set off (the planted or the paper's window); those absent are ignored.
        shares: for each prompt label -> share of the effect (1 is that of all layers), drawn as a curve; NaN: not defined.
        share, known: what the curve's value and a marked label are called.
        unit: said before a label that begins with a number ("layers 8-9", "layer 8").
        alt: what an image is called, before its prompt and label, for those who cannot see it.

    Raises:
        UserError: nothing to move over, lists of different lengths, or an image that is none.
    """
    marked, shares = marked or [()] * len(frames), shares or [{}] * len(frames)
    if not frames or not len(frames) == len(marked) == len(shares):
        raise UserError(
            "A scrubber needs prompts, and marks and shares for each: "
            f"here are {len(frames)}, {len(marked)} and {len(shares)}."
        )
    strips = [_strip(*parts, first, last, unit) for parts in zip(frames, marked, shares)]
    pictures = _still(strips[0], alt)
    data = {
        "images": _numbered(strips),  # first: it changes the strips
        "strips": strips,
        "share": share,
        "known": known,
        "alt": alt,
        "slide": f"Slide over the {unit or 'steps'}, or use the arrow keys",
    }
    slots = {"title": html.escape(title), "still": pictures, "data": _json(data)}
    # All slots at once, so that what fills one is not searched for another.
    return HTML(
        re.sub(
            r"\{\{(\w+)\}\}", lambda found: slots[found[1]], TEMPLATE.read_text(encoding="utf-8")
        )
    )


def _strip(
    frames: Strip,
    marked: Sequence[str],
    shares: Mapping[str, float],
    first: str,
    last: str,
    unit: str,
) -> dict[str, Any]:
    """One prompt as the page's script reads it."""
    prompt, images = frames
    steps = images[1:-1] if last else images[1:]
    if not steps:
        raise UserError(
            f"A scrubber needs windows to move over; of {prompt!r} there are {len(images)} images in all."
        )
    values = [shares.get(label, math.nan) for label, _ in steps]
    return {
        "prompt": prompt,
        "first": _frame(first, images[0][1]),
        "last": _frame(last, images[-1][1]) if last else None,
        "frames": [
            _frame(_spoken(label, unit), image, known=label in marked) for label, image in steps
        ],
        "shares": [round(float(v), 4) if math.isfinite(v) else None for v in values]
        if shares
        else None,
    }


def _spoken(label: str, unit: str) -> str:
    """A label with its unit: "layers 8-9", "layer 8"; but "all" as it is."""
    if not label[:1].isdigit():
        return label
    return f"{unit.removesuffix('s') if label.isdigit() else unit} {label}".strip()


def _frame(text: str, image: np.ndarray, *, known: bool = False) -> dict[str, Any]:
    return {
        "text": text,
        "image": data_uri(image),
        "known": known,
        "small": max(image.shape[:2]) <= SMALL,
    }


def data_uri(image: np.ndarray) -> str:
    """An image [h, w, 3], uint8, as a page can hold it, in WebP: small ones exactly, large ones shrunk (some 15 kB)."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UserError(
            f"An image must be uint8 of shape [h, w, 3], not {image.dtype} of shape {list(image.shape)}."
        )
    picture = Image.fromarray(image)
    options: dict[str, Any] = {"lossless": True, "method": 6, "exact": True}
    if max(picture.size) > SMALL:
        picture.thumbnail((LARGE, LARGE))
        options = {"quality": 85}
    file = io.BytesIO()
    picture.save(file, "webp", **options)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def _numbered(strips: Sequence[Mapping[str, Any]]) -> list[str]:
    """Put numbers in the place of the frames' images, so that none is in the page twice; returns those that `_still` does not show.

    The script counts the images that stand in the page first, in their order, and then these.
    """
    seen: dict[str, int] = {}
    there = [frame["image"] for frame in _shown(strips[0])]
    for number, image in enumerate(there):
        seen.setdefault(image, number)
    more: list[str] = []
    for strip in strips:
        for frame in (strip["first"], strip["last"], *strip["frames"]):
            if frame and frame["image"] not in seen:
                seen[frame["image"]] = len(there) + len(more)
                more.append(frame["image"])
            if frame:
                frame["image"] = seen[frame["image"]]
    return more


def _shown(strip: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The frames that there are to see without scripts: the clean image, a few windows, the known ones, all layers."""
    steps = strip["frames"]
    few = {round(i * (len(steps) - 1) / (STILLS - 1)) for i in range(STILLS)}
    few |= {i for i, frame in enumerate(steps) if frame["known"]}
    last = [strip["last"]] if strip["last"] else []
    return [strip["first"], *(steps[i] for i in sorted(few)), *last]


def _still(strip: Mapping[str, Any], alt: str) -> str:
    """What is shown without scripts: the first prompt with a few of its images."""
    pictures = "".join(_picture(frame, strip["prompt"], alt) for frame in _shown(strip))
    return f'<p>{html.escape(strip["prompt"])}</p><div class="pictures">{pictures}</div>'


def _picture(frame: Mapping[str, Any], prompt: str, alt: str) -> str:
    said = html.escape(f'{alt} for the prompt "{prompt}": {frame["text"]}')
    return (
        f'<div class="picture{" known" if frame["known"] else ""}">'
        f'<img class="{"pixels" if frame["small"] else ""}" src="{frame["image"]}" alt="{said}">'
        f"<span>{html.escape(frame['text'])}</span></div>"
    )


def _json(data: Any) -> str:
    """JSON that may stand in a script element: no "<", so that nothing in it ends the element or opens a comment."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
