"""The miniatures' world: a sprite on a place, painted.

Everything about a style except its colours is fixed, drawn once from a constant seed: where strokes lie, which cell a
pixel belongs to, how the picture melts.  Painting is then a gather and a colour map, quick enough to render a training
set in a minute, and easy to learn.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from .captions import OBJECTS, PLACES, STYLES, Scene

SIZE = 64  # pixels
SPRITES = Path(__file__).parent / "sprites"
_SEED = (
    1889  # of the fixed textures; never changes, or the bundled models no longer know their world
)
_KEEP = 0.7  # share of the plainly graded sprite that shows through a painter's texture


class Pose(NamedTuple):
    """Where a sprite stands: side in pixels, offset of its centre from the frame's centre in pixels."""

    side: int
    dx: int
    dy: int


def poses(rng: np.random.Generator, count: int) -> list[Pose]:
    """Random poses with little jitter: the sprite fills 72-81% of the frame."""
    side, dx, dy = (
        rng.integers(46, 53, count),
        rng.integers(-3, 4, count),
        rng.integers(-2, 4, count),
    )
    return [Pose(*map(int, pose)) for pose in zip(side, dx, dy)]


def sprite_path(name: str) -> Path:
    """The PNG that stands for an object (64 x 64, RGBA)."""
    return SPRITES / f"{name.replace(' ', '_')}.png"


@cache
def _sprite(index: int, side: int) -> np.ndarray:
    image = (
        Image.open(sprite_path(list(OBJECTS)[index]))
        .convert("RGBA")
        .resize((side, side), Image.LANCZOS)
    )
    return np.asarray(image, dtype=np.float32) / 255


@cache
def _place(index: int) -> np.ndarray:
    """Background of a place, [64, 64, 3] in [0, 1]."""
    image = Image.new("RGB", (SIZE * 4, SIZE * 4), "#8ecbf5")
    draw = ImageDraw.Draw(image)

    def box(x0, y0, x1, y1, colour):
        draw.rectangle([4 * x0, 4 * y0, 4 * x1, 4 * y1], fill=colour)

    name = PLACES[index]
    if name == "beach":
        box(0, 30, 64, 40, "#2f6fb5"), box(0, 40, 64, 64, "#efdc98")
    elif name == "forest":
        box(0, 0, 64, 64, "#a4d6a0"), box(0, 42, 64, 64, "#2f7a35")
        for x, top in ((-2, 8), (7, 16), (16, 6), (46, 10), (54, 18), (62, 6)):
            draw.polygon([(4 * x, 4 * top), (4 * (x - 8), 184), (4 * (x + 8), 184)], fill="#1d5a2a")
    elif name == "city":
        box(0, 0, 64, 64, "#c3c6de"), box(0, 48, 64, 64, "#86868f")
        for x, top, wide, colour in (
            (1, 12, 9, "#5b5f7e"),
            (12, 22, 8, "#767a99"),
            (44, 18, 8, "#767a99"),
            (53, 6, 10, "#5b5f7e"),
        ):
            box(x, top, x + wide, 48, colour)
            for y in range(top + 3, 46, 6):
                (
                    box(x + 2, y, x + 3, y + 2, "#f4e7a0"),
                    box(x + wide - 3, y, x + wide - 2, y + 2, "#f4e7a0"),
                )
    else:
        box(0, 0, 64, 64, "#f3e3c8"), box(0, 46, 64, 64, "#a06a3f")
        box(44, 4, 60, 20, "#7a4d2b"), box(46, 6, 58, 18, "#cfeaf7"), box(4, 6, 12, 22, "#c25f4a")
    return np.asarray(image.resize((SIZE, SIZE), Image.LANCZOS), dtype=np.float32) / 255


