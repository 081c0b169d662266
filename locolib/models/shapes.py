"""Axis names: what the dimensions of arrays are called throughout the library (and in the book's glossary).

rows: images that are denoised together; an unconditional row stands before each conditional one where there is guidance.
tokens: positions of a prompt, padding included (77 in CLIP).  width: size of a text state.  heads, head_dim: of attention.
channels, y, x: of latents.  pixels_y, pixels_x: of images.  units: prompts with their seeds averaged (see `scores.Effects`).
"""

import numpy as np
from jaxtyping import Float, Int, UInt8
from torch import Tensor

TextStates = Float[Tensor, "prompts tokens width"]
KeyOrValue = Float[Tensor, "rows heads tokens head_dim"]
PerLayer = Float[Tensor, "rows _ tokens _"]  # in a list over layers, whose heads differ
Maps = Float[Tensor, "rows width y x"]  # feature maps inside a UNet
Queries = Float[Tensor, "rows places width"]
Latents = Float[Tensor, "rows channels y x"]
Noise = Float[Tensor, "channels y x"]
Images = UInt8[np.ndarray, "images pixels_y pixels_x 3"]
Image = UInt8[np.ndarray, "pixels_y pixels_x 3"]
Embeddings = Float[np.ndarray, "items dim"]
TokenIds = Int[Tensor, "prompts tokens"]
