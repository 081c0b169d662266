"""What all pages draw with: the style, forest plots, grids of pictures, the scrubber; nothing is computed here."""

from .drawn import offer
from .forest_plot import GREY, forest
from .pictures import contact_sheet, image_rows, short
from .style import MARKERS, PALETTE, WIDTH, bars, panels, styled
from .tables import download, kept
from .window_scrubber import LARGE, data_uri, scrubber

__all__ = [
    "GREY",
    "LARGE",
    "MARKERS",
    "PALETTE",
    "WIDTH",
    "bars",
    "contact_sheet",
    "data_uri",
    "download",
    "forest",
    "image_rows",
    "kept",
    "offer",
    "panels",
    "scrubber",
    "short",
    "styled",
]

offer()  # whatever a notebook draws, its page can pass on as data
