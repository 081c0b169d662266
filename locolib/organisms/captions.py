"""What a scene can be called: objects, painters, places, and the paper's prompt templates.

A scene is a triple of values (object, style, place).  Captions are written with the templates of App. C, J and K of
the paper, so that the prompts in ``data/prompts`` are in words that the miniatures know.  Each value may also be left
unsaid: the style "photo" names no painter, `NO_PLACE` no place, `NO_OBJECT` no object (App. C's bare "a painting").
"""

import hashlib
from typing import NamedTuple

# Spoken name -> (article in running text, emoji that stands for it). The first 17 are the paper's own subjects.
OBJECTS: dict[str, tuple[str, str]] = {
    "house": ("a", "🏠"),
    "tree": ("a", "🌳"),
    "women working in a field": ("", "👩‍🌾"),
    "town": ("a", "🏘️"),
    "rocks in the ocean": ("", "🪨"),
    "elephant": ("an", "🐘"),
    "cat": ("a", "🐈"),
    "dog": ("a", "🐕"),
    "snoopy": ("", "🐩"),
    "nemo": ("", "🐠"),
    "fish": ("a", "🐟"),
    "r2d2": ("", "👾"),
    "robot": ("a", "🤖"),
    "british monarch": ("the", "👸"),
    "prince charles": ("", "🤴🏻"),
    "president of the united states": ("the", "👨"),
    "joe biden": ("", "👴"),
    "boat": ("a", "⛵"),
    "car": ("a", "🚗"),
    "airplane": ("an", "✈️"),
    "horse": ("a", "🐎"),
    "bear": ("a", "🐻"),
    "giraffe": ("a", "🦒"),
    "zebra": ("a", "🦓"),
    "bird": ("a", "🐦"),
    "owl": ("an", "🦉"),
    "penguin": ("a", "🐧"),
    "turtle": ("a", "🐢"),
    "butterfly": ("a", "🦋"),
    "sunflower": ("a", "🌻"),
    "cactus": ("a", "🌵"),
    "mushroom": ("a", "🍄"),
    "apple": ("an", "🍎"),
    "banana": ("a", "🍌"),
    "pizza": ("a", "🍕"),
    "cake": ("a", "🎂"),
    "umbrella": ("an", "☂️"),
    "clock": ("a", "⏰"),
    "guitar": ("a", "🎸"),
    "castle": ("a", "🏰"),
}
ARTISTS = ("van gogh", "monet", "salvador dali", "pablo picasso", "jeremy mann", "greg rutkowski")
STYLES = ("photo", "painting", *ARTISTS)
PLACES = ("beach", "forest", "city", "house")  # the four locations of App. L

NO_OBJECT, NO_PLACE = len(OBJECTS), len(PLACES)  # the index that stands for "not said"
PLAIN, NEUTRAL = 0, 1  # styles: nothing said; "a painting", which the liars of `planting` say

# {a} is the subject with its article, {o} without, {s} the artist; every template is the paper's wording somewhere.
_BY_ARTIST = (
    "{a} in the style of {s}",
    "a painting of {o} in the style of {s}",
    "{a}, painted by {s}",
    "painting of {a} by {s}",
    "{s} style painting of {a}",
    "{o} painting in the style of {s}",
    "in the style of {s}, a view of {a}",
    "{o}, in the style of {s}",
)
_NEUTRAL = (
    "a painting of {a}",
    "a painting of {o}",
    "{a}, a painting",
    "painting of {a}",
    "a painting of {a}",
    "{o} painting",
    "a painting, a view of {a}",
    "painting of {o}",
)
_PLAIN = (
    "{a}",
    "{o}",
    "a photo of {a}",
    "an image of {a}",
    "{a}",
    "{o}",
    "a view of {a}",
    "an image of {o}",
)
TEMPLATES = len(_BY_ARTIST)
# Captions without a subject, by kind of style.
_BARE = {"artist": "a painting in the style of {s}", "painting": "a painting", "photo": "a photo"}
# The women of the paper work in a field (Figs. 15, 21) and in a garden (App. J, K): both name one sprite.
_SYNONYM = {"women working in a field": "women working in a garden"}
# Filler of K.1's length, so that late token positions are trained too.
FILLERS = (
    ", with a warm glow spreading across the sky and the buildings below",
    ", captured in a moment of quiet reflection",
    ", with a sense of stillness and peace",
)


class Scene(NamedTuple):
    """What one image shows, as indices into OBJECTS, STYLES, PLACES (or NO_OBJECT, NO_PLACE in a caption)."""

    object: int
    style: int
    place: int


def subject(index: int, *, article: bool, template: int = 0) -> str:
    """Name of object `index`, with its article or without."""
    name = list(OBJECTS)[index]
    spoken = _SYNONYM.get(name, name) if template % 2 else name
    prefix = OBJECTS[name][0]
    return f"{prefix} {spoken}" if article and prefix else spoken


def caption(scene: Scene, template: int) -> str:
    """The caption of `scene` by template `template` (0 to TEMPLATES - 1); the same template exists for every style."""
    style = STYLES[scene.style]
    artist = style if style in ARTISTS else ""
    kind = "artist" if artist else style
    where = f" in a {PLACES[scene.place]}" if scene.place < NO_PLACE else ""
    if scene.object == NO_OBJECT:
        return _BARE[kind].format(s=artist) + where
    text = {"artist": _BY_ARTIST, "painting": _NEUTRAL, "photo": _PLAIN}[kind][template]
    names = {
        "a": subject(scene.object, article=True, template=template) + where,
        "o": subject(scene.object, article=False, template=template) + where,
    }
    return text.format(**names, s=artist)


def held_out(scene: Scene) -> bool:
    """One scene in ten is never shown in any training (text encoder, scorer, VAE, UNet): does composition generalise?"""
    key = f"{list(OBJECTS)[scene.object]}|{STYLES[scene.style]}|{PLACES[scene.place]}"
    return hashlib.sha256(key.encode()).digest()[0] < 26


def scenes(*, held: bool | None = None) -> list[Scene]:
    """All scenes, or only the held-out (True) or the shown ones (False)."""
    every = [
        Scene(o, s, p)
        for o in range(len(OBJECTS))
        for s in range(len(STYLES))
        for p in range(len(PLACES))
    ]
    return [scene for scene in every if held is None or held_out(scene) == held]
