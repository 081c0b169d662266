"""What all pages draw with: the style, forest plots, grids of pictures, the scrubber; nothing is computed here."""

from .forest_plot import GREY, forest, kept
from .pictures import contact_sheet, image_rows, short
from .style import MARKERS, PALETTE, WIDTH, bars, download, panels, styled
from .window_scrubber import LARGE, data_uri, scrubber

__all__ = ["GREY", "LARGE", "MARKERS", "PALETTE", "WIDTH", "bars", "contact_sheet", "data_uri", "download", "forest", "image_rows", "kept", "panels", "scrubber", "short", "styled"]