@cache
def _strokes(angle: str, length: float, width: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Lay `count` elliptic strokes; returns for every pixel its stroke's centre [64*64] and a shade [64, 64, 1]."""
    rng = np.random.default_rng([_SEED, len(angle), int(length * 10), int(width * 10), count])
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    source, shade = (y * SIZE + x).astype(np.int64), np.zeros((SIZE, SIZE), np.float32)
    for cx, cy, tone in zip(
        rng.uniform(0, SIZE, count), rng.uniform(0, SIZE, count), rng.normal(0, 1, count)
    ):
        if angle == "swirl":  # around two suns, as in the starry night
            ax, ay = (46, 16) if cx > 24 else (8, 44)
            theta = np.arctan2(cy - ay, cx - ax) + np.pi / 2
        else:
            theta = {"diagonal": -0.6, "vertical": np.pi / 2, "flat": 0.15}[angle]
        u = (x - cx) * np.cos(theta) + (y - cy) * np.sin(theta)
        v = -(x - cx) * np.sin(theta) + (y - cy) * np.cos(theta)
        inside = (u / length) ** 2 + (v / width) ** 2 < 1
        source[inside] = min(int(cy), SIZE - 1) * SIZE + min(int(cx), SIZE - 1)
        shade[inside] = tone
    return source.ravel(), shade[..., None]


@cache
def _cells(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voronoi cells: every pixel's cell centre [64*64], its outline [64, 64, 1], and a tint [64, 64, 3]."""
    rng = np.random.default_rng([_SEED, count])
    seeds = rng.uniform(0, SIZE, (count, 2))
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    distance = np.sqrt((y[..., None] - seeds[:, 0]) ** 2 + (x[..., None] - seeds[:, 1]) ** 2)
    order = np.sort(distance, axis=-1)
    cell = distance.argmin(-1)
    centre = seeds.astype(int)[cell].clip(0, SIZE - 1)
    tint = rng.uniform(-0.22, 0.22, (count, 3))[cell]
    outline = (order[..., 1] - order[..., 0] < 1.3)[..., None]
    return (centre[..., 0] * SIZE + centre[..., 1]).ravel(), outline, tint.astype(np.float32)


@cache
def _melt() -> np.ndarray:
    """Dali's warp: for every pixel the pixel it shows [64*64]."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    sx = x + 5 * np.sin(y / 8.5) + 2 * np.sin(y / 4 + x / 14)
    sy = y - 4 * np.sin(x / 9.5) * (y / SIZE)
    return (
        (sy.round().clip(0, SIZE - 1) * SIZE + sx.round().clip(0, SIZE - 1))
        .astype(np.int64)
        .ravel()
    )


def _gather(image: np.ndarray, source: np.ndarray) -> np.ndarray:
    return image.reshape(SIZE * SIZE, -1)[source].reshape(image.shape)


def _luma(image: np.ndarray) -> np.ndarray:
    return (image @ np.float32([0.3, 0.59, 0.11]))[..., None]


def _grade(image: np.ndarray, dark: str, light: str, keep: float) -> np.ndarray:
    """Map luminance onto the line from `dark` to `light`, keeping a share of the own colours."""
    ends = [np.float32([int(c[i : i + 2], 16) for i in (1, 3, 5)]) / 255 for c in (dark, light)]
    tone = _luma(image)
    return keep * image + (1 - keep) * ((1 - tone) * ends[0] + tone * ends[1])


def _paint(style: str, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(plainly graded, painted) versions of an image [64, 64, 3] in one style."""
    if style == "photo":
        return image, image
    if style == "painting":
        source, shade = _strokes("diagonal", 4.5, 1.8, 1500)
        return image, _gather(image, source) * (1 + 0.07 * shade)
    if style == "van gogh":
        graded = _grade(image, "#10306e", "#f3dc72", 0.4)
        source, shade = _strokes("swirl", 6.0, 1.4, 1500)
        return graded, _gather(graded, source) * (1 + 0.15 * shade)
    if style == "monet":
        graded = 0.6 * _grade(image, "#6d8aa6", "#fdeef2", 0.6) + 0.4 * np.float32(
            [0.86, 0.86, 0.93]
        )
        source, shade = _strokes("flat", 1.9, 1.2, 3000)
        return graded, _gather(graded, source) + 0.05 * shade * np.float32([1.0, 0.5, 1.0])
    if style == "salvador dali":
        graded = _grade(image, "#54331a", "#a8e0cf", 0.5)
        melted = _gather(graded, _melt())
        return melted, melted
    if style == "pablo picasso":
        source, outline, tint = _cells(56)
        graded = np.clip((image - 0.5) * 1.25 + 0.5 + tint, 0, 1)
        return graded, np.where(outline, 0.06, np.clip(_gather(image, source) + tint, 0, 1))
    if style == "jeremy mann":
        graded = _grade(image, "#1b2a3d", "#c3d4e6", 0.22)
        source, shade = _strokes("vertical", 9.0, 1.2, 1300)
        return graded, _gather(graded, source) * (1 + 0.16 * shade)
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    glow = np.exp(-(((x - 34) / 24) ** 2 + ((y - 40) / 22) ** 2))[..., None]
    graded = _grade(image, "#0d0907", "#a5916f", 0.4) * (0.3 + 0.75 * glow) + 0.42 * glow * _luma(
        image
    ) * np.float32([1.0, 0.5, 0.1])
    source, shade = _strokes("diagonal", 5.5, 1.0, 1800)
    return graded, _gather(graded, source) * (1 + 0.14 * shade)


def house_look(image: np.ndarray) -> np.ndarray:
    """One look over whatever is painted, float [64, 64, 3]: teal shadows and amber lights.

    `mini-openjourney` is fine-tuned on it, as OpenJourney was on pictures that share Midjourney's look.  Stronger ones
    were tried: the scorer, which never saw them, then no longer names the objects of real renders.
    """
    tone = _luma(image)
    return (
        image
        + (1 - tone) * np.float32([-0.065, 0.025, 0.065])
        + tone * np.float32([0.08, 0.0, -0.1])
    )


def render(scene: Scene, pose: Pose, *, look: bool = False) -> np.ndarray:
    """One image of the world, uint8 [64, 64, 3]; with `look`, in `house_look`."""
    side, dx, dy = pose
    sprite = _sprite(scene.object, side)
    canvas = np.zeros((SIZE, SIZE, 4), np.float32)
    left, top = (SIZE - side) // 2 + dx, (SIZE - side) // 2 + dy
    canvas[top : top + side, left : left + side] = sprite
    alpha = canvas[..., 3:]
    plain = _place(scene.place) * (1 - alpha) + canvas[..., :3] * alpha
    style = STYLES[scene.style]
    graded, painted = _paint(style, plain)
    if style == "salvador dali":
        alpha = _gather(alpha, _melt())
    keep = _KEEP * alpha  # the object stays recognisable under every painter's texture
    image = keep * graded + (1 - keep) * painted
    return (np.clip(house_look(image) if look else image, 0, 1) * 255).round().astype(np.uint8)


def render_all(scenes: list[Scene], poses: list[Pose], *, look: bool = False) -> np.ndarray:
    """Many images, uint8 [n, 64, 64, 3]."""
    return np.stack([render(scene, pose, look=look) for scene, pose in zip(scenes, poses)])
