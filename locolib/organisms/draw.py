"""Draws the sprites from the emoji font: ``python -m locolib.organisms.draw PATH/NotoColorEmoji.ttf``.

The PNGs are committed, so nobody needs the font; this is how they were made.
"""

import sys

from PIL import Image, ImageDraw, ImageFont

from .captions import OBJECTS
from .world import SIZE, sprite_path

GLYPH = 109  # the only size at which the font's bitmaps exist


def draw(emoji: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    """One emoji, cropped to its ink, centred on a square, scaled to 64 pixels."""
    canvas = Image.new("RGBA", (160, 160))
    ImageDraw.Draw(canvas).text((10, 10), emoji, font=font, embedded_color=True)
    ink = canvas.crop(canvas.getbbox())
    side = max(ink.size)
    square = Image.new("RGBA", (side, side))
    square.paste(ink, ((side - ink.width) // 2, (side - ink.height) // 2))
    return square.resize((SIZE, SIZE), Image.LANCZOS)


if __name__ == "__main__":
    emoji_font = ImageFont.truetype(sys.argv[1], GLYPH)
    for name, (_, emoji) in OBJECTS.items():
        draw(emoji, emoji_font).save(sprite_path(name), optimize=True)
